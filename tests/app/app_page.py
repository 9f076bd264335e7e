"""What a page does, by requests to a server in this process."""

import time

import numpy as np
from fastapi.testclient import TestClient

from hodor.app.records import Settings
from hodor.app.server import build
from hodor.app.store import SessionStore

FRAMES, HEIGHT, WIDTH = 12, 72, 128
PORT = 8642


class Page:
    """What a page does, without one."""

    def __init__(self, root, checkpoint):
        self.store = SessionStore(root, Settings(checkpoint=str(checkpoint), min_dim=64))
        self.client = TestClient(build(self.store, PORT), base_url=f"http://127.0.0.1:{PORT}")

    def upload(self, content, name="toys.mp4"):
        headers = {"content-type": "application/octet-stream"}
        return self.client.post("/api/sessions", params={"name": name}, content=content, headers=headers)

    def opened(self, video):
        answer = self.upload(video.read_bytes())
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    def state(self, session):
        return self.client.get(f"/api/sessions/{session}").json()

    def paint(self, session, index, labels, version=None):
        height, width = labels.shape
        headers = {
            "content-type": "application/octet-stream",
            "if-match": version or self.state(session)["painted"].get(str(index), "none"),
        }
        params = {"width": width, "height": height}
        content = labels.astype(np.uint8).tobytes()
        return self.client.put(f"/api/sessions/{session}/painted/{index}", params=params, content=content, headers=headers)

    def paint_two(self, session, clip):
        assert self.client.post(f"/api/sessions/{session}/objects", json={"name": "mug"}).json() == {"id": 2}
        assert self.paint(session, 0, clip[0][1]).status_code == 200

    def work(self, session, what="run"):
        """Begins a run, or to make something, and waits for its end."""
        answer = self.client.post(f"/api/sessions/{session}/{what}")
        assert answer.status_code == 202, answer.text
        return self.ended(session)

    def ended(self, session):
        while not (progress := self.client.get(f"/api/sessions/{session}/run").json())["over"]:
            time.sleep(0.02)
        return progress

    def labels(self, session, kind, index):
        answer = self.client.get(f"/api/sessions/{session}/{kind}/{index}")
        return np.frombuffer(answer.content, np.uint8).reshape(HEIGHT, WIDTH) if answer.status_code == 200 else None
