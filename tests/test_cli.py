"""The command `hodor`, mostly as a user runs it: in processes of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hodor.cli import main

ROOT = Path(__file__).parent.parent
COMMANDS = ["infer", "track", "describe", "train", "evaluate", "convert", "show", "synthetic", "benchmark"]
COMMANDS += ["download", "doctor"]


def hodor(*arguments, cwd=ROOT):
    return subprocess.run(
        [sys.executable, "-m", "hodor", *map(str, arguments)], cwd=cwd, capture_output=True, text=True, check=False
    )


def test_help_names_every_command_in_a_line():
    finished = hodor("--help")
    assert finished.returncode == 0 and not finished.stderr
    for name in COMMANDS:
        (line,) = [line for line in finished.stdout.splitlines() if line.startswith(f"  {name} ")]
        assert len(line.split()) > 3


def test_version():
    finished = hodor("--version")
    assert finished.returncode == 0 and finished.stdout.split()[0] == "hodor" and finished.stdout.split()[1][0].isdigit()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["trian", "--cfg", "x"], "unknown command 'trian'; did you mean 'train'?"),
        (["benchmarks"], "did you mean 'benchmark'?"),
        *(([name], "did you mean 'track'?") for name in ("segment", "run", "Predict")),
        *(([name], "did you mean 'evaluate'?") for name in ("eval", "score")),
        (["--quick"], "unknown command '--quick'"),
        ([""], "name a command: infer,"),
        ([], "name a command: infer,"),
    ],
)
def test_commands_that_do_not_exist(arguments, said, capsys):
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    out, err = capsys.readouterr()
    assert not out and err.count("\n") == 1 and err.startswith("error: ") and said in err and "hodor --help" in err


def test_an_unknown_command_ends_the_process_with_2():
    finished = hodor("trian")
    assert finished.returncode == 2 and finished.stderr.count("\n") == 1 and "'train'" in finished.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_is_a_program_that_is_called_by_its_name(name, capsys):
    with pytest.raises(SystemExit) as left:
        main([name, "--help"])
    assert left.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: hodor {name} ")


def test_commands_of_a_command_are_called_by_their_names(capsys):
    with pytest.raises(SystemExit):
        main(["convert", "davis", "--help"])
    assert capsys.readouterr().out.startswith("usage: hodor convert davis ")
    with pytest.raises(SystemExit) as left:
        main(["convert", "davis", "--no-such-option", "x"])
    assert left.value.code == 2 and "hodor convert" in capsys.readouterr().err


def test_a_program_started_by_itself_keeps_its_own_name():
    finished = subprocess.run(
        [sys.executable, "-m", "hodor.synthetic", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert finished.stdout.startswith("usage: python -m hodor.synthetic ")


def test_arguments_reach_the_program_and_its_exit_code_comes_back(tmp_path):
    folder = tmp_path / "toys"
    finished = hodor("synthetic", folder, "--clips", 1, "--frames", 2, "--height", 16, "--width", 24, "--objects", 1)
    assert finished.returncode == 0, finished.stderr
    assert len(list(folder.rglob("*.jpg"))) == 2
    again = hodor("synthetic", folder)
    assert again.returncode == 1 and again.stderr.count("\n") == 1 and "not empty" in again.stderr


def test_only_the_chosen_program_is_imported(tmp_path):
    code = f"""
import sys
from hodor.cli import main
main(["--help"])
assert "torch" not in sys.modules
main(["synthetic", {str(tmp_path / "toys")!r}, "--clips", "1", "--frames", "1", "--height", "16", "--width", "16"])
programs = [name for name in sys.modules if name.startswith(("hodor.inference", "hodor.training", "hodor.evaluation"))]
assert not programs and "hodor.benchmark" not in sys.modules, programs
"""
    finished = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr


def test_the_console_script_is_this_program():
    settings = (ROOT / "setup.py").read_text()
    assert '"console_scripts": ["hodor = hodor.cli:start"]' in settings


@pytest.mark.parametrize("policy", [None, "ACTIVE"])
def test_programs_let_waiting_threads_sleep_and_the_package_leaves_the_environment_alone(policy):
    code = """
import os, sys
before = dict(os.environ)
import hodor, hodor.cli, hodor.devices, hodor.inference.main
assert dict(os.environ) == before and hodor.devices.usable_cores() >= 1
from hodor.program import run
def main(arguments):
    print(os.environ.get("GOMP_SPINCOUNT"), "torch" in sys.modules)
    return 0
run(main)
"""
    environment = {name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    environment |= {"OMP_WAIT_POLICY": policy} if policy else {}
    finished = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, check=False, capture_output=True, text=True
    )
    assert finished.stdout == f"{None if policy else 1000} False\n", finished.stderr


@pytest.mark.parametrize("arguments", [["{name}", "--help"], ["{name}", "--no_such_option"]])
@pytest.mark.parametrize("name", COMMANDS)
def test_help_and_wrong_arguments_are_answered_without_loading_torch(name, arguments):
    line = [argument.format(name=name) for argument in arguments]
    code = f"""
import sys
from hodor.cli import main
try:
    main({line!r})
except SystemExit:
    pass
assert "torch" not in sys.modules
"""
    finished = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
