"""What a user can get wrong: one line on stderr that names it, exit code 1, nothing written."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from evaluation_samples import FRAMES, PROGRAM, run_length_json, run_program, square, write, write_meta
from PIL import Image

from hodor.errors import HodorError
from hodor.evaluation.main import main

Damage = Callable[[Path], object]
BAD_INPUTS: dict[str, tuple[Damage, str]] = {
    "missing frame": (lambda data: (data / "results/bear/00003.png").unlink(), r"results/bear/00003.png: no such file"),
    "missing sequence": (lambda data: (data / "results/two").rename(data / "gone"), r"results: no masks for sequence 'two'"),
    "object too many": (
        lambda data: write(data / "results/bear", [square(30, 2)] * FRAMES),
        r"bear/0000.\.png: .*object 2 too many",
    ),
    "void predicted": (
        lambda data: write(data / "results/bear", [square(30, 255)] * FRAMES),
        r"bear/0000.\.png: .*object 255 too many",
    ),
    "other size": (
        lambda data: write(data / "results/bear", [square(30)[:50]] * FRAMES),
        r"bear/0000.\.png: .*100x50.*100x100",
    ),
    "broken prediction": (
        lambda data: (data / "results/two/00002.png").write_bytes(b"\x89PNG"),
        r"results/two/00002.png: .*truncated",
    ),
    "broken truth": (lambda data: (data / "truth/two/00002.png").write_bytes(b""), r"truth/two/00002.png: .*empty"),
    "no results": (lambda data: (data / "results").rename(data / "gone"), r"results: no such folder"),
    "no truth": (lambda data: (data / "truth").rename(data / "gone"), r"truth: no such folder"),
    "flat truth": (
        lambda data: [(data / "truth").rename(data / "gone"), write(data / "truth", [square(30)])],
        r"truth: the ground truth is empty",
    ),
    "antialiased colours": (
        lambda data: Image.fromarray(np.full((100, 100, 3), 77, np.uint8) + np.uint8([0, 1, 2])).save(
            data / "results/two/00002.png"
        ),
        r"results/two/00002.png: .*known palette",
    ),
}


@pytest.mark.parametrize("case", BAD_INPUTS)
def test_bad_input_is_one_line_and_writes_nothing(data: Path, case: str) -> None:
    damage, message = BAD_INPUTS[case]
    damage(data)
    workers = 2 if case in {"missing frame", "broken truth"} else 1
    done = run_program(data / "results", "--ground_truth", data / "truth", "--json", data / "own.json", workers=workers)
    assert done.returncode == 1
    assert re.fullmatch(rf"error: .*{message}.*\n", done.stderr), done.stderr
    assert done.stdout == ""
    assert not (data / "results_evaluation").exists()
    assert not (data / "own.json").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--include_prompt_frame"], "--include_prompt_frame belongs to --protocol youtube_vos"),
        (["--seen_categories", "x"], "--seen_categories belongs to"),
        (["--protocol", "youtube_vos", "--categories", "x"], "--categories needs --seen_categories"),
        (["--protocol", "youtube_vos", "--seen_categories", "nowhere.txt"], "nowhere.txt: no such file"),
        (["--images", "nowhere"], "nowhere: no such folder"),
        (["--output_dir", str(PROGRAM)], "--output_dir must be a folder"),
        (["--json", str(PROGRAM.parent)], "--json must be a file"),
    ],
)
def test_bad_options(data: Path, options: list[str], message: str) -> None:
    with pytest.raises(HodorError, match=re.escape(message)):
        main([str(data / "results"), "--ground_truth", str(data / "truth"), *options])


def test_usage_errors(data: Path) -> None:
    done = run_program(data / "results")
    assert done.returncode == 2
    assert re.fullmatch(r"error: .*--ground_truth.*\n", done.stderr)
    done = run_program(data / "results", "--ground_truth", data / "truth", workers=0)
    assert done.returncode == 2
    assert re.fullmatch(r"error: .*--num_workers: must be a whole number, at least 1, not '0'.*\n", done.stderr)


def broken_json(change: Callable[[dict], object]) -> Callable[[dict], object]:
    return lambda content: change(content["sequences"][1])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: content.pop("sequences"), "truth.json: key 'sequences' is missing"),
        (broken_json(lambda two: two.pop("tracks")), "sequence 'two': key 'tracks' is missing"),
        (broken_json(lambda two: two.update(height="100")), "sequence 'two', key 'height': expected a number, found str"),
        (broken_json(lambda two: two.update(width=0)), "sequence 'two', key 'width': expected a whole number"),
        (broken_json(lambda two: two.update(width=10**9)), "sequence 'two', key 'width': expected a whole number"),
        (broken_json(lambda two: two["tracks"][1].update({"9" * 5000: {}})), "'999999999' is not an object id (1..254)"),
        (broken_json(lambda two: two["tracks"].pop()), "sequence 'two', key 'tracks' has 5 frames, but 'image_paths' has 6"),
        (
            broken_json(lambda two: two["tracks"][1]["2"].pop("seg")),
            "sequence 'two', key 'tracks'[1]['2']: key 'seg' is missing",
        ),
        (
            broken_json(lambda two: two["tracks"][1].update(x={})),
            "sequence 'two', key 'tracks'[1]: 'x' is not an object id",
        ),
        (broken_json(lambda two: two.update(height=90)), "sequence 'two', frame 00000, object 1, key 'seg': the runs cover"),
        (broken_json(lambda two: two.update(image_paths=["a.jpg"] * 6)), "sequence 'two', key 'image_paths': two frames"),
        (broken_json(lambda two: two.update(id="../two")), "sequence '../two', key 'id'"),
        (broken_json(lambda two: two.update(id="a\ud800")), "sequence 'a\\ud800', key 'id'"),
        (broken_json(lambda two: two.update(id="bear")), "sequence 'bear' stands in it twice"),
    ],
)
def test_broken_run_length_json(data: Path, change: Callable[[dict], object], message: str) -> None:
    content = run_length_json(data / "truth.json", data / "truth")
    change(content)
    (data / "truth.json").write_text(json.dumps(content))
    with pytest.raises(HodorError, match=re.escape(message)):
        main([str(data / "results"), "--ground_truth", str(data / "truth.json"), "--num_workers", "1"])


def test_file_that_is_no_json(data: Path) -> None:
    (data / "truth.json").write_text("{")
    done = run_program(data / "results", "--ground_truth", data / "truth.json")
    assert done.returncode == 1
    assert re.fullmatch(r"error: .*truth.json: not valid JSON.*\n", done.stderr)


@pytest.mark.parametrize(
    ("categories", "message"),
    [
        ({"bear": {"1": "bear"}}, "key 'videos': key 'two' is missing"),
        ({"bear": {"1": "bear"}, "two": {"1": "person"}}, "sequence 'two': object 2 has no category"),
        ({"bear": {"x": "bear"}, "two": {}}, "key 'bear', key 'objects': 'x' is not an object id"),
    ],
)
def test_missing_categories(data: Path, categories: dict[str, dict[str, str]], message: str) -> None:
    write_meta(data / "other.json", categories)
    (data / "seen.txt").write_text("person\n")
    options = [
        "--protocol",
        "youtube_vos",
        "--categories",
        str(data / "other.json"),
        "--seen_categories",
        str(data / "seen.txt"),
    ]
    with pytest.raises(HodorError, match=re.escape(message)):
        main([str(data / "results"), "--ground_truth", str(data / "truth"), "--num_workers", "1", *options])
    assert not (data / "results_evaluation").exists()
