"""A camera of the browser: pictures over a web socket become what `hodor track` makes of the folder of pictures."""

import io
import json
import os

import numpy as np
import pytest
import torch
from app_page import HEIGHT, PORT, WIDTH, Page
from PIL import Image
from starlette.websockets import WebSocketDisconnect

from hodor.formats.label_maps import read_label_map
from hodor.inference.segmenter import Segmenter
from hodor.tracking import program as track

OURS = {"origin": f"http://127.0.0.1:{PORT}", "host": f"127.0.0.1:{PORT}"}


def jpeg(image):
    Image.fromarray(image).save(content := io.BytesIO(), "JPEG", quality=95)
    return content.getvalue()


def begun(page, picture):
    headers = {"content-type": "application/octet-stream"}
    return page.client.post("/api/cameras", content=picture, headers=headers)


def test_what_a_camera_showed_equals_a_run_on_its_pictures(page, clip, checkpoint, tmp_path):
    session = begun(page, jpeg(clip[0][0])).json()["id"]
    assert page.state(session)["camera"] and page.state(session)["frames"] == 1
    page.paint_two(session, clip)
    with page.client.websocket_connect(f"/api/sessions/{session}/live", headers=OURS) as socket:
        assert socket.receive_json() == {"ready": True}
        for index in range(1, 5):
            socket.send_bytes(jpeg(clip[index][0]))
            told = socket.receive_json()
            assert told["frame"] == index and {row[1] for row in told["rows"]} == {1, 2}
            live = np.frombuffer(socket.receive_bytes(), np.uint8).reshape(HEIGHT, WIDTH)
        assert page.client.post(f"/api/sessions/{session}/run").status_code == 409
        socket.send_bytes(b"")
        assert socket.receive_json() == {"over": True}
    state, folder = page.state(session), page.store.root / session
    assert not state["camera"] and not state["changed"] and state["frames"] == 5
    np.testing.assert_array_equal(page.labels(session, "found", 4), live)
    command = state["command"][2:]
    command[command.index("--out") + 1] = str(tmp_path / "out")
    assert track.main([*command, "--format"]) == 0
    for name in ("session.json", "inputs.json", "confidences.csv", *(f"masks/{index:05d}.png" for index in range(5))):
        assert (folder / name).read_bytes() == (tmp_path / "out" / name).read_bytes(), name
    assert page.work(session)["what"] == "done"


def test_a_browser_that_goes_away_and_pictures_that_are_none_lose_nothing(page, clip):
    session = begun(page, jpeg(clip[0][0])).json()["id"]
    page.paint_two(session, clip)
    for broken, part in ((b"no picture", "00002"), (jpeg(clip[1][0][:40]), "128x40")):
        if not page.state(session)["camera"]:
            session = begun(page, jpeg(clip[0][0])).json()["id"]
            page.paint_two(session, clip)
        with page.client.websocket_connect(f"/api/sessions/{session}/live", headers=OURS) as socket:
            socket.receive_json()
            socket.send_bytes(jpeg(clip[1][0]))
            socket.receive_json(), socket.receive_bytes()
            socket.send_bytes(broken)
            assert part in socket.receive_json()["error"]
        assert page.state(session)["frames"] == 2 and page.labels(session, "found", 1) is not None
    with page.client.websocket_connect(f"/api/sessions/{session}/live", headers=OURS) as socket:
        assert "paint an object" in socket.receive_json()["error"]
    assert begun(page, b"no picture").status_code == 422
    assert len(page.store.names()) == 2


def recorded(page, clip, count, meanwhile=lambda session: None):
    """A session of a camera that has shown so many pictures."""
    session = begun(page, jpeg(clip[0][0])).json()["id"]
    page.paint_two(session, clip)
    with page.client.websocket_connect(f"/api/sessions/{session}/live", headers=OURS) as socket:
        socket.receive_json()
        for index in range(1, count):
            socket.send_bytes(jpeg(clip[index][0]))
            socket.receive_json(), socket.receive_bytes()
        meanwhile(session)
        socket.send_bytes(b"")
        assert socket.receive_json() == {"over": True}
    return session


def test_settings_that_change_meanwhile_are_those_of_the_next_run(page, clip):
    settings = page.store.settings.model_dump() | {"min_dim": 96}
    session = recorded(page, clip, 3, lambda name: page.client.patch(f"/api/sessions/{name}", json={"settings": settings}))
    assert json.loads((page.store.root / session / "session.json").read_text())["min_dim"] == 64
    state = page.state(session)
    assert state["settings"]["min_dim"] == 96 and state["changed"]
    assert page.work(session)["what"] == "done"
    assert json.loads((page.store.root / session / "session.json").read_text())["min_dim"] == 96


def test_what_is_painted_meanwhile_was_not_followed(page, clip):
    other = np.where(clip[0][1] == 1, clip[0][1], 0)
    session = recorded(page, clip, 3, lambda name: page.paint(name, 0, other))
    given = read_label_map(page.store.root / session / "given/0.png")
    np.testing.assert_array_equal(given, clip[0][1])
    assert page.state(session)["changed"]


def test_pictures_that_a_killed_server_left_become_a_video(page, clip):
    session = begun(page, jpeg(clip[0][0])).json()["id"]
    page.paint_two(session, clip)
    frames = page.store.root / session / "page/frames"
    for index in range(1, 6):
        (frames / f"{index:05d}.jpg").write_bytes(jpeg(clip[index][0]))
        os.utime(frames / f"{index:05d}.jpg", (1000 + index / 2, 1000 + index / 2))
    (frames.parent / "found").mkdir()
    other = Page(page.store.root, page.store.settings.checkpoint)
    state = other.state(session)
    assert (state["frames"], state["rate"], state["camera"]) == (6, 2.0, False)
    assert other.work(session)["what"] == "done" and other.labels(session, "found", 5) is not None
    assert not (frames.parent / "found").exists()


def test_a_network_that_fails_is_told_and_what_came_before_is_kept(page, clip, monkeypatch):
    session = begun(page, jpeg(clip[0][0])).json()["id"]
    page.paint_two(session, clip)
    with page.client.websocket_connect(f"/api/sessions/{session}/live", headers=OURS) as socket:
        socket.receive_json()
        socket.send_bytes(jpeg(clip[1][0]))
        socket.receive_json(), socket.receive_bytes()
        monkeypatch.setattr(Segmenter, "step", failing)
        socket.send_bytes(jpeg(clip[2][0]))
        assert "out of memory" in socket.receive_json()["error"]
    assert page.state(session)["frames"] == 2 and page.labels(session, "found", 1) is not None


def failing(*arguments):
    raise torch.OutOfMemoryError("out of memory")


@pytest.mark.parametrize("headers", [{"origin": "http://evil.example"}, {"host": "evil.example"}, {"origin": ""}])
def test_a_web_socket_of_another_site_is_refused(page, clip, headers):
    session = begun(page, jpeg(clip[0][0])).json()["id"]
    path = f"/api/sessions/{session}/live"
    with pytest.raises(WebSocketDisconnect), page.client.websocket_connect(path, headers=OURS | headers):
        pass
