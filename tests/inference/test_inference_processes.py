"""Inference with several real processes: the same results, whatever happens to one of them."""

import os
import shutil
import signal
import subprocess
import time
import zipfile

import pytest
import torch
from support.small import make_workspace, write_small_checkpoint
from support.torchrun import ROOT, error_lines, files_below, finished, process_ids, torchrun

from hodor.devices import own_device
from hodor.errors import HodorError
from hodor.inference.main import main as inference_main

MAIN = ROOT / "hodor" / "inference" / "main.py"
LENGTHS = {"a": 3, "b": 40, "c": 2, "d": 40, "e": 1}


OPTIONS = ["--dataset", "youtube_vos_val", "--device", "cpu", "--save_vis", "--min_image_dim", "32"]


def command(checkpoint, processes=2):
    return torchrun(MAIN, checkpoint, *OPTIONS, processes=processes)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    names = ("youtube_vos_2019_val", "youtube_vos_2019_val")
    return make_workspace(tmp_path_factory.mktemp("workspace"), LENGTHS, dataset=names, eval_files=True)


@pytest.fixture(scope="module")
def environment(workspace):
    return {"HODOR_WORKSPACE_DIR": str(workspace), "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def alone(environment, tmp_path_factory):
    """The output folder of one process, beside the checkpoint."""
    checkpoint = write_small_checkpoint(tmp_path_factory.mktemp("alone"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HODOR_WORKSPACE_DIR", environment["HODOR_WORKSPACE_DIR"])
        assert inference_main([str(checkpoint), *OPTIONS]) == 0
    return checkpoint.parent / "youtube_vos_val_inference"


@pytest.fixture
def checkpoint(alone, tmp_path):
    """The same checkpoint in a folder of its own."""
    for path in alone.parent.iterdir():
        if path.is_file():
            shutil.copy(path, tmp_path)
    (path,) = tmp_path.glob("*.pth")
    return path


def expect_same(output, alone):
    assert files_below(output) == files_below(alone)
    contents = []
    for folder in (output, alone):
        with zipfile.ZipFile(folder / "Annotations.zip") as archive:
            contents.append([(name, archive.read(name)) for name in archive.namelist()])
    assert contents[0] == contents[1] and contents[0]


def test_two_processes_give_the_results_of_one(environment, tmp_path, checkpoint, alone):
    result = finished(command(checkpoint), environment)
    assert result.returncode == 0, result.stderr
    expect_same(tmp_path / "youtube_vos_val_inference", alone)
    lines = result.stdout.splitlines()
    assert (
        len(lines) == 2
        and lines[0].startswith(f"{sum(LENGTHS.values())} frames in")
        and " on cpu with 2 processes: " in lines[0]
    )
    assert lines[1].startswith("masks: ")
    assert "done with 2 of 5 sequences and waits for the others" in result.stderr


def test_after_losing_a_process_the_same_command_does_what_is_left(environment, tmp_path, checkpoint, alone):
    output = tmp_path / "youtube_vos_val_inference"
    process = subprocess.Popen(
        command(checkpoint), env=os.environ | environment, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    while not list(output.glob("Annotations/.d.*/00000.png")):  # the second process' longest sequence
        assert process.poll() is None
        time.sleep(0.005)
    os.kill(process_ids(process.pid)[1], signal.SIGKILL)
    killed = time.monotonic()
    _, stderr = process.communicate(timeout=120)  # torchrun itself would kill what doesn't leave after 30 seconds
    assert process.returncode == 1 and time.monotonic() - killed < 30
    (line,) = error_lines(stderr)
    assert line == "error: terminated" or "another process ended" in line
    assert not (output / "Annotations/d").exists() and not (output / "Annotations.zip").exists()

    result = finished(command(checkpoint, processes=1), environment)
    assert result.returncode == 0, result.stderr
    expect_same(output, alone)


def test_a_broken_sequence_does_not_stop_the_other_processes(environment, tmp_path):
    names = ("youtube_vos_2019_val", "youtube_vos_2019_val")
    workspace = make_workspace(tmp_path / "w", {"a": 2, "b": 3, "c": 2, "d": 1}, dataset=names)
    frame = workspace / "dataset_images/youtube_vos_2019_val/b/00001.jpg"
    frame.write_bytes(frame.read_bytes()[:200])
    other = workspace / "dataset_images/youtube_vos_2019_val/a/00000.jpg"
    other.unlink()
    checkpoint = write_small_checkpoint(tmp_path / "training")
    output = checkpoint.parent / "youtube_vos_val_inference"
    output.mkdir()
    (output / "Annotations.zip").write_bytes(b"of an earlier run")
    result = finished(command(checkpoint), environment | {"HODOR_WORKSPACE_DIR": str(workspace)})
    assert result.returncode == 1
    errors = error_lines(result.stderr)
    assert len(errors) == 3 and str(other) in errors[0] and str(frame) in errors[1], result.stderr
    assert errors[2] == "error: 2 of 4 sequences failed; run the command again for these"
    assert sorted(path.name for path in (output / "Annotations").iterdir()) == ["c", "d"]
    assert not (output / "Annotations.zip").exists()


def test_what_all_processes_fail_at_is_one_line(environment, tmp_path, checkpoint):
    (tmp_path / "config.yaml").write_text("INPUT: [")
    result = finished(command(checkpoint), environment)
    errors = error_lines(result.stderr)
    assert result.returncode == 1 and len(errors) == 1 and "not valid YAML" in errors[0], result.stderr
    assert not list(tmp_path.glob("youtube_vos_val_inference"))


def test_each_process_has_a_gpu_of_its_own(monkeypatch):
    chosen = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    monkeypatch.setattr("hodor.devices.choose_device", torch.device)
    monkeypatch.setenv("WORLD_SIZE", "3")
    for local in (0, 1):
        monkeypatch.setenv("LOCAL_RANK", str(local))
        assert own_device("auto") == own_device("cuda") == torch.device("cuda", local) == chosen[-1]
        assert own_device("cpu") == torch.device("cpu")
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(HodorError, match="process 2 of this machine has no GPU: there are 2"):
        own_device("auto")
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert own_device("cuda") == torch.device("cuda")
