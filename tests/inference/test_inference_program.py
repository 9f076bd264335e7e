"""The program as a user runs it: real processes, real files."""

import errno
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from support.small import make_workspace, write_small_checkpoint

import hodor
from hodor.formats.inference_json import read_inference_json
from hodor.formats.label_maps import davis_palette, read_label_map, youtube_vos_palette
from hodor.inference.main import main as inference_main
from hodor.modelling.model import HODOR
from hodor.program import describe_os_error

ROOT = Path(__file__).parent.parent.parent
MAIN = ROOT / "hodor" / "inference" / "main.py"


def command(checkpoint, *arguments):
    return [sys.executable, str(MAIN), str(checkpoint), "--device", "cpu", *map(str, arguments)]


def run_program(workspace, checkpoint, *arguments, preexec=None):
    environment = os.environ | {"HODOR_WORKSPACE_DIR": str(workspace), "OMP_WAIT_POLICY": "PASSIVE"}
    return subprocess.run(
        command(checkpoint, *arguments),
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=preexec,
    )


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return make_workspace(tmp_path_factory.mktemp("workspace"), {"bear": 4, "one-frame": 1, "swan": 3})


@pytest.fixture
def checkpoint(tmp_path):
    return write_small_checkpoint(tmp_path / "training")


def test_davis_run_and_running_it_again(workspace, checkpoint):
    first = run_program(workspace, checkpoint, "--dataset", "davis_val", "--save_vis")
    assert first.returncode == 0, first.stderr
    output = checkpoint.parent / "davis_val_inference"
    files = sorted(path.relative_to(output).as_posix() for path in (output / "results").rglob("*.png"))
    assert files == [f"results/bear/{t:05d}.png" for t in range(4)] + ["results/one-frame/00000.png"] + [
        f"results/swan/{t:05d}.png" for t in range(3)
    ]
    with Image.open(output / "results/bear/00001.png") as picture:
        assert picture.mode == "P" and picture.size == (80, 48)
        assert picture.getpalette()[:768] == davis_palette().flatten().tolist()
    assert len(list((output / "vis").rglob("*.jpg"))) == 8
    assert "8 frames in" in first.stdout and "end to end" in first.stdout and "network alone" in first.stdout
    times = {path: path.stat().st_mtime_ns for path in output.rglob("*.png")}
    again = run_program(workspace, checkpoint, "--dataset", "davis_val", "--save_vis")
    assert again.returncode == 0 and "3 of 3 sequences are finished already" in again.stderr
    assert times == {path: path.stat().st_mtime_ns for path in output.rglob("*.png")}
    other = run_program(workspace, checkpoint, "--dataset", "davis_val", "--save_vis", "-t", "2", "--seqs", "swan")
    assert other.returncode == 0 and "finished already" not in other.stderr and "3 frames in" in other.stdout


def test_given_masks_are_written_unchanged(workspace, checkpoint):
    assert run_program(workspace, checkpoint, "-d", "davis_val", "-o", "elsewhere", "--seqs", "bear").returncode == 0
    written = read_label_map(checkpoint.parent / "elsewhere/results/bear/00000.png")
    sequence = read_inference_json(workspace / "dataset_json_annotations/davis_val.json")[0]
    masks = sequence.masks(0, 48, 80)
    assert len(masks) == 2
    assert (written == sum(object_id * mask for object_id, mask in masks.items())).all()


def test_youtube_vos_run_packs_what_the_server_wants(tmp_path, checkpoint):
    workspace = make_workspace(
        tmp_path / "w", {"0a": 4, "1b": 3}, dataset=("youtube_vos_2019_val", "youtube_vos_2019_val"), eval_files=True
    )
    output = checkpoint.parent / "youtube_vos_val_inference"
    leftover = output / "Annotations" / "stale"
    leftover.mkdir(parents=True)
    (leftover / "00000.png").write_bytes(b"old")
    result = run_program(workspace, checkpoint, "--dataset", "youtube_vos_val", "--min_image_dim", "32")
    assert result.returncode == 0, result.stderr
    assert len(list((output / "Annotations/0a").glob("*.png"))) == 4
    with zipfile.ZipFile(output / "Annotations.zip") as archive:
        assert sorted(archive.namelist()) == [
            "Annotations/0a/00000.png",
            "Annotations/0a/00002.png",
            "Annotations/1b/00000.png",
            "Annotations/1b/00002.png",
        ]
        with archive.open("Annotations/0a/00002.png") as file, Image.open(file) as picture:
            assert picture.getpalette()[:768] == youtube_vos_palette().flatten().tolist()


def test_a_broken_sequence_is_reported_and_does_not_stop_the_others(tmp_path, checkpoint):
    workspace = make_workspace(tmp_path / "w", {"a": 3, "b": 3, "c": 3})
    frame = workspace / "dataset_images/davis_trainval/b/00001.jpg"
    frame.write_bytes(frame.read_bytes()[:200])
    result = run_program(workspace, checkpoint, "--dataset", "davis_val")
    results = checkpoint.parent / "davis_val_inference/results"
    assert result.returncode == 1
    assert sorted(path.name for path in results.iterdir()) == ["a", "c"]
    errors = [line for line in result.stderr.splitlines() if line.startswith("error:")]
    assert len(errors) == 2 and str(frame) in errors[0] and "1 of 3 sequences failed" in errors[1]
    assert "Traceback" not in result.stderr
    Image.fromarray(np.zeros((48, 80, 3), dtype=np.uint8)).save(frame)
    again = run_program(workspace, checkpoint, "--dataset", "davis_val")
    assert again.returncode == 0 and "2 of 3 sequences are finished" in again.stderr
    assert sorted(path.name for path in results.iterdir()) == ["a", "b", "c"]


def test_a_killed_run_leaves_only_whole_sequences_and_continues(tmp_path, checkpoint):
    workspace = make_workspace(tmp_path / "w", {"a": 2, "b": 400})
    environment = os.environ | {"HODOR_WORKSPACE_DIR": str(workspace), "OMP_WAIT_POLICY": "PASSIVE"}
    results = checkpoint.parent / "davis_val_inference/results"
    process = subprocess.Popen(command(checkpoint, "--dataset", "davis_val"), env=environment, stderr=subprocess.DEVNULL)
    while not list(results.glob(".b*/*.png")):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert [path.name for path in results.iterdir() if not path.name.startswith(".")] == ["a"]
    shortened = workspace / "dataset_json_annotations/davis_val.json"
    content = json.loads(shortened.read_text())
    content["sequences"][1]["image_paths"] = content["sequences"][1]["image_paths"][:3]
    shortened.write_text(json.dumps(content))
    again = run_program(workspace, checkpoint, "--dataset", "davis_val")
    assert again.returncode == 0 and "1 of 2 sequences are finished" in again.stderr
    assert sorted(path.name for path in results.iterdir()) == ["a", "b"]
    assert len(list((results / "b").iterdir())) == 3


def limit_file_size():
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))


def test_a_disk_that_takes_no_more_is_one_line_and_leaves_nothing_half_written(workspace, checkpoint):
    result = run_program(workspace, checkpoint, "--dataset", "davis_val", "--seqs", "bear", preexec=limit_file_size)
    assert result.returncode == 1 and "Traceback" not in result.stderr
    assert "File too large" in result.stderr
    output = checkpoint.parent / "davis_val_inference"
    assert not [path for path in output.rglob("*") if path.is_file()]


def test_a_full_disk_names_the_output_folder(workspace, checkpoint, monkeypatch):
    def write(path, labels, palette):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("hodor.inference.results.write_label_map", write)
    monkeypatch.setenv("HODOR_WORKSPACE_DIR", str(workspace))
    with pytest.raises(OSError) as caught:
        inference_main([str(checkpoint), "-d", "davis_val", "--device", "cpu"])
    assert describe_os_error(caught.value).startswith(f"{checkpoint.parent / 'davis_val_inference'}: No space left")


@pytest.mark.parametrize(("number", "code", "line"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")])
def test_signals_stop_at_once_with_one_line(tmp_path, checkpoint, number, code, line):
    workspace = make_workspace(tmp_path / "w", {"a": 400})
    environment = os.environ | {"HODOR_WORKSPACE_DIR": str(workspace)}
    results = checkpoint.parent / "davis_val_inference/results"
    process = subprocess.Popen(
        command(checkpoint, "--dataset", "davis_val"), env=environment, stderr=subprocess.PIPE, text=True
    )
    while not list(results.glob(".a*/*.png")):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(number)
    _, stderr = process.communicate()
    assert process.returncode == code and f"error: {line}" in stderr and "Traceback" not in stderr
    assert list(results.iterdir()) == []


def test_nobody_reading_the_output_is_one_line(workspace, checkpoint):
    environment = os.environ | {"HODOR_WORKSPACE_DIR": str(workspace)}
    environment.pop("PYTHONUNBUFFERED", None)
    pipe = [
        "bash",
        "-c",
        '"$@" | true; exit ${PIPESTATUS[0]}',
        "-",
        *command(checkpoint, "--dataset", "davis_val", "--seqs", "swan"),
    ]
    result = subprocess.run(pipe, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 1 and "error: nobody reads the output any more" in result.stderr
    assert "Traceback" not in result.stderr and "Exception ignored" not in result.stderr


def test_old_masks_of_a_sequence_that_now_fails_do_not_stay(tmp_path, checkpoint):
    workspace = make_workspace(tmp_path / "w", {"a": 2})
    assert run_program(workspace, checkpoint, "--dataset", "davis_val").returncode == 0
    (workspace / "dataset_images/davis_trainval/a/00001.jpg").write_bytes(b"")
    assert run_program(workspace, checkpoint, "--dataset", "davis_val").returncode == 1
    assert not list((checkpoint.parent / "davis_val_inference/results").iterdir())


def test_a_safetensors_checkpoint_gives_the_same_masks(workspace, checkpoint, tmp_path):
    path = tmp_path / "own" / "model.safetensors"
    hodor.save_checkpoint(path, hodor.load(checkpoint))
    for source in (checkpoint, path):
        assert run_program(workspace, source, "--dataset", "davis_val", "--seqs", "bear", "-t", "1").returncode == 0
    for t in range(4):
        name = f"davis_val_inference/results/bear/{t:05d}.png"
        assert (checkpoint.parent / name).read_bytes() == (path.parent / name).read_bytes()


def bad_checkpoint(folder, kind):
    path = write_small_checkpoint(folder)
    if kind == "missing":
        path.unlink()
    elif kind == "truncated":
        path.write_bytes(path.read_bytes()[:100000])
    elif kind == "no config":
        (folder / "config.yaml").unlink()
    elif kind == "other depth":
        config = (folder / "config.yaml").read_text()
        (folder / "config.yaml").write_text(config.replace("ENCODER_LAYERS: 1", "ENCODER_LAYERS: 2"))
    elif kind == "broken config":
        (folder / "config.yaml").write_text("INPUT: [")
    elif kind == "code":
        torch.save({"model": {}, "trap": Path("x")}, path)
    return path


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "no such checkpoint"),
        ("truncated", "truncated"),
        ("no config", "config.yaml"),
        ("other depth", "missing weights: encoder.attn_layers.1."),
        ("broken config", "not valid YAML"),
        ("code", "was not loaded"),
    ],
)
def test_bad_checkpoints_are_one_line(workspace, tmp_path, kind, message):
    path = bad_checkpoint(tmp_path / "training", kind)
    expect_one_line(run_program(workspace, path, "--dataset", "davis_val"), message, str(path.parent))
    assert not (path.parent / "davis_val_inference").exists()


@pytest.mark.parametrize("option", [[], ["--min_image_dim", "64"]])
def test_a_configuration_without_a_size_names_the_key(workspace, checkpoint, option):
    config = checkpoint.parent / "config.yaml"
    config.write_text(config.read_text().replace("MIN_DIM: 64", "MIN_DIM: 0"))
    expect_one_line(run_program(workspace, checkpoint, "-d", "davis_val", *option), str(config), "INPUT.MIN_DIM")


@pytest.mark.parametrize(
    "error", [MemoryError(), torch.OutOfMemoryError("CUDA"), RuntimeError("DefaultCPUAllocator: can't allocate memory")]
)
def test_a_sequence_too_large_for_the_memory_does_not_stop_the_others(tmp_path, checkpoint, monkeypatch, capsys, error):
    def prepare(self, images):
        if images.shape[3] > 2 * images.shape[2] - 8:
            raise error
        return real_prepare(self, images)

    real_prepare = HODOR.prepare
    monkeypatch.setattr(HODOR, "prepare", prepare)
    workspace = make_workspace(tmp_path / "w", {"a": 2})
    make_workspace(tmp_path / "large", {"b": 2}, size=(48, 96))
    shutil.copytree(tmp_path / "large/dataset_images", workspace / "dataset_images", dirs_exist_ok=True)
    path = workspace / "dataset_json_annotations/davis_val.json"
    other = json.loads((tmp_path / "large/dataset_json_annotations/davis_val.json").read_text())
    path.write_text(json.dumps({"sequences": other["sequences"] + json.loads(path.read_text())["sequences"]}))
    monkeypatch.setenv("HODOR_WORKSPACE_DIR", str(workspace))
    assert inference_main([str(checkpoint), "-d", "davis_val", "--device", "cpu"]) == 1
    assert "sequence 'b': not enough memory" in capsys.readouterr().err
    assert len(list((checkpoint.parent / "davis_val_inference/results").rglob("*.png"))) == 2


def expect_one_line(result, *parts):
    assert result.returncode == 1 and result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: "), result.stderr
    assert all(part in lines[0] for part in parts), lines[0]


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (None, ["davis_val.json", "no such file", "hodor convert"]),
        ("{", ["davis_val.json", "not valid JSON"]),
        ('{"sequences": [{"id": "../x", "image_paths": ["a/0.jpg"], "segmentations": {}}]}', ["'../x'", "inside"]),
        ('{"sequences": [{"id": "x", "image_paths": ["/etc/0.jpg"], "segmentations": {}}]}', ["'x'", "/etc/0.jpg"]),
        (
            '{"sequences": [{"id": "x", "image_paths": ["a/0.jpg"], "segmentations": {"0": {"1": 5}}}]}',
            ["'x'", "segmentations"],
        ),
        ('{"sequences": [{"id": "x", "image_paths": ["a/0.jpg"], "segmentations": {"0": {"300": "a"}}}]}', ["'x'", "300"]),
    ],
)
def test_bad_annotations_are_one_line(tmp_path, checkpoint, content, parts):
    workspace = make_workspace(tmp_path / "w", {"a": 1})
    path = workspace / "dataset_json_annotations/davis_val.json"
    path.unlink() if content is None else path.write_text(content)
    expect_one_line(run_program(workspace, checkpoint, "--dataset", "davis_val"), *parts)


def test_bad_arguments_and_workspaces_are_one_line(workspace, tmp_path, checkpoint):
    expect_one_line(run_program(tmp_path / "none", checkpoint, "--dataset", "davis_val"), "HODOR_WORKSPACE_DIR")
    expect_one_line(run_program(workspace, checkpoint, "-d", "davis_val", "--seqs", "baer"), "'baer'", "did you mean 'bear'")
    expect_one_line(run_program(workspace, checkpoint, "-d", "davis_val", "-t", "0"), "temporal window")
    expect_one_line(run_program(workspace, checkpoint, "-d", "davis_val", "--min_image_dim", "0"), "--min_image_dim")
    expect_one_line(run_program(workspace, checkpoint, "-d", "../x"), "--dataset", "'../x'")
    expect_one_line(run_program(workspace, checkpoint, "-d", "davis_val", "-o", checkpoint / "x"), "is a file", "--output_dir")
    without_images = tmp_path / "without"
    shutil.copytree(workspace / "dataset_json_annotations", without_images / "dataset_json_annotations")
    expect_one_line(run_program(without_images, checkpoint, "-d", "davis_val"), "davis_trainval: no such folder")
    usage = run_program(workspace, checkpoint)
    assert usage.returncode == 2 and len(usage.stderr.splitlines()) == 1 and "--dataset" in usage.stderr
    for further in ([], ["-d", "davis_val"]):
        usage = run_program(workspace, "holiday.mp4", *further)
        assert usage.returncode == 2 and len(usage.stderr.splitlines()) == 1 and "hodor track holiday.mp4" in usage.stderr


def edit_sequence(workspace, **changes):
    path = workspace / "dataset_json_annotations/davis_val.json"
    content = json.loads(path.read_text())
    content["sequences"][0] |= changes
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("break_it", "parts"),
    [
        (lambda w, frame: frame.unlink(), ["00001.jpg", "no such file"]),
        (lambda w, frame: frame.write_bytes(b""), ["00001.jpg", "empty"]),
        (lambda w, frame: frame.write_text("no image"), ["00001.jpg", "not an image"]),
        (lambda w, frame: Image.new("RGB", (81, 48)).save(frame), ["'a'", "00001.jpg", "48 x 81", "48 x 80"]),
        (lambda w, frame: Image.new("I;16", (80, 48)).save(frame, format="PNG"), ["00001.jpg", "16 bit"]),
        (lambda w, frame: edit_sequence(w, segmentations={"0": {"1": "nonsense"}}), ["'a'", "00000.jpg", "object 1"]),
        (lambda w, frame: edit_sequence(w, segmentations={"0": {"7": "Ph3"}}), ["'a'", "object 7", "empty"]),
        (lambda w, frame: edit_sequence(w, segmentations={}), ["'a'", "no mask is given"]),
    ],
)
def test_broken_frames_and_masks_name_the_sequence(tmp_path, checkpoint, break_it, parts):
    workspace = make_workspace(tmp_path / "w", {"a": 3})
    break_it(workspace, workspace / "dataset_images/davis_trainval/a/00001.jpg")
    result = run_program(workspace, checkpoint, "--dataset", "davis_val")
    assert result.returncode == 1 and "Traceback" not in result.stderr
    line = next(line for line in result.stderr.splitlines() if line.startswith("error:"))
    assert all(part in line for part in parts), line
    assert not list((checkpoint.parent / "davis_val_inference").rglob("*.png"))


@pytest.mark.parametrize(
    ("break_it", "parts"),
    [
        (lambda frame: frame.write_bytes(b""), ["00004.jpg", "empty"]),
        (lambda frame: Image.new("RGB", (81, 48)).save(frame), ["'a'", "00004.jpg", "48 x 81", "48 x 80"]),
    ],
)
def test_looking_ahead_names_the_broken_frame_and_gives_the_same_masks(tmp_path, checkpoint, break_it, parts):
    workspace = make_workspace(tmp_path / "w", {"a": 7, "b": 5})
    assert run_program(workspace, checkpoint, "--dataset", "davis_val", "-o", "one").returncode == 0
    break_it(workspace / "dataset_images/davis_trainval/a/00004.jpg")
    result = run_program(workspace, checkpoint, "--dataset", "davis_val", "-o", "ahead", "--look_ahead", 3)
    assert result.returncode == 1 and "Traceback" not in result.stderr
    line = next(line for line in result.stderr.splitlines() if line.startswith("error:"))
    assert all(part in line for part in parts), line
    found = sorted((checkpoint.parent / "ahead/results").rglob("*.png"))
    assert [path.parent.name for path in found] == ["b"] * 5
    for path in found:
        alone = read_label_map(checkpoint.parent / "one/results/b" / path.name)
        assert (read_label_map(path) == alone).mean() >= 0.999


def test_grey_and_transparent_frames_work(tmp_path, checkpoint):
    workspace = make_workspace(tmp_path / "w", {"a": 3})
    folder = workspace / "dataset_images/davis_trainval/a"
    for t, mode in enumerate(["L", "RGBA", "P"]):
        with Image.open(folder / f"{t:05d}.jpg") as picture:
            picture.convert(mode).save(folder / f"{t:05d}.png")
    edit_sequence(workspace, image_paths=[f"a/{t:05d}.png" for t in range(3)])
    result = run_program(workspace, checkpoint, "--dataset", "davis_val")
    assert result.returncode == 0, result.stderr
