"""Commands in README and docs: the real programs know all of them, and those that can run do."""

import argparse
import functools
import importlib
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from reader import PAGES, ROOT, SHELL, blocks, command_lines, make_small_files, spans

import hodor.cli
import hodor.data.show
import hodor.program
import hodor.training.main
from hodor.config import load_config
from hodor.program import ArgumentParser, parse_with_overrides

FOREIGN = {"--nproc_per_node", "--nnodes", "--strict"}  # options of torchrun and mkdocs
RUN = [page for page in PAGES if any(block.replaced is not None for block in blocks(page))]


class UnderstoodError(Exception):
    """A program has read its command line, and is not to do anything."""


@pytest.fixture
def reading(monkeypatch, tmp_path):
    """Programs end when they have read their command line. Gives the parsers that they read with."""
    monkeypatch.chdir(tmp_path)
    parsers, within = [], []
    read = ArgumentParser.parse_known_args

    def parse(parser, function, *arguments, **options):
        """Has a parser read; those that it asks for help read as always."""
        parsers.append(parser)
        within.append(parser)
        try:
            result = function(*arguments, **options)
        finally:
            within.clear()
        if function is parse_with_overrides:
            load_config(ROOT / (result[0].cfg or "configs/default.yaml"), result[1])
        raise UnderstoodError

    def parse_known_args(parser, *arguments, **options):
        if within:
            return read(parser, *arguments, **options)
        return parse(parser, functools.partial(read, parser), *arguments, **options)

    def parse_args(parser, *arguments, **options):
        return parse(parser, functools.partial(argparse.ArgumentParser.parse_args, parser), *arguments, **options)

    monkeypatch.setattr(ArgumentParser, "parse_known_args", parse_known_args)
    monkeypatch.setattr(ArgumentParser, "parse_args", parse_args)
    for module in (hodor.program, hodor.training.main, hodor.data.show):
        monkeypatch.setattr(
            module, "parse_with_overrides", lambda parser, given: parse(parser, parse_with_overrides, parser, given)
        )
    return parsers


def program(words):
    """The main function that a command starts, and its arguments; None where it is none of ours."""
    if words[0] == "hodor":
        return hodor.cli.main, words[1:]
    script = next((index for index, word in enumerate(words) if re.match(r"(hodor|scripts|benchmarks)/\S+\.py$", word)), None)
    if script is None:
        return None
    path = ROOT / words[script]
    sys.path.insert(0, str(path.parent))
    try:
        specification = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.parent))
    return module.main, words[script + 1 :]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_programs_understand_every_command_line(page, reading, capsys):
    for words in command_lines(page):
        if (found := program(words)) is None or "--help" in words:
            continue
        main, arguments = found
        try:
            with pytest.raises(UnderstoodError):
                main(arguments)
        except SystemExit:
            pytest.fail(f"{page.name}: {' '.join(words)}: {capsys.readouterr().err}")


def options_of(parser):
    """Every option of a parser and of the commands below it."""
    known = set(parser._option_string_actions)
    for action in parser._actions:
        for below in action.choices.values() if isinstance(action.choices, dict) else ():
            known |= options_of(below)
    return {option.replace("-", "_") for option in known}


@pytest.fixture
def known(reading):
    """{name of a program: its options}."""
    found = {}
    for name in hodor.cli._COMMANDS:
        with pytest.raises((UnderstoodError, SystemExit)):
            hodor.cli.main([name])
        found[name] = options_of(reading[-1])
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_options_within_the_text_exist(page, known, capsys):
    everywhere = set().union(*known.values()) | {option.replace("-", "_") for option in FOREIGN}
    for span in spans(page):
        if span.startswith("python "):  # a whole command, see above
            continue
        name = re.match(r"hodor (\w+)", span)
        assert name is None or name[1] in known, f"{page.name}: {span}"
        for option in re.findall(r"(?:^| )(--[a-z][\w-]*)(?![\w.-])", span):
            place = known[name[1]] if name and "|" not in span else everywhere
            assert option.replace("-", "_") in place or option == "--cfg", f"{page.name}: {span}"


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.name)
def test_marked_blocks_run(page, tmp_path):
    folder = make_small_files(tmp_path)
    starter = folder / "bin" / "hodor"
    starter.parent.mkdir()
    starter.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m hodor "$@"\n')
    starter.chmod(0o755)
    environment = os.environ | {
        "HOME": str(folder),
        "PATH": f"{starter.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "HODOR_WORKSPACE_DIR": str(folder / "workspace"),
        "OMP_NUM_THREADS": "1",
    }
    script = ["set -euo pipefail"]
    for number, block in enumerate(block for block in blocks(page) if block.replaced is not None):
        assert block.language in {*SHELL, "python"}
        text = re.sub(r"\b\d+\b", lambda found, changes=block.replaced: changes.get(found[0], found[0]), block.text)
        if block.language == "python":
            Path(folder / f"block_{number}.py").write_text(text)
            text = f'"{sys.executable}" block_{number}.py'
        script.append(text)
    finished = subprocess.run(
        ["bash", "-c", "\n".join(script)], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr[-3000:]
