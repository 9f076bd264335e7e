"""Output folders belong to one process at a time: real processes."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.small import make_workspace, write_small_checkpoint
from support.torchrun import ROOT, error_lines, finished, torchrun

from hodor.errors import HodorError
from hodor.files import folder_lock, written_aside
from hodor.formats.inference_json import InferenceSequence
from hodor.inference.results import ResultsFolder

HOLDS = """
import os, sys, time
from pathlib import Path
from hodor.files import folder_lock, written_aside
from hodor.formats.inference_json import InferenceSequence
from hodor.inference.results import ResultsFolder
with folder_lock(Path(sys.argv[1])), written_aside(Path(sys.argv[1]) / "000001.pth") as aside:
    aside.touch()
    if os.fork() == 0:  # as one that loads data, which outlives its parent; once it speaks it has let go of the lock
        print("held", flush=True)
        time.sleep(600)
        os._exit(0)
    time.sleep(600)
"""


class Holder:
    """A process that holds a folder and is writing a file in it; `kill` ends it, but not yet its child."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLDS, str(folder)], stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert self.process.stdout is not None and self.process.stdout.readline() == "held\n"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def hold(folder: Path) -> Holder:
    return Holder(folder)


def refusal(folder: Path) -> str:
    return f"error: {folder}: another process is writing there; wait for it, or choose another folder"


def test_a_killed_process_keeps_nothing_locked_and_its_partial_files_go(tmp_path):
    folder = tmp_path / "new" / "output"
    holder = hold(folder)
    try:
        with pytest.raises(HodorError, match="another process is writing there"), folder_lock(folder):
            pass
        foreign = folder / ".mine.partial"
        foreign.touch()
        assert len(list(folder.glob(".000001.pth.*.partial"))) == 1
        holder.kill()
        with folder_lock(folder), written_aside(folder / "a") as aside:
            aside.touch()
            assert not list(folder.glob(".000001.pth.*.partial"))
            with pytest.raises(HodorError), folder_lock(folder):
                pass
        assert sorted(path.name for path in folder.iterdir()) == [".mine.partial", "a"]
    finally:
        holder.end()


def test_however_many_files_are_written_to_a_folder_it_is_listed_once(tmp_path):
    program = """
import sys
from pathlib import Path
from hodor.files import written_aside
folder, listed = Path(sys.argv[1]), []
sys.addaudithook(lambda event, arguments: event in {"os.scandir", "os.listdir"} and listed.append(str(arguments[0])))
for name in "abc":
    with written_aside(folder / name) as aside:
        aside.touch()
print(listed.count(str(folder)))
"""
    result = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, capture_output=True, text=True)
    assert result.stdout == "1\n" and sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "c"]


def test_a_folder_that_stays_empty_goes(tmp_path):
    with pytest.raises(HodorError, match="wrong"), folder_lock(tmp_path / "new" / "output"):
        raise HodorError("wrong")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("processes", [1, 2])
def test_a_second_inference_is_refused_until_the_first_is_dead(tmp_path, processes):
    workspace = make_workspace(tmp_path / "workspace", {"a": 2})
    checkpoint = write_small_checkpoint(tmp_path / "training")
    main = ROOT / "hodor" / "inference" / "main.py"
    command = torchrun(main, checkpoint, "--dataset", "davis_val", "--device", "cpu", processes=processes)
    environment = {"HODOR_WORKSPACE_DIR": str(workspace), "OMP_NUM_THREADS": "1"}
    output = checkpoint.parent / "davis_val_inference"
    check(command, environment, output, refusal(output))
    assert sorted(path.name for path in output.iterdir()) == ["finished", "results"]


def test_a_second_evaluation_is_refused_until_the_first_is_dead(tmp_path):
    evaluation = ROOT / "tests" / "evaluation"
    data = ("import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]); from evaluation_samples import *\n"
            "for name in ('truth', 'results'): write(Path(sys.argv[2]) / name / 'bear', [square(30)] * FRAMES)")  # fmt: skip
    subprocess.run([sys.executable, "-c", data, str(evaluation), str(tmp_path)], check=True)
    main = ROOT / "hodor" / "evaluation" / "main.py"
    command = torchrun(main, tmp_path / "results", "--ground_truth", tmp_path / "truth", "--num_workers", 1, processes=1)
    output = tmp_path / "results_evaluation"
    check(command, {}, output, refusal(output))
    assert not list(output.glob(".*"))


def check(command: list[str], environment: dict[str, str], output: Path, expected: str) -> None:
    holder = hold(output)
    try:
        before = sorted(output.iterdir())
        result = finished(command, environment)
        assert result.returncode == 1 and error_lines(result.stderr) == [expected], result.stderr
        assert sorted(output.iterdir()) == before
        holder.kill()
        result = finished(command, environment)
        assert result.returncode == 0, result.stderr
    finally:
        holder.end()


def test_temporary_names_are_short_whatever_the_name_is(tmp_path):
    for name in ("x" * 255, "é" * 127):
        with written_aside(tmp_path / name) as aside:
            aside.touch()
            assert len(os.fsencode(aside.name)) < 220
        assert (tmp_path / name).is_file()


def test_sequences_whose_files_would_clash_are_refused(tmp_path):
    def sequences(*ids: str) -> list[InferenceSequence]:
        return [InferenceSequence(each, ("0.jpg",), {}) for each in ids]

    with pytest.raises(HodorError, match=r"a file of sequence 'a' .* folder of 'a.mp4'; rename one, or leave out --save_vis"):
        ResultsFolder(tmp_path, with_overlays=True).refuse_clashes(sequences("a.mp4", "a"))
    ResultsFolder(tmp_path).refuse_clashes(sequences("a.mp4", "a", "a.json"))
    with pytest.raises(HodorError, match=r"'a' would have the name of a folder of 'a.json/b'; rename one$"):
        ResultsFolder(tmp_path).refuse_clashes(sequences("a", "a.json/b"))


def test_where_the_system_has_no_such_locks_programs_run_without(tmp_path):
    program = """
import os, sys
from pathlib import Path
import tempfile
sys.modules["fcntl"] = None
del os.register_at_fork
from hodor.files import folder_lock
with folder_lock(Path(sys.argv[1]) / "out"):
    (Path(sys.argv[1]) / "out/written").touch()
"""
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["written"]
