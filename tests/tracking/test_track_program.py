"""`hodor track` and `hodor describe` as a user runs them: real processes on real files."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco
from support.small import write_small_checkpoint

from hodor.formats.label_maps import davis_palette, read_label_map, write_label_map
from hodor.media.images import read_image
from hodor.media.sources import Selection, open_source
from hodor.media.videos import written_video
from hodor.synthetic.clip import SyntheticClip

FRAMES = 10
SIZE = ["--min_dim", 64, "--device", "cpu"]


def command(name, *arguments):
    return [sys.executable, "-m", "hodor", name, *map(str, arguments)]


def run(name, *arguments, cwd):
    return subprocess.run(command(name, *arguments), capture_output=True, text=True, check=False, cwd=cwd)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a video of 25 frames a second, the masks of its first frame, and a small checkpoint."""
    folder = tmp_path_factory.mktemp("made")
    clip = list(SyntheticClip(5, frames=FRAMES, height=72, width=128, objects=2))
    with written_video(folder / "toys.mp4", rate=25) as writer:
        for index, (image, _) in enumerate(clip):
            writer.write(image, index / 25)
    write_label_map(folder / "first.png", clip[0][1], davis_palette())
    write_label_map(folder / "sixth.png", np.where(clip[5][1] == 1, np.uint8(1), np.uint8(0)), davis_palette())
    Image.fromarray(np.where(clip[0][1] == 1, np.uint8(255), np.uint8(0))).save(folder / "white.png")
    Image.fromarray(clip[0][0]).save(folder / "picture.png")
    write_small_checkpoint(folder / "small")
    return folder


def checkpoint(made):
    return ["--checkpoint", next((made / "small").glob("*.pth"))]


def complaint(result, *parts, code=1):
    assert result.returncode == code, result.stderr
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert "Traceback" not in result.stderr
    for part in parts:
        assert part in line


def decoded(path):
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def test_one_command_makes_everything_that_is_asked_for(made, tmp_path):
    result = run(
        "track", made / "toys.mp4", "--masks", made / "first.png", "--names", "1=mug", *checkpoint(made), *SIZE,
        "--format", "video", "coco", "binary", "cutout", "-o", "out", cwd=tmp_path,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "out" in result.stdout and "objects 1" in result.stderr
    out = tmp_path / "out"
    masks = [read_label_map(path) for path in sorted((out / "masks").iterdir())]
    assert len(masks) == FRAMES and all(labels.shape == (72, 128) for labels in masks)
    np.testing.assert_array_equal(masks[0], read_label_map(made / "first.png"))
    frames = decoded(out / "overlay.mp4")
    assert len(frames) == FRAMES
    np.testing.assert_allclose([frame.time for frame in frames], np.arange(FRAMES) / 25, atol=1e-3)
    content = json.loads((out / "masks.json").read_text())
    assert [image["frame"] for image in content["images"]] == list(range(FRAMES))
    assert {each["id"]: each["name"] for each in content["categories"]}[1] == "mug"
    for each in content["annotations"]:
        labels = masks[each["image_id"] - 1]
        counts = {"size": each["segmentation"]["size"], "counts": each["segmentation"]["counts"].encode()}
        np.testing.assert_array_equal(coco.decode(counts), labels == each["track_id"])
        assert each["area"] == (labels == each["track_id"]).sum() and 0 < each["score"] <= 1
    for object_id in (1, 2):
        for index, labels in enumerate(masks):
            white = np.array(Image.open(out / f"binary/{object_id}/{index:05d}.png"))
            np.testing.assert_array_equal(white == 255, labels == object_id)
            cut = np.array(Image.open(out / f"cutouts/{object_id}/{index:05d}.png"))
            np.testing.assert_array_equal(cut[..., 3], white)
            assert not cut[labels != object_id].any()
    lines = (out / "confidences.csv").read_text().splitlines()
    assert len(lines) == 1 + 2 * FRAMES and (out / "confidences.svg").read_text().count("<polyline") == 2


def test_the_video_looks_as_it_is_asked_for(made, tmp_path):
    line = ["track", made / "toys.mp4", "--masks", made / "first.png", "--end", 1, *checkpoint(made), *SIZE, "-o", "out"]
    pictures = []
    for looks in ([], ["--opacity", 0, "--no-outline"]):
        assert run(*line, *looks, cwd=tmp_path).returncode == 0
        pictures.append(decoded(tmp_path / "out/overlay.mp4")[0].to_ndarray(format="rgb24").astype(int))
    source = decoded(made / "toys.mp4")[0].to_ndarray(format="rgb24").astype(int)
    inside = read_label_map(made / "first.png") > 0
    inside[:36, :64] = False  # where the legend is
    usual, plain = (np.abs(picture - source)[inside].mean() for picture in pictures)
    assert usual > 20 and plain < 8
    assert run(*line, "--opacity", 2, cwd=tmp_path).returncode == 2


def test_ctrl_c_keeps_what_is_done_and_the_same_command_goes_on(made, tmp_path):
    frames = tmp_path / "frames"
    clip = list(SyntheticClip(6, frames=40, height=72, width=128, objects=2))
    for index, (image, _) in enumerate(clip):
        frames.mkdir(exist_ok=True)
        Image.fromarray(image).save(frames / f"{index:03d}.png")
    write_label_map(tmp_path / "first.png", clip[0][1], davis_palette())
    arguments = ["frames", "--masks", "first.png", *checkpoint(made), *SIZE, "--format", "coco", "-o"]
    assert run("track", *arguments, "whole", cwd=tmp_path).returncode == 0
    process = subprocess.Popen(command("track", *arguments, "parts"), cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not (tmp_path / "parts/masks/003.png").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    stderr = process.communicate()[1]
    done = len(list((tmp_path / "parts/masks").iterdir()))
    if done < len(clip):  # else it was too fast for this
        assert process.returncode == 130 and "the same command goes on" in stderr and "Traceback" not in stderr
        assert not (tmp_path / "parts/masks.json").exists()
    again = run("track", *arguments, "parts", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    for name in ("masks.json", "confidences.csv", *(f"masks/{index:03d}.png" for index in range(40))):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_masks_may_be_given_by_frame_and_from_folders_and_parts_be_selected(made, tmp_path):
    result = run(
        "track", made / "toys.mp4", "--masks", f"0={made / 'first.png'}", f"6={made / 'sixth.png'}", *checkpoint(made), *SIZE,
        "--stride", 2, "--end", 9, "--max-size", 64, "--format", "-o", "out", cwd=tmp_path,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert sorted(path.stem for path in (tmp_path / "out/masks").iterdir()) == ["00000", "00002", "00004", "00006", "00008"]
    assert read_label_map(tmp_path / "out/masks/00006.png").shape == (36, 64)
    assert not (tmp_path / "out/overlay.mp4").exists()
    given = np.array(Image.open(made / "sixth.png").resize((64, 36), Image.Resampling.NEAREST))
    found = read_label_map(tmp_path / "out/masks/00006.png")
    np.testing.assert_array_equal(found == 1, given == 1)
    complaint(
        run("track", made / "toys.mp4", "--masks", f"7={made / 'first.png'}", "--stride", 2, *checkpoint(made), cwd=tmp_path),
        "frame 7", "--stride",
    )  # fmt: skip


def test_a_box_and_clicks_make_masks(made, tmp_path):
    labels = read_label_map(made / "first.png")
    rows, columns = np.nonzero(labels == 1)
    box = f"3={columns.min()},{rows.min()},{columns.max() + 1},{rows.max() + 1}"
    rows, columns = np.nonzero(labels == 2)
    click = f"{int(np.median(columns))},{int(np.median(rows))}"
    result = run(
        "track", made / "toys.mp4", "--box", box, "--click", click, "--end", 2, *checkpoint(made), *SIZE, "--format",
        cwd=tmp_path,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    found = read_label_map(tmp_path / "toys_tracked/masks/00000.png")
    assert set(np.unique(found)) == {0, 1, 3}
    inside = (found == 3) & (labels == 1)
    assert inside.sum() > 0.5 * (labels == 1).sum()


def test_ids_that_are_said_are_kept_free_for_whom_they_are_said(made, tmp_path):
    line = ["track", made / "toys.mp4", "--box", "10,10,60,60", "1=60,10,120,60@1", "--end", 2, *checkpoint(made), *SIZE]
    result = run(*line, "--names", "2=mug", "--format", "coco", "-o", "out", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "frame 00000: object 2: cut out" in result.stderr and "frame 00001: object 1: cut out" in result.stderr
    assert set(np.unique(read_label_map(tmp_path / "out/masks/00000.png"))) == {0, 2}
    complaint(run(*line, "--names", "3=cat", "-o", "other", cwd=tmp_path), "3=cat: there is no such object", "1, 2")


def test_an_object_that_was_described_is_looked_for(made, tmp_path):
    described = run(
        "describe", made / "picture.png", made / "white.png", "--name", "my mug", *checkpoint(made), *SIZE, "-o", "mug.hodor",
        cwd=tmp_path,
    )  # fmt: skip
    assert described.returncode == 0, described.stderr
    assert (tmp_path / "mug.hodor").stat().st_size < 20_000
    complaint(
        run("describe", made / "picture.png", made / "white.png", *checkpoint(made), "-o", "mug.hodor", cwd=tmp_path), "--add"
    )
    added = run(
        "describe", made / "toys.mp4", "--frame", 4, "--box", "10,10,60,60", *checkpoint(made), *SIZE, "-o", "mug.hodor",
        "--add", cwd=tmp_path,
    )  # fmt: skip
    assert added.returncode == 0 and "2 views" in added.stdout, added.stderr
    tracked = run(
        "track", made / "toys.mp4", "--objects", "5=mug.hodor", *checkpoint(made), *SIZE, "--format", "coco", cwd=tmp_path
    )  # fmt: skip
    assert tracked.returncode == 0, tracked.stderr
    rows = (tmp_path / "toys_tracked/confidences.csv").read_text().splitlines()[1:]
    assert len(rows) == FRAMES and all(row.split(",")[3] == "5" for row in rows)
    strict = ["--presence_threshold", 0.999, "-o", "strict"]
    nowhere = run(
        "track", made / "toys.mp4", "--objects", "mug.hodor", *checkpoint(made), *SIZE, "--format", *strict, cwd=tmp_path
    )
    assert nowhere.returncode == 0, nowhere.stderr
    assert not any(read_label_map(path).any() for path in (tmp_path / "strict/masks").iterdir())
    complaint(
        run("track", made / "toys.mp4", "--objects", "mug.hodor", "--device", "cpu", "-o", "other", cwd=tmp_path),
        "my mug",
        "another network",
    )
    assert not (tmp_path / "other").exists()


def test_a_video_that_breaks_off_keeps_what_was_read(made, tmp_path):
    content = (made / "toys.mp4").read_bytes()
    with av.open(str(made / "toys.mp4")) as container:
        middle = sorted(packet.pos for packet in container.demux(video=0) if packet.pos is not None)[5]
    broken = bytearray(content)
    broken[middle : middle + 40] = b"\xff" * 40
    (tmp_path / "broken.mp4").write_bytes(broken)
    result = run("track", "broken.mp4", "--masks", made / "first.png", *checkpoint(made), *SIZE, "-o", "out", cwd=tmp_path)
    complaint(result, "broken.mp4", "frames")
    kept = len(list((tmp_path / "out/masks").iterdir()))
    assert 0 < kept <= FRAMES and len(decoded(tmp_path / "out/overlay.mp4")) == kept
    before = {path.name: path.read_bytes() for path in (tmp_path / "out/masks").iterdir()}
    again = run("track", "broken.mp4", "--masks", made / "first.png", *checkpoint(made), *SIZE, "-o", "out", cwd=tmp_path)
    complaint(again, "broken.mp4", "frames")
    assert {path.name: path.read_bytes() for path in (tmp_path / "out/masks").iterdir()} == before


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["none.mp4", "--masks", "{made}/first.png"], ["none.mp4"]),
        (["{made}/first.png", "--masks", "{made}/first.png", "--colours", "x"], ["--colours"]),
        (["{made}/toys.mp4"], ["nothing says what to follow", "--masks"]),
        (["{made}/toys.mp4", "--masks", "none.png"], ["none.png", "no such file"]),
        (["{made}/toys.mp4", "--masks", "99={made}/first.png"], ["frame 99"]),
        (["{made}/toys.mp4", "--masks", "x={made}/first.png"], ["'x'"]),
        (["{made}/toys.mp4", "--masks", "{made}/small.png"], ["small.png", "40x30", "128x72"]),
        (["{made}/toys.mp4", "--box", "500,500,600,600"], ["outside"]),
        (["{made}/toys.mp4", "--box", "1,2,3"], ["--box 1,2,3"]),
        (["{made}/toys.mp4", "--click", "5,5@99"], ["frame 99"]),
        (["{made}/toys.mp4", "--masks", "{made}/first.png", "--names", "dog"], ["--names", "ID=NAME"]),
        (["{made}/toys.mp4", "--masks", "{made}/first.png", "--start", "500"], ["500"]),
        (["{made}/toys.mp4", "--masks", "{made}/first.png", "--checkpoint", "none.pth"], ["none.pth", "no such checkpoint"]),
        (
            ["{made}/toys.mp4", "--masks", "{made}/first.png", "-o", "{made}/frames"],
            ["holds files that no run of tracking wrote"],
        ),
        (["{made}/toys.mp4", "--objects", "{made}/first.png"], ["first.png", "hodor describe"]),
        (["{made}/toys.mp4", "--masks", "{made}/first.png", "--presence-threshold", "2"], ["presence_threshold"]),
        (["{made}/toys.mp4", "--masks", "{made}/first.png", "-t", "0"], ["temporal window"]),
        (["camera:99", "--box", "1,1,40,40"], ["camera:99"]),
        (["{made}/words.mp4", "--masks", "{made}/first.png"], ["words.mp4"]),
        (["{made}/toys.mp4", "--box", "1=40,30,60,50", "2=2,2,126,70"], ["frame 00000", "object 1", "covered"]),
        (["{made}/toys.mp4", "--masks", "{made}/first.png", "--names", "1=a\x1b[31m"], ["--names", "in one line"]),
        (["{made}/frames", "--masks", "2={made}/first.png"], ["frame 002", "number 2 from 0", "002=FILE"]),
        (["{made}/frames", "--masks", "9={made}/first.png"], ["no frame '9'", "its first one is 001"]),
    ],
)
def test_what_can_not_be_is_one_line_and_leaves_nothing(made, tmp_path, arguments, parts):
    Image.new("L", (40, 30), 1).save(made / "small.png")
    (made / "words.mp4").write_text("no video")
    (made / "frames").mkdir(exist_ok=True)
    for index in (1, 2, 3):
        Image.open(made / "picture.png").save(made / f"frames/{index:03d}.png")
    result = run("track", *(argument.format(made=made) for argument in arguments), "--device", "cpu", cwd=tmp_path)
    complaint(result, *parts)
    assert not list(tmp_path.iterdir())


def test_another_run_in_the_folder_is_refused_until_it_may_be_overwritten(made, tmp_path):
    arguments = ["track", made / "toys.mp4", "--masks", made / "first.png", *checkpoint(made), *SIZE, "--end", 3, "--format"]
    assert run(*arguments, "-o", "out", cwd=tmp_path).returncode == 0
    complaint(run(*arguments, "-o", "out", "-t", 3, cwd=tmp_path), "temporal_window", "--overwrite")
    assert run(*arguments, "-o", "out", "-t", 3, "--overwrite", cwd=tmp_path).returncode == 0
    again = run(*arguments, "-o", "out", "-t", 3, cwd=tmp_path)
    assert again.returncode == 0 and "every frame is there already" in again.stderr


def test_a_source_within_the_folder_of_the_run_is_refused_and_stays(made, tmp_path):
    folder = tmp_path / "camera_tracked"
    folder.mkdir()
    shutil.copyfile(made / "toys.mp4", folder / "camera.mp4")
    (folder / "session.json").write_text("{}")
    line = ["track", folder / "camera.mp4", "--box", "20,20,90,60", "--overwrite", *checkpoint(made), *SIZE]
    complaint(run(*line, cwd=tmp_path), "camera_tracked, where a run replaces what it finds; choose another --out")
    assert (folder / "camera.mp4").is_file()
    assert run(*line, "--end", 1, "--format", "-o", "other", cwd=tmp_path).returncode == 0


def test_an_object_that_was_described_may_be_corrected_by_a_mask(made, tmp_path):
    assert (
        run("describe", made / "picture.png", made / "white.png", *checkpoint(made), "-o", "cup.hodor", cwd=tmp_path).returncode
        == 0
    )
    line = [
        "track",
        made / "toys.mp4",
        "--objects",
        "1=cup.hodor",
        "--masks",
        f"5={made / 'sixth.png'}",
        *checkpoint(made),
        *SIZE,
    ]
    result = run(*line, "--format", "-o", "out", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    corrected = read_label_map(tmp_path / "out/masks/00005.png")
    np.testing.assert_array_equal(corrected == 1, read_label_map(made / "sixth.png") == 1)


def frames_of(made, folder, names):
    folder.mkdir()
    for name in names:
        Image.open(made / "picture.png").save(folder / name)


def test_a_folder_goes_on_whatever_else_lies_in_it_and_not_at_another_rate(made, tmp_path):
    frames_of(made, tmp_path / "frames", ["a0.png", "a1.png", "a2.png"])
    line = ["track", "frames", "--masks", f"0={made / 'first.png'}", *checkpoint(made), *SIZE, "--format", "-o", "frames/out"]
    assert run(*line, cwd=tmp_path).returncode == 0
    (tmp_path / "frames/notes.txt").touch()
    again = run(*line, cwd=tmp_path)
    assert again.returncode == 0 and "every frame is there already" in again.stderr
    complaint(run(*line, "--rate", 1, cwd=tmp_path), "another rate")
    assert read_label_map(tmp_path / "frames/out/given/0.png").any()


def test_names_of_files_that_are_no_text_are_followed(made, tmp_path):
    frames_of(made, tmp_path / "frames", [os.fsdecode(b"caf\xe9 1.png"), os.fsdecode(b"caf\xe9 2.png")])
    line = ["track", "frames", "--masks", made / "first.png", *checkpoint(made), *SIZE, "-o", "out"]
    for said in ("out", "every frame is there already"):
        result = run(*line, "--format", "coco", "binary", cwd=tmp_path)
        assert result.returncode == 0 and said in result.stdout + result.stderr, result.stderr
    assert b"caf\xe9 2" in (tmp_path / "out/confidences.csv").read_bytes()


@pytest.mark.parametrize("orientation", [None, 3, 6, 8])
def test_a_photograph_with_exif_is_a_source(made, tmp_path, orientation):
    exif = Image.Exif()
    exif[0x10F] = "a camera"
    if orientation:
        exif[0x112] = orientation
    Image.open(made / "picture.png").save(tmp_path / "photo.jpg", exif=exif, quality=95)
    (frame,) = (each.image for each in open_source(str(tmp_path / "photo.jpg"), Selection()).frames())
    expected = read_image(tmp_path / "photo.jpg", upright=True)
    assert frame.shape == expected.shape and np.abs(frame.astype(int) - expected).mean() < 3


def test_pixels_that_are_no_squares_stay_so_in_the_overlay(made, tmp_path):
    clip = list(SyntheticClip(5, frames=2, height=72, width=128, objects=2))
    with written_video(tmp_path / "wide.mp4", rate=25, pixel_aspect=Fraction(4, 3)) as writer:
        for index, (image, _) in enumerate(clip):
            writer.write(image, index / 25)
    result = run("track", "wide.mp4", "--masks", made / "first.png", *checkpoint(made), *SIZE, "-o", "out", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    with av.open(str(tmp_path / "out/overlay.mp4")) as container:
        assert container.streams.video[0].sample_aspect_ratio == Fraction(4, 3)


@pytest.mark.parametrize("prompt", [["--box", "5=40,30,60,50"], ["--box", "40,30,60,50@7"], ["--click", "40,30", "3=41,30@2"]])
def test_what_describe_would_pass_over_is_refused(made, tmp_path, prompt):
    result = run("describe", made / "toys.mp4", *prompt, *checkpoint(made), "-o", "mug.hodor", cwd=tmp_path)
    complaint(result, "leave ID= and @FRAME out")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("sent", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_within_a_line_of_the_log_is_not_lost(made, tmp_path, sent, code):
    program = f"""
import os, signal, sys
from hodor import program, cli
import tqdm.contrib.logging as redirecting
emit = redirecting._TqdmLoggingHandler.emit
def sends(self, record):
    redirecting.std_tqdm.write = lambda *arguments, **options: os.kill(os.getpid(), signal.{sent})
    emit(self, record)
redirecting._TqdmLoggingHandler.emit = sends
program.run(cli.main, sys.argv[1:])
"""
    line = ["track", made / "toys.mp4", "--masks", made / "first.png", *checkpoint(made), *SIZE, "-o", "out"]
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, line)], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == code and len(done.stderr.splitlines()) == 1, done.stderr
    assert not list(tmp_path.iterdir())


def test_pictures_of_a_folder_keep_their_names(made, tmp_path):
    for name in ("b10", "b9"):
        Image.open(made / "picture.png").save(tmp_path / f"{name}.png")
    (tmp_path / "frames").mkdir()
    for name in ("b10", "b9"):
        (tmp_path / f"{name}.png").rename(tmp_path / f"frames/{name}.png")
    masks = tmp_path / "masks"
    write_label_map(masks / "b10.png", read_label_map(made / "first.png"), davis_palette())
    result = run(
        "track", "frames", "--masks", "masks", *checkpoint(made), *SIZE, "--format", "binary", "-o", "out", cwd=tmp_path
    )
    assert result.returncode == 0, result.stderr
    assert not read_label_map(tmp_path / "out/masks/b9.png").any()
    assert read_image(tmp_path / "out/binary/1/b10.png").any()
