"""Opening videos: uploads and paths, also those that are broken, odd or none."""

import io
import os
import shutil

import av
import numpy as np
import pytest
from app_page import FRAMES, HEIGHT, WIDTH
from PIL import Image

from hodor.app import store
from hodor.errors import HodorError
from hodor.media.video_source import VideoSource


@pytest.mark.parametrize("content", [b"", b"no video", b"\x00\x00\x00\x18ftypmp42" + bytes(5000)])
def test_what_is_no_video_is_refused_and_leaves_nothing(page, content):
    answer = page.upload(content, "words.mp4")
    assert answer.status_code == 422 and answer.text.startswith("words.mp4") and "\n" not in answer.text
    assert list(page.store.root.iterdir()) == []


def test_a_video_that_would_fill_the_disk_is_refused_before_it_comes(page, video, monkeypatch):
    monkeypatch.setattr(store, "_SPARED", shutil.disk_usage(page.store.root).total)
    answer = page.upload(video.read_bytes())
    assert answer.status_code == 507 and "free some space" in answer.text and list(page.store.root.iterdir()) == []


def test_a_video_that_breaks_off_keeps_what_was_read(page, video, clip):
    with av.open(str(video)) as container:
        middle = sorted(packet.pos for packet in container.demux(video=0) if packet.pos is not None)[6]
    content = bytearray(video.read_bytes())
    content[middle : middle + 40] = b"\xff" * 40
    answer = page.upload(bytes(content))
    assert answer.status_code == 201, answer.text
    session = answer.json()["id"]
    page.paint_two(session, clip)
    progress = page.work(session)
    assert progress["what"] == "done" and "frames" in progress["error"]
    frames = page.state(session)["frames"]
    assert page.labels(session, "found", 0) is not None and page.labels(session, "found", frames - 1) is not None


def test_a_header_that_promises_too_much_is_corrected_also_where_every_frame_was_found_before(page, video, clip, monkeypatch):
    session = page.opened(video)
    page.paint_two(session, clip)
    assert page.work(session)["what"] == "done"
    monkeypatch.setattr(VideoSource, "expected_frames", lambda source: FRAMES + 3)
    page.store.get(session).change(frames=FRAMES + 3)  # as where a terminal has followed it
    assert page.work(session)["what"] == "done" and page.state(session)["frames"] == FRAMES


def test_a_broken_video_whose_header_tells_no_length_opens_with_the_frames_that_came(page, clip, tmp_path):
    path = tmp_path / "stream.mjpeg"
    with av.open(str(path), "w", format="mjpeg") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuvj420p"
        for image, _ in clip:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image)))
        container.mux(stream.encode())
    content = path.read_bytes()
    assert page.state(page.upload(content, path.name).json()["id"])["frames"] == FRAMES
    answer = page.upload(content[: len(content) // 2], path.name)
    assert answer.status_code == 201, answer.text
    frames = page.state(answer.json()["id"])["frames"]
    assert 0 < frames < FRAMES
    assert page.client.get(f"/api/sessions/{answer.json()['id']}/frames/{frames - 1}").status_code == 200


def test_a_checkpoint_whose_name_no_file_can_have_does_not_lock_the_session(page, video, clip):
    session = page.opened(video)
    settings = page.state(session)["settings"]
    answer = page.client.patch(f"/api/sessions/{session}", json={"settings": {**settings, "checkpoint": "a" * 300}})
    assert answer.status_code == 200, answer.text
    page.paint_two(session, clip)
    failed = page.work(session)
    assert failed["what"] == "failed" and failed["error"].startswith("aaa")
    assert page.client.patch(f"/api/sessions/{session}", json={"settings": settings}).status_code == 200
    assert page.work(session)["what"] == "done"


def test_a_path_is_not_copied_and_opened_once(page, video):
    name = page.store.of_path(video)
    assert page.store.of_path(video) == name
    assert page.state(name)["source"] == str(video)
    assert not list((page.store.root / name / "page").glob("video*"))
    assert page.client.get(f"/api/sessions/{name}/frames/3").headers["content-type"] == "image/jpeg"
    page.client.delete(f"/api/sessions/{name}")
    assert video.is_file()


def test_a_session_that_is_broken_does_not_keep_others_from_opening(page, video):
    broken = page.store.root / "broken/page/session.json"
    broken.parent.mkdir(parents=True)
    broken.write_text("{}")
    name = page.store.of_path(video)
    assert page.store.of_path(video) == name
    listed = page.client.get("/api/sessions").json()["sessions"]
    assert {each["id"]: "error" in each for each in listed} == {"broken": True, name: False}


@pytest.mark.parametrize("name", [b"\xff.mp4", "\u00e4 \u6f22.mp4".encode()])
def test_a_path_is_opened_if_it_is_text(page, video, tmp_path, name):
    path = tmp_path / os.fsdecode(name)
    shutil.copy(video, path)
    if name.startswith(b"\xff"):
        with pytest.raises(HodorError, match="rename the file"):
            page.store.of_path(path)
        assert list(page.store.root.iterdir()) == []
    else:
        assert page.state(page.store.of_path(path))["title"] == path.name


def test_frames_come_in_any_order(page, video, clip):
    session = page.opened(video)
    for index in (5, 4, 5, 6, 0, 11):
        answer = page.client.get(f"/api/sessions/{session}/frames/{index}")
        shown = np.asarray(Image.open(io.BytesIO(answer.content))).astype(int)
        errors = [np.abs(shown - image).mean() for image, _ in clip]
        assert np.argmin(errors) == index
