"""Every promise of docs/reliability.md names tests, and these exist."""

import re

import pytest
from support.torchrun import ROOT

PAGE = ROOT / "docs/reliability.md"
TEST = re.compile(r"`(tests/[a-z_/]+\.py)::(test_[a-z0-9_]+)`")


def promises():
    """The rows of the tables of promises, which are those above the figures of the loops."""
    above = PAGE.read_text(encoding="utf-8").partition("\n## The loops\n")[0]
    return [line for line in above.splitlines() if line.startswith("| ") and not line.startswith("| promise |")]


@pytest.mark.parametrize("promise", promises(), ids=lambda promise: promise[2:40].strip())
def test_each_names_tests_that_exist(promise):
    named = TEST.findall(promise)
    assert named and len(named) == promise.count("::")
    for file, name in named:
        assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8"), f"{file} has no {name}"


def test_the_tests_of_this_folder_are_named():
    """But for those of the tools themselves."""
    texts = [path.read_text() for path in (ROOT / "tests/reliability").glob("test_*.py")]
    own = {name for text in texts for name in re.findall(r"^def (test_\w+)", text, re.MULTILINE)}
    named = {name for _, name in TEST.findall(PAGE.read_text(encoding="utf-8"))}
    assert own - named == {
        "test_each_names_tests_that_exist",
        "test_the_tests_of_this_folder_are_named",
        "test_findings_are_noticed",
        "test_what_is_wrong_is_noticed",
    }


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-app.txt"])
def test_dependencies_have_an_upper_bound(name):
    lines = (ROOT / name).read_text().split()
    assert lines and all(re.search(r"<\d+$", line) for line in lines), lines
