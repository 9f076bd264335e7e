"""`hodor benchmark` with tiny sizes: what it writes, and what it does when something is wrong."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.small import write_small_checkpoint

from hodor import HodorError
from hodor.benchmark import sections
from hodor.benchmark.__main__ import SECTIONS, main
from hodor.benchmark.report import tables
from hodor.benchmark.sizes import QUICK

ROOT = Path(__file__).parent.parent.parent
sys.path.append(str(ROOT / "benchmarks"))
import parts_of_a_frame


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return write_small_checkpoint(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture(scope="module")
def arguments(checkpoint):
    return ["--quick", "--device", "cpu", "--checkpoint", str(checkpoint)]


@pytest.fixture(scope="module")
def folder(arguments, tmp_path_factory):
    """The report of a whole run in a process of its own."""
    output = tmp_path_factory.mktemp("report") / "new" / "folder"
    command = [sys.executable, "-m", "hodor", "benchmark", "--output", str(output), *arguments]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout == f"report: {output / 'benchmark.md'}\n"
    assert "error" not in finished.stderr and all(f"{name} ..." in finished.stderr for name in SECTIONS)
    return output


@pytest.fixture(scope="module")
def content(folder):
    return json.loads((folder / "benchmark.json").read_text())


def check_times(times, rounds=QUICK.rounds):
    assert set(times) == {"median", "minimum", "rounds"} and len(times["rounds"]) == rounds
    assert 0 < times["minimum"] <= times["median"] <= max(times["rounds"])


def test_machine_and_settings_stand_in_the_report(content):
    assert list(content["sections"]) == list(SECTIONS)
    assert set(content["machine"]) == {
        *("processor", "system", "threads", "device", "device_name", "python", "torch", "torchvision"),
    }
    assert content["settings"]["quick"] and content["settings"]["precision"] == "float32"
    assert len(content["settings"]["weights"]) == 64
    for section in content["sections"].values():
        assert section["date"] and section["command"].startswith("hodor benchmark --output ")


def test_floor(content):
    floor = content["sections"]["floor"]
    assert set(floor["gflops_per_second"]) == {"matrix float32", "convolution float32"}
    speed = floor["gflops_per_second"]["convolution float32"]
    assert 0 < speed["median"] <= speed["best"] and floor["gflop_per_frame"] > 0
    assert floor["floor_seconds"]["median"] == pytest.approx(floor["gflop_per_frame"] / speed["median"])
    check_times(floor["frame_seconds"])
    expected = floor["frame_seconds"]["median"] / floor["floor_seconds"]["median"]
    assert floor["frame_against_floor"]["median"] == pytest.approx(expected)


def test_modes(content):
    modes = content["sections"]["modes"]
    exact, fast = modes["by_mode"]
    assert (exact["mode"], fast["mode"]) == ("float32", "bf16") and modes["frames"] == QUICK.followed
    assert exact["equal_pixels"] == 1 and 0 < fast["equal_pixels"] <= 1
    for row in modes["by_mode"]:
        assert 0 < row["seconds"]["minimum"] <= row["seconds"]["median"]


def test_frame(content):
    frame = content["sections"]["frame"]
    assert frame["network_size"] == "107x64" and frame["frame_size"] == "80x48"
    check_times(frame["network"])


def test_parts_of_a_frame(capsys):
    assert parts_of_a_frame.main(["--device", "cpu", "--quick"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found["parts"]) == ["prepare", "extract_features", "segment", "describe", "label_map"]
    for times in found["parts"].values():
        check_times(times)
    files = found["with_files"]
    assert files["frames"] == 3 and 0 < files["network_seconds"] <= files["seconds"]


def test_what_varies(content):
    found = content["sections"]
    assert [row["objects"] for row in found["objects"]["by_count"]] == list(QUICK.object_counts)
    assert (found["objects"]["growth"]["from"], found["objects"]["growth"]["to"]) == (1, 3)
    for row in found["objects"]["by_count"]:
        check_times(row["seconds"])
    frames = found["memory"]
    assert [row["frame"] for row in frames["by_frame"]] == list(range(1, QUICK.long))
    assert set(frames["last_against_second_quarter"]) == {"seconds", "resident"}
    assert all(row["resident"] > 50 << 20 and row["seconds"] > 0 for row in frames["by_frame"])


def test_tables(folder, content):
    text = (folder / "benchmark.md").read_text()
    assert text == tables(content) and "hodor benchmark --output" in text and "mean nothing" in text
    assert text.index("objects against 1") < text.index("## Floor") < text.index("## A frame") < text.index("## A long")
    assert "/ floor of direct arithmetic" not in text  # which means nothing of tiny sizes
    widths = [line.count("|") for line in text.splitlines() if line.startswith("|")]
    assert min(widths) >= 3
    assert {path.name for path in folder.iterdir()} == {"benchmark.json", "benchmark.md"}


def test_sections_are_added_to_a_report_of_the_same_machine(tmp_path, arguments, capsys):
    output = ["--output", str(tmp_path)]
    assert main([*output, *arguments, "--only", "objects"]) == 0
    assert main([*output, *arguments, "--only", "memory", "--long", "9"]) == 0
    content = json.loads((tmp_path / "benchmark.json").read_text())
    assert set(content["sections"]) == {"objects", "memory"} and content["sections"]["memory"]["frames"] == 9
    with pytest.raises(HodorError, match=r"benchmark\.json: measured with precision 'float32', not 'bf16'; choose another"):
        main([*output, *arguments, "--precision", "bf16"])
    text = tables(content)
    assert "--long 9" in text and "--only objects" in text


def test_an_interrupted_run_keeps_what_was_finished(tmp_path, arguments, monkeypatch):
    def interrupted(bench):
        raise KeyboardInterrupt

    monkeypatch.setattr(sections, "memory", interrupted)
    with pytest.raises(KeyboardInterrupt):
        main(["--output", str(tmp_path), *arguments, "--only", "memory", "objects"])
    assert {path.name for path in tmp_path.iterdir()} == {"benchmark.json", "benchmark.md"}
    assert set(json.loads((tmp_path / "benchmark.json").read_text())["sections"]) == {"objects"}


def test_a_lack_of_memory_names_the_section(tmp_path, arguments, monkeypatch):
    def out_of_memory(bench):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes")

    monkeypatch.setattr(sections, "floor", out_of_memory)
    with pytest.raises(HodorError, match=r"'floor': not enough memory.*--only"):
        main(["--output", str(tmp_path), *arguments, "--only", "floor"])
    assert not list(tmp_path.iterdir())


def test_bf16_is_measured_against_the_speed_of_bf16(tmp_path, arguments):
    assert main(["--output", str(tmp_path), *arguments, "--precision", "bf16", "--only", "floor"]) == 0
    found = json.loads((tmp_path / "benchmark.json").read_text())["sections"]
    speeds = found["floor"]["gflops_per_second"]
    assert {"convolution float32", "convolution bf16", "matrix bf16"} < set(speeds)
    expected = found["floor"]["gflop_per_frame"] / speeds["convolution bf16"]["median"]
    assert found["floor"]["floor_seconds"]["median"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--only", "speed"], "invalid choice: 'speed'"),
        (["--precision", "fp8"], "invalid choice: 'fp8'"),
        (["--long", "many"], "invalid int value"),
        (["--fast"], "unrecognized arguments: --fast"),
    ],
)
def test_bad_arguments(wrong, said, capsys):
    with pytest.raises(SystemExit) as left:
        main(wrong)
    err = capsys.readouterr().err
    assert left.value.code == 2 and err.count("\n") == 1 and said in err


def test_bad_values(tmp_path, arguments):
    with pytest.raises(HodorError, match="--long must be at least 8, not 7"):
        main(["--long", "7"])
    with pytest.raises(HodorError, match="no such checkpoint"):
        main(["--quick", "--device", "cpu", "--checkpoint", str(tmp_path / "none.pth"), "--output", str(tmp_path / "out")])
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(HodorError, match="is a file; choose another --output"):
        main(["--output", str(file), *arguments])
    for text in ("no JSON", "[]", '{"machine": 1}'):
        (tmp_path / "benchmark.json").write_text(text)
        with pytest.raises(HodorError, match=r"benchmark\.json: not a report of this program"):
            main(["--output", str(tmp_path), *arguments])
    assert file.read_text() == "mine" and not (tmp_path / "out").exists()
