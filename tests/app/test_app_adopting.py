"""Folders that `hodor track` began, in the page; and sessions of the page, in a terminal."""

import errno
import io
import json
import os
import zipfile

import numpy as np
import pytest
from app_page import FRAMES, HEIGHT, WIDTH
from PIL import Image

from hodor.app import taking
from hodor.app.adopting import opened_session
from hodor.app.commands import command_of
from hodor.errors import HodorError
from hodor.files import folder_lock, remove_folder
from hodor.formats.label_maps import davis_palette, write_label_map
from hodor.media.images import write_image
from hodor.media.videos import read_video
from hodor.tracking import describe
from hodor.tracking import program as track


def contents(folder):
    names = ["session.json", "inputs.json", "confidences.csv", "confidences.svg", "given", "masks"]
    paths = [path for name in names for path in ((folder / name).iterdir() if (folder / name).is_dir() else [folder / name])]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.fixture
def first(clip, tmp_path):
    write_label_map(tmp_path / "first.png", clip[0][1], davis_palette())
    return tmp_path / "first.png"


@pytest.fixture
def terminal(video, checkpoint, first):
    """`hodor track` into a folder, with the first mask and what else is said."""

    def run(folder, *arguments, mask=first, source=video):
        command = [
            source,
            "--out",
            folder,
            "--checkpoint",
            checkpoint,
            "--min_dim",
            64,
            "--format",
            *(["--masks", mask] if mask else []),
            *arguments,
        ]
        assert track.main([str(each) for each in command]) == 0

    return run


def test_a_run_of_a_terminal_is_corrected_in_the_page_and_the_other_way_round(page, terminal, clip, tmp_path):
    folder = tmp_path / "tracked"
    terminal(folder, "--names", "1=cup", "--temporal_window", "3")
    before = contents(folder)
    session = page.store.of_path(folder)
    assert page.store.of_path(folder) == session
    (listed,) = page.client.get("/api/sessions").json()["sessions"]
    assert listed["linked"] and listed["title"] == "toys.mp4"
    state = page.state(session)
    assert [each["name"] for each in state["objects"]] == ["cup", "Object 2"] and not state["changed"]
    assert state["settings"]["min_dim"] == 64 and "--temporal_window" in state["command"]
    np.testing.assert_array_equal(page.labels(session, "painted", 0), clip[0][1])
    assert page.labels(session, "found", FRAMES - 1) is not None and contents(folder) == before

    correction = np.where(np.roll(clip[0][1], 9, axis=1) == 2, np.uint8(2), np.uint8(0))
    assert page.paint(session, 8, correction).status_code == 200
    assert page.work(session)["what"] == "done"
    write_label_map(tmp_path / "eighth.png", correction, davis_palette())
    names = ["--names", "1=cup", "2=Object 2"]
    more = [*names, "--temporal_window", "3", "--masks", f"0={tmp_path / 'first.png'}", f"8={tmp_path / 'eighth.png'}"]
    terminal(tmp_path / "other", *more)
    assert contents(folder) == contents(tmp_path / "other")

    terminal(folder, *names, "--temporal_window", "3", "--names", "2=hand")
    state = page.state(session)
    assert list(state["painted"]) == ["0"] and not state["changed"]
    assert state["objects"][1]["name"] == "hand"
    assert page.labels(session, "painted", 8) is None
    assert track.main([*command_of(page.store.get(session))[2:], "--format"]) == 0
    assert page.client.delete(f"/api/sessions/{session}").status_code == 200
    assert folder.is_dir() and page.client.get("/api/sessions").json()["sessions"] == []


def test_the_command_takes_frames_whose_names_look_like_something_else(page, clip):
    frames = page.store.root / "frames"
    frames.mkdir()
    for name, (image, _) in zip(("-a", "b=c", "d"), clip, strict=False):
        write_image(frames / f"{name}.png", image)
    session = page.store.of_path(frames)
    page.paint_two(session, clip)
    for index in (1, 2):
        assert page.paint(session, index, clip[index][1]).status_code == 200
    assert page.work(session)["what"] == "done"
    before = contents(page.store.get(session).folder)
    assert track.main([*command_of(page.store.get(session))[2:], "--format"]) == 0
    assert contents(page.store.get(session).folder) == before


def test_frames_that_a_terminal_has_chosen_are_those_of_the_page(page, terminal, clip, first):
    folder = page.store.root / "part"
    terminal(folder, "--start", "2", "--stride", "3", "--max_size", "64", mask=f"2={first}")
    (name,) = page.store.names()
    state = page.state(name)
    assert (state["first"], state["stride"], state["frames"], state["width"]) == (2, 3, 4, 64)
    assert page.client.get(f"/api/sessions/{name}/frames/5").status_code == 200
    for missing in (0, 3, 14):
        assert page.client.get(f"/api/sessions/{name}/frames/{missing}").status_code == 404
    assert page.paint(name, 8, np.tile(np.arange(64) < 20, (36, 1))).status_code == 200
    progress = page.work(name)
    assert progress["what"] == "done" and progress["error"] == "" and progress["total"] == 4
    assert sorted(path.stem for path in (folder / "masks").iterdir()) == ["00002", "00005", "00008", "00011"]


@pytest.mark.parametrize(
    ("inputs", "part"),
    [
        ({"source": "camera:0", "names": {}, "options": {}}, "camera.mp4"),
        ({"source": "none.mp4", "names": {}, "options": {}}, "none.mp4"),
        ({"source": "none.mp4", "names": {}, "options": {"stride": "x"}}, "broken"),
        ({"source": "none.mp4", "names": {"0": "a"}, "options": {}}, "broken"),
        ([], "broken"),
    ],
)
def test_what_can_not_be_adopted_is_one_line(page, inputs, part):
    folder = page.store.root / "odd"
    folder.mkdir()
    (folder / "inputs.json").write_text(json.dumps(inputs))
    with pytest.raises(HodorError, match=part):
        opened_session(folder)
    (listed,) = page.client.get("/api/sessions").json()["sessions"]
    assert part in listed["error"] and [path.name for path in folder.iterdir()] == ["inputs.json"]


def test_a_run_that_can_not_be_taken_over_hides_no_other(page, video, clip, terminal, monkeypatch):
    session = page.opened(video)
    terminal(page.store.root / "run")
    full = OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr("hodor.app.adopting.write_record", lambda *arguments: (_ for _ in ()).throw(full))
    listed = {each["id"]: each for each in page.client.get("/api/sessions").json()["sessions"]}
    assert "No space left" in listed["run"]["error"] and "error" not in listed[session]
    assert page.store.of_path(video) != session  # of an upload there is a copy


def test_how_a_terminal_has_its_video_drawn_is_how_the_page_draws_it(page, terminal):
    folder = page.store.root / "run"
    terminal(folder, "--opacity", "0.9", "--no-outline", "--names", "1=a", "2=b", "--format", "video")
    drawn = [frame.mean() for frame in read_video(folder / "overlay.mp4")]
    (folder / "overlay.mp4").unlink()
    assert page.work("run", "make/video")["what"] == "done"
    np.testing.assert_allclose([frame.mean() for frame in read_video(folder / "overlay.mp4")], drawn, atol=0.01)


def test_objects_that_were_described_are_followed_without_anything_painted(page, terminal, clip, checkpoint, tmp_path):
    Image.fromarray(clip[0][0]).save(tmp_path / "mug.png")
    write_label_map(tmp_path / "mask.png", (clip[0][1] == 1).astype(np.uint8), davis_palette())
    told = ["--name", "mug", "--checkpoint", checkpoint, "--output", tmp_path / "mug.hodor", "--min_dim", 64]
    assert describe.main([str(each) for each in (tmp_path / "mug.png", tmp_path / "mask.png", *told)]) == 0
    folder = page.store.root / "run"
    terminal(folder, "--objects", tmp_path / "mug.hodor", mask=None)
    assert page.state("run")["described"] and page.state("run")["painted"] == {}
    settings = page.state("run")["settings"] | {"backwards": True}
    page.client.patch("/api/sessions/run", json={"settings": settings})
    progress = page.work("run")
    assert (progress["what"], progress["error"]) == ("done", "")


def test_a_download_of_masks_is_of_one_moment(page, video, clip):
    session = page.opened(video)
    page.paint_two(session, clip)
    page.work(session)
    folder = page.store.root / session
    before = {f"masks/{path.name}": path.read_bytes() for path in (folder / "masks").iterdir()}
    opened = page.store.get(session)
    with taking.scratch_folder(folder / "aside") as aside:
        paths = opened.tracking.forwards.snapshot(aside)
        opened.tracking.forwards.forget_from(3)
        opened.tracking.forwards.write("00000", np.zeros((HEIGHT, WIDTH), np.uint8))
        content = b"".join(taking._zipped(paths, taking.ExitStack()))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == before
        assert len(archive.namelist()) == len(set(archive.namelist())) == FRAMES
    assert page.client.get(f"/api/sessions/{session}/take/masks").status_code == 200
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_a_session_is_gone_at_once_and_nothing_brings_it_back(page, video, tmp_path, monkeypatch):
    session = page.opened(video)
    opened = page.store.get(session)
    monkeypatch.setattr("hodor.files.shutil.rmtree", lambda *arguments, **options: (_ for _ in ()).throw(OSError(5, "broken")))
    with pytest.raises(OSError, match="broken"):
        remove_folder(opened.folder)
    monkeypatch.undo()
    assert page.client.get("/api/sessions").json()["sessions"] == []
    assert page.client.get(f"/api/sessions/{session}").status_code == 404
    for act in (lambda: opened.paint(0, np.ones((HEIGHT, WIDTH), np.uint8), "none"), lambda: opened.change(title="a")):
        with pytest.raises(HodorError, match="removed"):
            act()
    (left,) = page.store.root.iterdir()
    left.rename(left.with_name(left.name.replace(f"-{os.getpid()}-", "-999999999-")))
    with folder_lock(page.store.root):
        assert [path.name for path in page.store.root.iterdir()] == [".lock"]
