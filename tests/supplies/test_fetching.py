"""Downloading one file from servers that break off, lie, and change it in between."""

import json
import re
import socket
from dataclasses import replace

import pytest
from archive_server import Answer, noise, serving, zipped

from hodor.errors import HodorError
from hodor.supplies import fetch
from hodor.supplies.fetch import fetch_zip

CONTENT = zipped({"checkpoints/a/1.pth": noise(1_000_000)})
OTHER = zipped({"checkpoints/a/1.pth": noise(1_000_000, seed=1)})
WHOLE = Answer(CONTENT)
HALF = 400_000


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(fetch, "_FIRST_WAIT", 0.01)


@pytest.fixture
def part(tmp_path):
    return tmp_path / "archive.zip.part"


def complaint(url, part, retries=0):
    with pytest.raises(HodorError) as caught:
        fetch_zip(url, part, retries)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_file_comes_whole_and_is_not_asked_for_twice(part):
    with serving(WHOLE) as server:
        fetch_zip(server.url, part)
        fetch_zip(server.url, part)
    assert part.read_bytes() == CONTENT and server.ranges == [""]


def test_it_goes_on_where_it_broke_off_by_itself(part):
    with serving(replace(WHOLE, cut=HALF), replace(WHOLE, cut=HALF), WHOLE) as server:
        fetch_zip(server.url, part, retries=1)
    assert part.read_bytes() == CONTENT
    assert server.ranges == ["", f"bytes={HALF}-", f"bytes={2 * HALF}-"]


def test_the_same_command_goes_on(part):
    with serving(replace(WHOLE, cut=HALF), WHOLE) as server:
        said = complaint(server.url, part)
        assert "broke off at 0.4 MB of 1.0 MB" in said and "the same command goes on" in said
        assert part.read_bytes() == CONTENT[:HALF]
        fetch_zip(server.url, part)
    assert part.read_bytes() == CONTENT and server.ranges[1] == f"bytes={HALF}-"


@pytest.mark.parametrize("etag", ['"first"', ""])
def test_a_server_without_ranges_begins_again(part, etag):
    stubborn = replace(WHOLE, ranges=False, etag=etag)
    with serving(replace(stubborn, cut=HALF), stubborn) as server:
        fetch_zip(server.url, part, retries=1)
    assert part.read_bytes() == CONTENT and len(server.ranges) == 2


def test_without_an_etag_the_size_tells_whether_it_is_the_same_file(part):
    plain = replace(WHOLE, etag="", if_range=False)
    with serving(replace(plain, cut=HALF), plain) as server:
        fetch_zip(server.url, part, retries=1)
    assert part.read_bytes() == CONTENT and server.ranges[1] == f"bytes={HALF}-"
    longer = zipped({"checkpoints/a/1.pth": noise(1_200_000)})
    with serving(replace(plain, cut=HALF), replace(plain, content=longer)) as server:
        fetch_zip(server.url, part, retries=1)
    assert part.read_bytes() == longer


@pytest.mark.parametrize("if_range", [True, False], ids=["heeds If-Range", "ignores If-Range"])
def test_a_file_that_changed_in_between_is_never_mixed(part, if_range):
    changed = Answer(OTHER, etag='"second"', if_range=if_range)
    with serving(replace(WHOLE, cut=HALF), changed) as server:
        fetch_zip(server.url, part, retries=1)
    assert part.read_bytes() == OTHER


def test_what_belongs_to_another_address_or_to_none_is_not_gone_on_with(part):
    part.write_bytes(b"PK\x03\x04 somebody else's")
    with serving(replace(WHOLE, cut=HALF)) as first:
        complaint(first.url, part)
    assert first.ranges == [""]
    with serving(Answer(OTHER)) as second:
        fetch_zip(second.url, part)
    assert second.ranges == [""] and part.read_bytes() == OTHER


@pytest.mark.parametrize("note", ['{"url": ', "[]", '{"url": 5}', '{"url": "", "size": "9"}', '{"url": "", "etag": ["a"]}'])
def test_a_note_that_is_damaged_is_not_believed(part, note):
    with serving(replace(WHOLE, cut=HALF), WHOLE) as server:
        complaint(server.url, part)
        part.with_name(part.name + ".json").write_text(note)
        fetch_zip(server.url, part)
    assert part.read_bytes() == CONTENT and server.ranges == ["", ""]


def test_errors_that_may_pass_are_waited_for(part, caplog):
    with serving(Answer(None, 500), Answer(None, 503), WHOLE) as server:
        fetch_zip(server.url, part, retries=2)
    assert part.read_bytes() == CONTENT
    warnings = [record.message for record in caplog.records if record.name == "hodor.supplies.fetch"]
    assert [re.sub(r".*(50\d).*", r"\1", warning) for warning in warnings] == ["500", "503"]


def test_errors_that_do_not_pass_end_it(part):
    with serving(Answer(None, 500)) as server:
        assert "the server answers 500" in complaint(server.url, part, retries=2)
        assert len(server.ranges) == 3
    with serving(Answer(None, 404)) as server:
        assert "404" in (said := complaint(server.url, part, retries=2)) and "--url" in said
        assert len(server.ranges) == 1
    assert not part.exists()


def test_a_server_that_always_breaks_off_at_the_same_place_is_left(part):
    with serving(replace(WHOLE, ranges=False, cut=HALF)) as server:
        complaint(server.url, part, retries=2)
    assert len(server.ranges) == 3, "a try that brought something, and two more that brought no more"


def test_nobody_answers(part):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert "no connection" in complaint(f"http://127.0.0.1:{unused.getsockname()[1]}/a.zip", part, retries=1)


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "application/zip"])
def test_a_web_page_is_no_archive(part, kind):
    page = Answer(b"<!doctype html><title>Log in</title>", kind=kind, ranges=False)
    with serving(replace(WHOLE, cut=HALF), page) as server:
        complaint(server.url, part)
        assert "instead of a zip archive" in complaint(server.url, part, retries=3)
    assert len(server.ranges) == 2 and part.read_bytes() == CONTENT[:HALF], "what came before stays"


def test_an_empty_file_is_no_archive(part):
    with serving(Answer(b"")) as server:
        assert "instead of a zip archive" in complaint(server.url, part)


def test_a_size_that_is_too_large_is_seen_through(part):
    with serving(replace(WHOLE, length=len(CONTENT) + 1000)) as server:
        fetch_zip(server.url, part, retries=1)
    assert part.read_bytes() == CONTENT, "the second answer said that there is no more"


def test_a_size_that_no_disk_has_is_refused_before_anything_is_written(part):
    with serving(replace(WHOLE, length=10**18)) as server:
        assert "the disk has" in complaint(server.url, part)
    assert not part.exists()


def test_a_size_that_is_too_small_gives_no_more_than_it(part):
    with serving(replace(WHOLE, length=HALF)) as server:
        fetch_zip(server.url, part)
    assert part.read_bytes() == CONTENT[:HALF]


def test_a_size_that_is_not_said(part):
    with serving(replace(WHOLE, length=-1)) as server:
        fetch_zip(server.url, part)
        fetch_zip(server.url, part)
    assert part.read_bytes() == CONTENT and len(server.ranges) == 1
    assert json.loads(part.with_name(part.name + ".json").read_text())["size"] == len(CONTENT)


@pytest.mark.parametrize(
    "url", ["", "archive.zip", "file:///etc/hostname", "ftp://x/y.zip", "http://", "http://a b/c", "http://[x"]
)
def test_addresses_that_are_none(part, url):
    assert complaint(url, part)
    assert not part.exists()
