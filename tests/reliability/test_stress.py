"""Inputs at the edge: the cases of benchmarks/stress.py that take little time."""

import pytest
import stress


@pytest.mark.parametrize("name", ["objects_255", "image_1x1", "image_9000x9000", "covered", "weights_nan"])
def test_right_or_refused_in_one_line(name, tmp_path):
    result = stress.measure(name, tmp_path)
    assert not result["problem"], result


def test_what_is_wrong_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setitem(stress.CASES, "lost", lambda folder: stress.Case(["--version"], ("out/masks", 3)))
    assert stress.measure("lost", tmp_path)["problem"] == "exit code 0 and 0 masks instead of 3"
