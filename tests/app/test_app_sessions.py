"""A page's work from opening to taking away, by the requests that a page sends, on a real small network."""

import gc
import io
import json
import os
import zipfile
from pathlib import Path

import av
import numpy as np
import pytest
from app_page import FRAMES, HEIGHT, WIDTH, Page
from PIL import Image
from support.file_sizes import file_sizes_limited_to

from hodor.app.commands import command_of
from hodor.formats.label_maps import davis_palette, write_label_map
from hodor.media.images import write_image
from hodor.tracking import program as track


def contents(folder):
    names = ["session.json", "confidences.csv", "confidences.svg", *(f"masks/{index:05d}.png" for index in range(FRAMES))]
    return {name: (folder / name).read_bytes() for name in names}


def tracked(folder, source, checkpoint, *arguments):
    assert (
        track.main([str(source), "--checkpoint", str(checkpoint), "--min_dim", "64", *arguments, "--format", "-o", str(folder)])
        == 0
    )
    return contents(folder)


def test_the_whole_way_gives_what_hodor_track_gives_file_for_file(page, video, clip, checkpoint, tmp_path):
    session = page.opened(video)
    folder = page.store.root / session
    page.paint_two(session, clip)
    assert page.work(session)["what"] == "done"
    source = page.state(session)["source"]
    write_label_map(tmp_path / "first.png", clip[0][1], davis_palette())
    names = ["--names", "1=Object 1", "2=mug"]
    assert contents(folder) == tracked(tmp_path / "one", source, checkpoint, "--masks", str(tmp_path / "first.png"), *names)

    correction = np.where(np.roll(clip[0][1], 9, axis=1) == 2, np.uint8(2), np.uint8(0))
    assert page.paint(session, 8, correction).status_code == 200
    assert page.state(session)["changed"]
    before = {index: page.labels(session, "found", index) for index in range(FRAMES)}
    assert page.work(session)["what"] == "done" and not page.state(session)["changed"]
    for index in range(8):
        np.testing.assert_array_equal(page.labels(session, "found", index), before[index])
    np.testing.assert_array_equal(page.labels(session, "found", 8) == 2, correction == 2)
    write_label_map(tmp_path / "eighth.png", correction, davis_palette())
    masks = ["--masks", f"0={tmp_path / 'first.png'}", f"8={tmp_path / 'eighth.png'}"]
    assert contents(folder) == tracked(tmp_path / "two", source, checkpoint, *masks, *names)
    assert {(row[0], row[1]) for row in page.client.get(f"/api/sessions/{session}/confidences").json()} == {
        (index, each) for index in range(FRAMES) for each in (1, 2)
    }

    taken = page.client.get(f"/api/sessions/{session}/take/masks")
    with zipfile.ZipFile(io.BytesIO(taken.content)) as archive:
        assert {f"masks/{each.name}": each.read_bytes() for each in (folder / "masks").iterdir()} == {
            name: archive.read(name) for name in archive.namelist()
        }
    assert page.work(session, "make/video")["forms"] == ["video"]
    with av.open(io.BytesIO(page.client.get(f"/api/sessions/{session}/take/video").content)) as container:
        assert len(list(container.decode(video=0))) == FRAMES
    assert page.work(session, "make/coco")["forms"] == ["coco"]
    made = json.loads(page.client.get(f"/api/sessions/{session}/take/coco").content)
    assert {each["name"] for each in made["categories"]} == {"Object 1", "mug"}


def test_the_command_that_is_shown_goes_on_in_the_same_folder(page, video, clip, caplog):
    caplog.set_level("INFO")
    session = page.opened(video)
    page.paint_two(session, clip)
    page.work(session)
    before = contents(page.store.root / session)
    command = command_of(page.store.get(session))
    assert page.state(session)["command"] == command and command[:2] == ["hodor", "track"]
    assert track.main([*command[2:], "--format"]) == 0
    assert "every frame is there already" in caplog.text
    assert contents(page.store.root / session) == before
    assert page.labels(session, "painted", 0) is not None


def test_a_cancelled_run_goes_on_and_two_runs_at_once_are_refused(page, video, clip):
    session, other = page.opened(video), page.opened(video)
    for each in (session, other):
        page.paint_two(each, clip)
    assert page.client.post(f"/api/sessions/{session}/run").status_code == 202
    for each in (session, other):
        refused = page.client.post(f"/api/sessions/{each}/run")
        assert refused.status_code == 409 and "toys.mp4 is being worked on" in refused.text
    assert page.client.delete(f"/api/sessions/{session}").status_code == 409
    page.client.delete(f"/api/sessions/{session}/run")
    assert page.ended(session)["what"] == "cancelled"
    assert page.work(session)["what"] == page.work(other)["what"] == "done"
    for index in range(FRAMES):
        np.testing.assert_array_equal(page.labels(session, "found", index), page.labels(other, "found", index))


def test_another_server_on_the_folder_goes_on(page, video, clip, checkpoint):
    session = page.opened(video)
    page.paint_two(session, clip)
    page.work(session)
    again = Page(page.store.root, checkpoint)
    with again.client:
        (listed,) = again.client.get("/api/sessions").json()["sessions"]
        assert (listed["id"], listed["title"], listed["frames"]) == (session, "toys.mp4", FRAMES)
        assert again.state(session)["objects"] == [{"id": 1, "name": "Object 1"}, {"id": 2, "name": "mug"}]
        np.testing.assert_array_equal(again.labels(session, "painted", 0), clip[0][1])
        assert again.labels(session, "found", FRAMES - 1) is not None
        assert again.client.delete(f"/api/sessions/{session}").status_code == 200
        assert again.client.get("/api/sessions").json()["sessions"] == [] and not (page.store.root / session).exists()


def test_other_settings_begin_anew(page, video, clip):
    session = page.opened(video)
    page.paint_two(session, clip)
    page.paint(session, 6, np.where(clip[0][1] == 1, clip[0][1], 0))
    page.work(session)
    settings = {**page.state(session)["settings"], "min_dim": 96, "backwards": True}
    assert page.client.patch(f"/api/sessions/{session}", json={"settings": settings}).json()["changed"]
    progress = page.work(session)
    assert progress["what"] == "done", progress["error"]
    written = json.loads((page.store.root / session / "session.json").read_text())
    assert written["min_dim"] == 96 and written["backwards"]
    page.client.patch(f"/api/sessions/{session}", json={"settings": {**settings, "checkpoint": "none.pth"}})
    failed = page.work(session)
    assert failed["what"] == "failed" and "none.pth: no such checkpoint" in failed["error"]
    assert page.labels(session, "found", 3) is not None


def test_a_video_that_was_written_anew_is_followed_anew(page, video, clip, tmp_path):
    copied = tmp_path / "copied.mp4"
    copied.write_bytes(video.read_bytes())
    session = page.store.of_path(copied)
    page.paint_two(session, clip)
    assert page.work(session)["what"] == "done"
    os.utime(copied, (1, 1))
    notes = page.store.root / session / "notes.txt"
    notes.touch()
    page.paint(session, 3, np.where(clip[3][1] == 1, clip[3][1], 0))
    progress = page.work(session)
    assert (progress["what"], progress["error"]) == ("done", "")
    assert page.labels(session, "found", FRAMES - 1) is not None and notes.exists()


@pytest.mark.parametrize("name", ["-{}", "a={}"])
def test_frames_with_odd_names_are_followed(page, clip, tmp_path, name):
    frames = tmp_path / "frames"
    frames.mkdir()
    for index in range(3):
        Image.fromarray(clip[index][0]).save(frames / f"{name.format(index)}.png")
    session = page.store.of_path(frames)
    page.paint_two(session, clip)
    progress = page.work(session)
    assert (progress["what"], progress["error"]) == ("done", "")


def test_a_frame_that_another_tab_painted_meanwhile_is_not_overwritten(page, video, clip):
    session = page.opened(video)
    page.paint_two(session, clip)
    version = page.state(session)["painted"]["0"]
    first = page.paint(session, 0, np.where(clip[0][1] == 1, clip[0][1], 0), version)
    second = page.paint(session, 0, np.where(clip[0][1] == 2, clip[0][1], 0), version)
    assert first.status_code == 200 and second.status_code == 409 and "another tab" in second.text
    np.testing.assert_array_equal(np.unique(page.labels(session, "painted", 0)), [0, 1])


def test_an_object_that_is_removed_leaves_the_masks(page, video, clip):
    session = page.opened(video)
    page.paint_two(session, clip)
    page.paint(session, 4, np.where(clip[0][1] == 2, clip[0][1], 0))
    assert page.client.delete(f"/api/sessions/{session}/objects/2").status_code == 200
    assert list(page.state(session)["painted"]) == ["0"]
    np.testing.assert_array_equal(page.labels(session, "painted", 0), np.where(clip[0][1] == 1, clip[0][1], 0))


def test_an_object_that_is_new_has_nothing_of_one_that_was_removed(page, video, clip):
    session = page.opened(video)
    page.paint_two(session, clip)
    page.work(session)
    page.client.delete(f"/api/sessions/{session}/objects/2")
    added = page.client.post(f"/api/sessions/{session}/objects", json={"name": "other"}).json()["id"]
    assert added not in page.labels(session, "found", 0)
    page.work(session)
    assert page.client.post(f"/api/sessions/{session}/objects", json={"name": ""}).json() == {"id": 2}, "free again"
    for _ in range(251):
        assert page.client.post(f"/api/sessions/{session}/objects", json={"name": ""}).status_code == 201
    refused = page.client.post(f"/api/sessions/{session}/objects", json={"name": ""})
    assert refused.status_code == 422 and "254" in refused.text


@pytest.mark.parametrize("name", ["my\u00a0dog", "赤い\u3000車", "👩\u200d🚀"])
def test_names_are_those_that_people_type(page, video, clip, name):
    session = page.opened(video)
    page.paint_two(session, clip)
    assert page.client.patch(f"/api/sessions/{session}/objects/1", json={"name": name}).status_code == 200
    assert page.work(session)["what"] == "done"
    assert track.main([*page.state(session)["command"][2:], "--format"]) == 0
    for broken in ("a\nb", "a\x1bb", "a\u2028b"):
        refused = page.client.patch(f"/api/sessions/{session}/objects/1", json={"name": broken})
        assert refused.status_code == 422 and "one line" in refused.text
    assert page.state(session)["objects"][0]["name"] == name


def test_files_of_a_system_that_lie_about_are_passed_over(page, video, clip):
    session = page.opened(video)
    page.paint_two(session, clip)
    folder = page.store.root / session
    (folder / ".DS_Store").write_text("of Finder")
    (folder / "page/painted/._0.png").write_text("of another system")
    done = page.work(session)
    assert done["what"] == "done", done["error"]
    (folder / "given/._0.png").write_text("of another system")
    state = page.state(session)
    assert list(state["painted"]) == ["0"] and not state["changed"]
    assert page.paint(session, 3, clip[3][1]).status_code == 200 and page.work(session)["what"] == "done"


def test_a_frame_that_is_gone_has_no_mask(page, clip, tmp_path):
    for index in range(3):
        write_image(tmp_path / f"frames/{index}.png", clip[index][0])
    session = page.store.of_path(tmp_path / "frames")
    (tmp_path / "frames/2.png").unlink()
    page.store.get(session).close_video()
    assert page.client.get(f"/api/sessions/{session}/found/2").status_code == 204


def test_a_session_that_is_removed_lets_its_video_go(page, video, clip):
    session = page.opened(video)
    page.paint_two(session, clip)
    assert page.work(session)["what"] == "done"
    assert page.client.get(f"/api/sessions/{session}/frames/3").status_code == 200
    assert page.client.delete(f"/api/sessions/{session}").status_code == 200
    gc.collect()
    links = [path.readlink() for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    assert not [link for link in links if session in str(link)]


def test_a_name_of_blanks_is_none(page, video, clip):
    session = page.opened(video)
    page.paint_two(session, clip)
    page.client.patch(f"/api/sessions/{session}/objects/1", json={"name": " \n"})
    page.client.patch(f"/api/sessions/{session}/objects/2", json={"name": " a=b "})
    assert [each["name"] for each in page.state(session)["objects"]] == ["Object 1", "a=b"]
    command = page.state(session)["command"]
    assert track.main([*command[2:], "--format"]) == 0, "the command that is shown takes the names"


def test_boxes_clicks_and_files_become_masks(page, video, clip):
    session = page.opened(video)
    rows, columns = np.nonzero(clip[0][1] == 1)
    box = [int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1]
    cut = page.client.post(f"/api/sessions/{session}/cut", json={"frame": 0, "kind": "box", "box": box})
    mask = np.frombuffer(cut.content, np.uint8).reshape(HEIGHT, WIDTH)
    assert (mask[clip[0][1] == 1]).mean() > 0.5 and mask.sum() <= (box[2] - box[0]) * (box[3] - box[1])
    point = [float(np.median(columns)), float(np.median(rows))]
    cut = page.client.post(f"/api/sessions/{session}/cut", json={"frame": 0, "kind": "click", "points": [point]})
    assert np.frombuffer(cut.content, np.uint8).reshape(HEIGHT, WIDTH)[int(point[1]), int(point[0])] == 1
    outside = page.client.post(f"/api/sessions/{session}/cut", json={"frame": 0, "kind": "box", "box": [500, 500, 600, 600]})
    assert outside.status_code == 422 and "outside the frame" in outside.text
    drawn = io.BytesIO()
    Image.fromarray(np.where(clip[0][1] == 2, np.uint8(2), np.uint8(0))).save(drawn, "PNG")
    read = page.client.post(f"/api/sessions/{session}/drawn/0", content=drawn.getvalue())
    np.testing.assert_array_equal(np.frombuffer(read.content, np.uint8).reshape(HEIGHT, WIDTH) == 2, clip[0][1] == 2)
    assert [each["id"] for each in page.state(session)["objects"]] == [1, 2]
    Image.new("L", (40, 30), 1).save(drawn := io.BytesIO(), "PNG")
    refused = page.client.post(f"/api/sessions/{session}/drawn/0", content=drawn.getvalue())
    assert refused.status_code == 422 and "40x30" in refused.text and "128x72" in refused.text


def test_what_can_not_be_is_one_line(page, video, clip):
    session = page.opened(video)
    Image.new("L", (WIDTH, HEIGHT), 1).save(drawn := io.BytesIO(), "PNG")
    mask = drawn.getvalue()
    nothing = page.client.post(f"/api/sessions/{session}/run")
    assert nothing.status_code == 422 and "paint an object" in nothing.text
    assert page.client.post(f"/api/sessions/{session}/make/video").status_code == 422
    assert page.client.get(f"/api/sessions/{session}/take/masks").status_code == 422
    for refused, part in [
        (page.paint(session, 0, np.ones((40, 30))), "30x40 pixels, but the frames have 128x72"),
        (page.paint(session, 0, np.full((HEIGHT, WIDTH), 7)), "no object 7"),
        (page.paint(session, FRAMES, np.ones((HEIGHT, WIDTH)), "none"), f"no frame {FRAMES}"),
        (page.client.get(f"/api/sessions/{session}/frames/-1"), "no frame -1"),
        (page.client.post(f"/api/sessions/{session}/drawn/{FRAMES}", content=mask), f"no frame {FRAMES}"),
        (page.client.get("/api/sessions/none"), "no such session"),
        (page.client.patch(f"/api/sessions/{session}", json={"settings": {"checkpoint": "--overwrite"}}), "checkpoint"),
        (page.client.patch(f"/api/sessions/{session}", json={"source": "/etc/passwd"}), "source"),
    ]:
        assert refused.status_code in {404, 422} and part in refused.text and "\n" not in refused.text


def test_a_disk_that_fills_is_one_line_and_nothing_is_lost(page, video, clip, checkpoint, tmp_path):
    session = page.opened(video)
    page.paint_two(session, clip)
    write_label_map(tmp_path / "first.png", clip[0][1], davis_palette())
    painted = page.labels(session, "painted", 0)
    with file_sizes_limited_to(600):  # masks are smaller, the state of the network is larger
        refused = page.upload(video.read_bytes())
        progress = page.work(session)
        assert page.paint(session, 3, np.random.default_rng(0).integers(0, 3, (HEIGHT, WIDTH))).status_code == 500
    assert refused.status_code == 500 and "File too large" in refused.text and "\n" not in refused.text
    assert "File too large" in progress["error"] and "\n" not in progress["error"]
    assert [path.name for path in page.store.root.iterdir()] == [session]
    np.testing.assert_array_equal(page.labels(session, "painted", 0), painted)
    assert page.labels(session, "painted", 3) is None
    assert page.work(session)["what"] == "done"
    names = ["--names", "1=Object 1", "2=mug"]
    wanted = tracked(
        tmp_path / "one", page.state(session)["source"], checkpoint, "--masks", str(tmp_path / "first.png"), *names
    )
    assert contents(page.store.root / session) == wanted
