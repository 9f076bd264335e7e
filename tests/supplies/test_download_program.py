"""`hodor download` as a user runs it, in a process of its own, against a server on this machine."""

import os
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from archive_server import Answer, noise, serving, zipped

from hodor.convert.__main__ import main as convert
from hodor.errors import HodorError
from hodor.supplies.data_sets import BY_HAND

ROOT = Path(__file__).parent.parent.parent
FILES = {
    "checkpoints/static/250000.pth": noise(900_000),
    "checkpoints/static/config.yaml": b"MODEL: {}\n",
    "dataset_json_annotations/davis_val.json": b'{"sequences": []}',
    "pretrained_backbones/swin_tiny_pretrained.pth": noise(100_000),
}
CONTENT = zipped({f"everything/{name}": data for name, data in FILES.items()} | {"everything/README": b"read me"})
WHOLE = Answer(CONTENT)


@pytest.fixture
def workspace(tmp_path):
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


def start(workspace, *arguments, largest_file=None):
    begin = "from hodor.cli import start; start()"
    if largest_file:
        begin = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({largest_file}, {largest_file})); {begin}"
    command = [sys.executable, "-c", begin, "download", *map(str, arguments)]
    environment = {**os.environ, "HODOR_WORKSPACE_DIR": str(workspace)}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=pipe, stderr=pipe, text=True)


def download(workspace, *arguments, largest_file=None):
    with start(workspace, *arguments, largest_file=largest_file) as process:
        out, err = process.communicate()
    assert "Traceback" not in err
    return process.returncode, out, err


def content(workspace):
    return {path.relative_to(workspace).as_posix(): path.read_bytes() for path in workspace.rglob("*") if path.is_file()}


def unpacked(workspace):
    return {name: data for name, data in content(workspace).items() if not name.startswith("downloads/")}


def test_what_is_new_what_is_there_and_what_is_left_to_do(workspace):
    (workspace / "checkpoints/static").mkdir(parents=True)
    (workspace / "checkpoints/static/config.yaml").write_bytes(b"mine")
    with serving(WHOLE) as server:
        code, out, err = download(workspace, "--url", server.url)
        assert code == 0, err
        assert unpacked(workspace) == FILES | {"checkpoints/static/config.yaml": b"mine"}
        assert [path.name for path in (workspace / "downloads").iterdir()] == ["unpacked.json"], "the archive isn't kept"
        assert out.count("new: ") == 3 and "config.yaml: differs" in err
        for each in BY_HAND:
            assert f"{each.name}: {each.what}, {each.page}\n" in out and f" {each.command}\n" in out
        (workspace / "dataset_images/davis_trainval").mkdir(parents=True)
        code, out, err = download(workspace, "--url", server.url)
        assert code == 0 and not err and out.count("there already: ") == 4
        assert "davis_val:" not in out and "davis_train:" in out, "its images are there now, and its JSON"
        assert len(server.ranges) == 1
        (workspace / "checkpoints/static/250000.pth").unlink()
        code, out, err = download(workspace, "--url", server.url)
    assert code == 0 and out.count("new: checkpoints/static/250000.pth") == 1 and out.count("there already: ") == 2


@pytest.mark.parametrize("each", BY_HAND, ids=lambda each: each.name)
def test_the_commands_that_are_said_are_understood(each, tmp_path, monkeypatch):
    monkeypatch.setenv("HODOR_WORKSPACE_DIR", str(tmp_path))
    program, kind, *arguments = shlex.split(each.command.replace("~", str(tmp_path / "nowhere")))
    assert (program, kind) == ("hodor", "convert")
    with pytest.raises(HodorError, match="nowhere"):
        convert(arguments)


def test_broken_off_and_gone_on_with(workspace):
    with serving(replace(WHOLE, cut=600_000), WHOLE) as server:
        code, out, err = download(workspace, "--url", server.url, "--retries", 0)
        assert code == 1 and not out and err.splitlines()[-1].startswith("error: http") and "the same command goes on" in err
        assert not unpacked(workspace)
        assert download(workspace, "--url", server.url, "--retries", 0)[0] == 0
    assert unpacked(workspace) == FILES and server.ranges == ["", "bytes=600000-"]


def test_interrupted_and_gone_on_with(workspace):
    part = workspace / "downloads/archive.zip.part"
    with serving(replace(WHOLE, cut=600_000, stall=True), WHOLE) as server:
        with start(workspace, "--url", server.url) as process:
            while not (part.is_file() and part.stat().st_size >= 1 << 18) and process.poll() is None:
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate()
        assert process.returncode == 130 and err.splitlines()[-1] == "error: interrupted" and "goes on" in err
        came = part.read_bytes()
        assert CONTENT.startswith(came) and len(came) >= 1 << 18
        assert download(workspace, "--url", server.url)[0] == 0
    assert unpacked(workspace) == FILES and server.ranges[1] == f"bytes={len(came)}-"


@pytest.mark.parametrize("left", [("archive.zip.part", "archive.zip.part.json"), ("archive.zip.part.json",)])
def test_what_a_kill_at_the_very_end_left_is_removed(workspace, left):
    with serving(WHOLE) as server:
        assert download(workspace, "--url", server.url)[0] == 0
        receipt = (workspace / "downloads/unpacked.json").read_bytes()
        for name in left:
            (workspace / "downloads" / name).write_bytes(CONTENT)
        (workspace / "checkpoints/static/250000.pth").unlink()  # as if it had been killed while it was unpacking
        (workspace / "downloads/unpacked.json").unlink()
        for _ in range(2):
            assert download(workspace, "--url", server.url)[0] == 0
            assert unpacked(workspace) == FILES
            assert [path.name for path in (workspace / "downloads").iterdir()] == ["unpacked.json"]
            for name in left:
                (workspace / "downloads" / name).write_bytes(CONTENT)
        assert (workspace / "downloads/unpacked.json").read_bytes() == receipt
        assert download(workspace, "--url", server.url)[0] == 0
    assert [path.name for path in (workspace / "downloads").iterdir()] == ["unpacked.json"]


def test_a_disk_that_takes_no_more(workspace):
    with serving(WHOLE) as server:
        code, _, err = download(workspace, "--url", server.url, largest_file=500_000)
        assert code == 1 and err.splitlines()[-1].startswith(f"error: {workspace / 'downloads/archive.zip.part'}: ")
        assert (workspace / "downloads/archive.zip.part").read_bytes() == CONTENT[:500_000] and not unpacked(workspace)
        assert download(workspace, "--url", server.url)[0] == 0
    assert unpacked(workspace) == FILES and server.ranges == ["", "bytes=500000-"]


def test_no_space_for_what_is_in_the_archive(workspace, tmp_path):
    packed = zipped({"checkpoints/a/1.pth": noise(1000) * 100})
    (tmp_path / "packed.zip").write_bytes(packed)
    assert len(packed) < 20_000
    code, _, err = download(workspace, "--archive", tmp_path / "packed.zip", largest_file=50_000)
    assert code == 1 and "1.pth: File too large" in err.splitlines()[-1]
    assert not content(workspace)


def test_archives_that_are_of_no_use_leave_nothing(workspace):
    for data, reason in ((CONTENT[:-40], "truncated or damaged"), (zipped(FILES | {"../evil": b"x"}), "may lead out")):
        with serving(Answer(data)) as server:
            code, out, err = download(workspace, "--url", server.url)
        assert code == 1 and not out and reason in err.splitlines()[-1] and server.url in err.splitlines()[-1]
        assert not list(workspace.iterdir()) and sorted(workspace.parent.iterdir()) == [workspace]
    with serving(WHOLE) as server:
        assert download(workspace, "--url", server.url)[0] == 0, "nothing is left of them that stands in the way"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(None, 404), "404"),
        (Answer(None, 500), "500"),
        (Answer(b"<html>", kind="text/html"), "a web page"),
        (replace(WHOLE, length=10**17), "the disk has"),
    ],
)
def test_servers_without_the_archive(workspace, answer, reason):
    with serving(answer) as server:
        code, out, err = download(workspace, "--url", server.url, "--retries", 0)
    assert code == 1 and not out and reason in err and err.splitlines()[-1].startswith("error: ")
    assert sum(line.startswith("error") for line in err.splitlines()) == 1 and not list(workspace.iterdir())


def test_a_file_from_a_browser(workspace, tmp_path):
    (tmp_path / "everything.zip").write_bytes(CONTENT)
    code, _, err = download(workspace, "--archive", tmp_path / "everything.zip")
    assert code == 0 and not err and unpacked(workspace) == content(workspace) == FILES
    (tmp_path / "everything.zip").write_bytes(b"no archive")
    code, _, err = download(workspace, "--archive", tmp_path / "everything.zip")
    assert code == 1 and "truncated or damaged" in err and (tmp_path / "everything.zip").exists()
    code, _, err = download(workspace, "--archive", tmp_path / "nothing.zip")
    assert code == 1 and "no such file" in err


def test_without_a_workspace_one_is_made(tmp_path):
    environment = {**os.environ, "XDG_DATA_HOME": str(tmp_path)}
    environment.pop("HODOR_WORKSPACE_DIR", None)
    with serving(WHOLE) as server:
        command = [sys.executable, "-m", "hodor", "download", "--url", server.url]
        subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    assert unpacked(tmp_path / "hodor") == FILES
