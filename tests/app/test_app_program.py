"""The command line of `hodor app`."""

import json
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from hodor.app import program
from hodor.errors import HodorError
from hodor.files import folder_lock


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["none.mp4"], "none.mp4"),
        ([__file__], "test_app_program.py"),
        (["--checkpoint", "none.pth"], "none.pth: no such checkpoint"),
        (["--port", "70000"], "--port must be 1..65535"),
        (["camera:0"], "camera:0: the page has its own button"),
    ],
)
def test_what_can_not_be_is_one_line(arguments, part, tmp_path):
    with pytest.raises(HodorError, match=part):
        program.main([*arguments, "--folder", str(tmp_path / "sessions"), "--no-browser"])
    assert list(tmp_path.iterdir()) == []


def test_sessions_that_were_only_painted_are_opened_by_their_folder(page, video, clip, monkeypatch, tmp_path):
    session = page.opened(video)
    page.paint_two(session, clip)
    opened = []
    monkeypatch.setattr(program, "_serve", lambda listening, folder, source, *more: opened.append(source))
    assert program.main([str(page.store.root / session), "--folder", str(tmp_path / "others"), "--no-browser"]) == 0
    assert opened == [page.store.root / session]


def test_a_port_and_a_folder_belong_to_one_server(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(HodorError, match="is taken"):
            program.main(["--folder", str(tmp_path), "--port", str(taken.getsockname()[1]), "--no-browser"])
    with folder_lock(tmp_path), pytest.raises(HodorError, match="another process is writing there"):
        program.main(["--folder", str(tmp_path), "--no-browser"])


def test_the_page_opens_without_the_network():
    lines = "import sys; from hodor.app import program, server; print('torch' in sys.modules)"
    finished = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, check=True)
    assert finished.stdout.strip() == "False"


def started(folder, *arguments):
    """A server in a process of its own, and its address."""
    command = [sys.executable, "-u", "-m", "hodor", "app", "--no-browser", "--folder", str(folder), *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    return process, re.search(r"(http://127\.0\.0\.1:\d+/)(#\S+)?", line)


def given_up_upload(address):
    """Begins to send a video, and goes away in the middle; waits until another request is answered."""
    host = address.removeprefix("http://").rstrip("/")
    with socket.create_connection(host.split(":")) as browser:
        lines = ["POST /api/sessions?name=a.mp4 HTTP/1.1", f"host: {host}", "content-type: application/octet-stream"]
        browser.sendall("\r\n".join([*lines, "content-length: 1000000", "", "begin"]).encode())
        time.sleep(0.2)
    with urllib.request.urlopen(f"{address}api/sessions") as answer:
        assert len(json.load(answer)["sessions"]) == 1


def test_a_killed_server_leaves_its_sessions_to_the_next(tmp_path, video, checkpoint):
    process, address = started(tmp_path / "sessions", video, "--checkpoint", checkpoint)
    session = address[2].removeprefix("#")
    process.kill()
    process.communicate()
    process, address = started(tmp_path / "sessions", "--checkpoint", checkpoint)
    try:
        with urllib.request.urlopen(f"{address[1]}api/sessions") as answer:
            (listed,) = json.load(answer)["sessions"]
        assert (listed["id"], listed["title"]) == (session, "toys.mp4")
        given_up_upload(address[1])
    finally:
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate()
    assert process.returncode == 0 and not stderr
    assert sorted(path.name for path in (tmp_path / "sessions").iterdir()) == [session]
