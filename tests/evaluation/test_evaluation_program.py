"""The program as a user runs it: real processes, tables and files."""

import contextlib
import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from evaluation_samples import FRAMES, PROGRAM, run_length_json, run_program, square, write, write_meta

from hodor.evaluation.main import main


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_scores_table_and_files(data: Path) -> None:
    done = run_program(data / "results", "--ground_truth", data / "truth", "--json", data / "deep" / "own.json", workers=2)
    assert (done.returncode, done.stderr) == (0, "")
    scores = json.loads((data / "deep" / "own.json").read_text())
    assert set(scores) == {"J&F", "J", "F", "objects"}
    assert [(each["sequence"], each["object"]) for each in scores["objects"]] == [("bear", 1), ("two", 1), ("two", 2)]
    assert set(scores["objects"][0]) == {"sequence", "object", "J", "F"}
    assert scores["objects"][0]["J"] == pytest.approx({"mean": 49 / 51, "recall": 1, "decay": 0})
    assert scores["objects"][2]["J"] == {"mean": 0, "recall": 0, "decay": 0}
    # object 1 of `two`: perfect in three counted frames, then shifted by 5; its last quarter is the last two frames
    region, contour = [1, 1, 1, 0.8181818], [1, 1, 1, 0.5555556]
    assert scores["objects"][1]["J"] == pytest.approx({"mean": np.mean(region), "recall": 1, "decay": 1 - 0.9090909}, abs=1e-6)
    assert scores["objects"][1]["F"] == pytest.approx({"mean": np.mean(contour), "recall": 1, "decay": 1 - 0.7777778}, abs=1e-6)
    assert scores["J"]["mean"] == pytest.approx((49 / 51 + np.mean(region)) / 3, abs=1e-6)
    assert scores["F"]["mean"] == pytest.approx((1 + np.mean(contour)) / 3, abs=1e-6)
    assert scores["J&F"] == pytest.approx((scores["J"]["mean"] + scores["F"]["mean"]) / 2)
    assert scores["J"]["recall"] == pytest.approx(2 / 3)

    folder = data / "results_evaluation"
    assert sorted(path.name for path in folder.iterdir()) == [
        *("global.csv", "per_frame.csv", "per_object.csv", "report.html", "scores.json")
    ]
    assert json.loads((folder / "scores.json").read_text()) == scores
    with (folder / "global.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert float(row["J&F-Mean"]) == pytest.approx(scores["J&F"], abs=1e-6)
    assert float(row["F-Recall"]) == pytest.approx(scores["F"]["recall"], abs=1e-6)
    with (folder / "per_object.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["Sequence"], row["Object"], row["Frames"]) for row in rows] == [
        ("bear", "1", "4"),
        ("two", "1", "4"),
        ("two", "2", "4"),
    ]
    assert float(rows[1]["J-Decay"]) == pytest.approx(0.0909091, abs=1e-6)
    with (folder / "per_frame.csv").open() as file:
        frames = list(csv.DictReader(file))
    assert len(frames) == 12
    assert frames[7] == {"Sequence": "two", "Object": "1", "Frame": "00004", "J": "0.818182", "F": "0.555556"}
    table = done.stdout.splitlines()
    assert re.match(r"bear +1 +4 +0\.980 +0\.961 +1\.000 +0\.000 +1\.000", table[2])
    assert any(re.match(rf"all +3 +12 +{scores['J&F']:.3f} ", line) for line in table)


def test_more_processes_give_the_same_files(data: Path) -> None:
    for index in range(4):
        write(data / "truth" / f"more{index}", [square(30)] * (3 + index))
        write(data / "results" / f"more{index}", [square(30 + index)] * (3 + index))
    for workers in (1, 3):
        output = data / f"with_{workers}"
        arguments = (data / "results", "--ground_truth", data / "truth", "--output_dir", output)
        assert run_program(*arguments, workers=workers).returncode == 0
    assert files_below(data / "with_1") == files_below(data / "with_3")
    scores = json.loads((data / "with_3" / "scores.json").read_text())["objects"]
    assert [each["sequence"] for each in scores] == ["bear", "more0", "more1", "more2", "more3", "two", "two"]
    assert [each["J"]["mean"] for each in scores[1:4]] == pytest.approx([1, 0.960784, 0.923077], abs=1e-6)


def test_results_are_always_computed_anew(data: Path) -> None:
    arguments = [str(data / "results"), "--ground_truth", str(data / "truth"), "--num_workers", "1"]
    assert main(arguments) == 0
    before = files_below(data / "results_evaluation")
    (data / "results_evaluation" / "notes.txt").write_text("mine")
    write(data / "results" / "bear", [square(35)] * FRAMES)
    assert main(arguments) == 0
    after = files_below(data / "results_evaluation")
    assert after.pop("notes.txt") == b"mine"
    assert all(after[name] != before[name] for name in before)


def test_other_things_in_the_results_are_passed_over(data: Path) -> None:
    (data / "results" / ".DS_Store").write_bytes(b"x")
    (data / "results" / "bear" / "._00001.png").write_bytes(b"x")
    (data / "results" / "bear" / "log.txt").write_text("x")
    (data / "results" / "bear" / "99999.png").write_bytes(b"a frame without truth")
    (data / "results" / "vis" / "bear").mkdir(parents=True)
    (data / "results" / "vis" / "bear" / "00000.jpg").write_bytes(b"x")
    (data / "truth" / "bear" / "._00001.png").write_bytes(b"x")
    write(data / "truth" / ".hidden", [square(30)])
    write(data / "results" / ".hidden", [square(30)])
    write(data / "results" / "stranger", [square(30)])
    done = run_program(data / "results", "--ground_truth", data / "truth")
    assert done.returncode == 0
    assert re.fullmatch(r"warning: .*results: 1 sequences have no ground truth and are left out: stranger\n", done.stderr)
    assert "stranger" not in done.stdout
    assert re.search(r"^all +3 +12 ", done.stdout, re.MULTILINE)


def test_nothing_scored_is_valid_json(data: Path) -> None:
    write(data / "short_truth" / "clip", [square(30)] * 2)
    write(data / "short" / "clip", [square(30)] * 2)
    done = run_program(data / "short", "--ground_truth", data / "short_truth")
    assert done.returncode == 0
    assert re.fullmatch(r"warning: 1 of 1 objects have no frame that counts.*clip.*\n", done.stderr)

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    scores = json.loads((data / "short_evaluation" / "scores.json").read_text(), parse_constant=refuse)
    nothing = {"mean": None, "recall": None, "decay": None}
    assert scores == {
        **{"J&F": None, "J": nothing, "F": nothing},
        "objects": [{"sequence": "clip", "object": 1, "J": nothing, "F": nothing}],
    }
    assert "No frame of this sequence counts" in (data / "short_evaluation" / "report.html").read_text()


def test_run_length_json_as_truth_and_as_results(data: Path) -> None:
    run_length_json(data / "truth.json", data / "truth")
    run_length_json(data / "found.json", data / "results")
    assert main([str(data / "results"), "--ground_truth", str(data / "truth"), "--num_workers", "1"]) == 0
    done = run_program(data / "found.json", "--ground_truth", data / "truth.json", workers=2)
    assert (done.returncode, done.stderr) == (0, "")
    for name in ("scores.json", "per_frame.csv"):
        assert (data / "found_evaluation" / name).read_bytes() == (data / "results_evaluation" / name).read_bytes()


def test_only_listed_sequences_count(data: Path) -> None:
    shutil.rmtree(data / "results/two")
    (data / "val.txt").write_text("bear\n\nbear\n")
    arguments = [data / "results", "--ground_truth", data / "truth", "--json", data / "own.json"]
    done = run_program(*arguments, "--sequences", data / "val.txt")
    assert done.returncode == 0, done.stderr
    assert {each["sequence"] for each in json.loads((data / "own.json").read_text())["objects"]} == {"bear"}
    (data / "val.txt").write_text("bear\nswan\n")
    done = run_program(*arguments, "--sequences", data / "val.txt")
    assert done.returncode == 1
    assert re.fullmatch(r"error: .*val.txt: sequence 'swan' is not in the ground truth .*truth\n", done.stderr)


def test_sequences_are_chosen_by_name_as_well(data: Path) -> None:
    shutil.rmtree(data / "results/two")
    arguments = ["--ground_truth", data / "truth", "--json", data / "own.json"]
    (data / "val.txt").write_text("bear\n")
    for chosen in (["bear"], ["bear", "bear"], [data / "val.txt"], [data / "val.txt", data / "results"]):
        results = [] if data / "results" in chosen else [data / "results"]
        done = run_program(*results, *arguments, "--sequences", *chosen)
        assert done.returncode == 0, done.stderr
        assert {each["sequence"] for each in json.loads((data / "own.json").read_text())["objects"]} == {"bear"}
    done = run_program(data / "results", *arguments, "--sequences", "bear", "beer")
    assert done.returncode == 1
    assert re.fullmatch(r"error: --sequences: sequence 'beer' is not in the ground truth .*mean 'bear'\?\n", done.stderr)
    done = run_program(data / "results", *arguments, "--sequences", "nowhere.txt")
    assert done.returncode == 1
    assert re.fullmatch(r"error: nowhere.txt: no such file; --sequences is .*\n", done.stderr)


def test_names_that_are_no_text_are_left_out_with_a_line_and_the_others_go_on(data: Path) -> None:
    for kind in ("truth", "results"):
        (data / kind / "two").rename(data / kind / os.fsdecode(b"caf\xe9"))
    write(data / "truth" / "frame", [square(30)])
    (data / "truth" / "frame" / "00000.png").rename(data / "truth/frame" / os.fsdecode(b"\xe9.png"))
    done = run_program(data / "results", "--ground_truth", data / "truth")
    assert done.returncode == 0
    lines = done.stderr.splitlines()
    assert len(lines) == 3 and all(line.startswith("warning: ") and "is no name in UTF-8" in line for line in lines)
    assert "truth: 'caf\\udce9' is no name" in done.stderr and "sequence 'frame' is left out" in done.stderr
    assert re.search(r"^all +1 +4 ", done.stdout, re.MULTILINE)
    assert len(files_below(data / "results_evaluation")) == 5


def test_names_are_no_formulas_in_a_spreadsheet(data: Path) -> None:
    for number, start in enumerate("=+-@"):
        write(data / "truth" / f"{start}{number}", [square(30)] * 3)
        write(data / "results" / f"{start}{number}", [square(30)] * 3)
    assert main([str(data / "results"), "--ground_truth", str(data / "truth"), "--num_workers", "1"]) == 0
    for name in ("per_object.csv", "per_frame.csv"):
        with (data / "results_evaluation" / name).open() as file:
            found = {row["Sequence"] for row in csv.DictReader(file)}
        assert found == {"bear", "two", "'=0", "'+1", "'-2", "'@3"}
    scores = json.loads((data / "results_evaluation" / "scores.json").read_text())
    assert {"=0", "+1", "-2", "@3"} <= {each["sequence"] for each in scores["objects"]}


def test_seen_and_unseen_categories(data: Path) -> None:
    write_meta(data / "meta.json", {"bear": {"1": "bear"}, "two": {"1": "person", "2": "ape"}})
    (data / "seen.txt").write_text("person\n\nbear \n")
    arguments = [data / "results", "--ground_truth", data / "truth", "--protocol", "youtube_vos"]
    done = run_program(*arguments, "--seen_categories", data / "seen.txt")
    assert (done.returncode, done.stderr) == (0, "")
    scores = json.loads((data / "results_evaluation" / "scores.json").read_text())
    region, contour = np.mean([1, 1, 1, 9 / 11, 9 / 11]), np.mean([1, 1, 1, 5 / 9, 5 / 9])
    assert scores["seen"]["J"]["mean"] == pytest.approx((49 / 51 + region) / 2)
    assert scores["seen"]["F"]["mean"] == pytest.approx((1 + contour) / 2)
    assert scores["unseen"]["J&F"] == 0
    assert scores["G"] == pytest.approx((scores["seen"]["J"]["mean"] + scores["seen"]["F"]["mean"]) / 4)
    assert f"G {scores['G']:.3f}" in done.stdout
    with (data / "results_evaluation" / "global.csv").open() as file:
        assert [row["Objects"] for row in csv.DictReader(file)] == ["all", "seen", "unseen"]

    (data / "seen.txt").write_text("person\nbear\nape\n")
    done = run_program(*arguments, "--seen_categories", data / "seen.txt")
    assert done.returncode == 0
    assert "G is not computed" in done.stderr
    assert set(json.loads((data / "results_evaluation" / "scores.json").read_text())) == {"J&F", "J", "F", "objects"}


def test_prompt_frame_counts_on_request(data: Path) -> None:
    arguments = [
        str(data / "results"),
        "--ground_truth",
        str(data / "truth"),
        "--protocol",
        "youtube_vos",
        "--num_workers",
        "1",
    ]
    for option, count in (([], FRAMES - 1), (["--include_prompt_frame"], FRAMES)):
        assert main([*arguments, *option]) == 0
        with (data / "results_evaluation" / "per_object.csv").open() as file:
            assert [int(row["Frames"]) for row in csv.DictReader(file)] == [count] * 3


def processes_of_group(group: int) -> int:
    """How many processes belong to a process group; ones that end meanwhile don't count."""
    count = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            count += path.read_text().rpartition(")")[2].split()[2] == str(group)
    return count


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="watches processes by way of /proc")
@pytest.mark.parametrize("delay", [0, 0.05, 1.5])  # while the workers start, and while they work
def test_ctrl_c_stops_all_processes(data: Path, delay: float) -> None:
    for index in range(4):
        for kind in ("truth", "results"):
            folder = data / kind / f"long{index}"
            write(folder, [np.kron(square(30), np.ones((8, 8), np.uint8))])
            for frame in range(1, 800):
                os.link(folder / "00000.png", folder / f"{frame:05d}.png")
    command = [sys.executable, str(PROGRAM), str(data / "results"), "--ground_truth", str(data / "truth"), "--num_workers", "2"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    while processes_of_group(process.pid) < 4:  # the program, multiprocessing's own one, two workers
        assert process.poll() is None
        time.sleep(0.01)
    time.sleep(delay)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=120)  # returns once no process holds stderr open, hence all have ended
    assert (process.returncode, errors) == (130, "error: interrupted\n")
    assert not (data / "results_evaluation").exists()


def test_torch_is_not_imported() -> None:
    code = "import sys, hodor.evaluation.main; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
