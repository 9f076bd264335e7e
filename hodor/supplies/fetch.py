"""One large file by HTTP: goes on where it broke off, tries again where that may help, and takes no web page for an archive."""

import http.client
import logging
import re
import ssl
import time
import urllib.error
import urllib.request
from pathlib import Path

from pydantic import BaseModel
from tqdm import tqdm

import hodor
from hodor.errors import HodorError
from hodor.files import errors_naming, written_aside
from hodor.supplies.space import megabytes, require_space

RETRIES = 5
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 60.0  # seconds; each wait is twice the one before
_TIMEOUT = 60.0  # seconds without a single byte
_BLOCK = 1 << 18
_ZIP = b"PK\x03\x04"
_MAY_PASS = (408, 425, 429)  # besides 500 and above: answers that may be others in a moment
_PARTIAL, _RANGE_REFUSED = 206, 416
_log = logging.getLogger(__name__)


class _BrokenOffError(Exception):
    """The connection ended before the file did."""


class _Note(BaseModel, strict=True):
    """What a server said of the file that a part belongs to; "" and None where it said nothing. It lies beside the part."""

    url: str
    etag: str = ""
    modified: str = ""
    size: int | None = None


def fetch_zip(url: str, path: Path, retries: int = RETRIES) -> None:
    """Downloads a zip archive to `path`, going on with what is there of it. What came stays there, whatever happens.

    Answers that may pass (5xx, a broken connection) are waited for, 1, 2, 4, ... seconds, `retries` times without any progress.

    Args:
        url: http or https.
        path: where to; `<path>.json` beside it keeps what the server said of the file.
        retries: how often to try again.

    Raises:
        HodorError: the address is none, the server has no such file, sends a web page, or breaks off again and again; or the
            disk has too little space.
    """
    if not re.match(r"https?://[^/]", url, re.IGNORECASE):
        raise HodorError(f"--url: {url!r} is no address of a file; it begins with https:// (or http://)")
    note = _known(path, url)
    furthest, failures = _size(path), 0
    while note.size is None or _size(path) != note.size:
        try:
            _receive(url, path, note)
        except (_BrokenOffError, http.client.HTTPException, urllib.error.URLError, ConnectionError, TimeoutError) as error:
            reason = _reason_to_wait(url, error)
            size = _size(path)
            failures = 1 if size > furthest else failures + 1
            furthest = max(furthest, size)
            if failures > retries:
                kept = f"; {megabytes(size)} came and are kept: the same command goes on" if size else ""
                raise HodorError(f"{url}: {reason}{kept}") from None
            wait = min(_FIRST_WAIT * 2 ** (failures - 1), _LONGEST_WAIT)
            _log.warning("%s; trying again in %g s", reason, wait)
            time.sleep(wait)
        note = _known(path, url)


def discard(path: Path) -> None:
    """Removes what `fetch_zip` wrote."""
    path.unlink(missing_ok=True)
    _beside(path).unlink(missing_ok=True)


def _beside(path: Path) -> Path:
    return path.with_name(path.name + ".json")


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _known(path: Path, url: str) -> _Note:
    """The note beside a part. A part that it doesn't belong to, or that is of another address, is removed."""
    try:
        note = _Note.model_validate_json(_beside(path).read_bytes())
        if note.url == url and (note.size is None or _size(path) <= note.size):
            return note
    except (FileNotFoundError, ValueError):
        pass
    discard(path)
    return _Note(url=url)


def _keep(path: Path, note: _Note) -> None:
    with written_aside(_beside(path)) as aside:
        aside.write_text(note.model_dump_json())


def _receive(url: str, path: Path, note: _Note) -> None:
    """Asks once for what is missing, and takes what comes."""
    headers, done = {"User-Agent": f"hodor/{hodor.__version__}"}, _size(path)
    unchanged = note.modified if note.etag.startswith("W/") else note.etag or note.modified
    if done and (unchanged or note.size is not None):
        headers["Range"] = f"bytes={done}-"
    if done and unchanged:  # else the size alone must tell whether it is the same file
        headers["If-Range"] = unchanged
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != _RANGE_REFUSED or not done:
            raise
        if error.headers.get("Content-Range", "").strip() == f"bytes */{done}":  # then it said another size before
            _keep(path, note.model_copy(update={"size": done}))
        else:
            discard(path)
        return
    except (http.client.InvalidURL, ValueError) as error:
        raise HodorError(f"--url: {url!r} is no address of a file ({error})") from None
    with response:
        if response.headers.get_content_type() in ("text/html", "application/xhtml+xml"):
            raise _no_zip(url, "a web page (to log in, or of an error)")
        start, size = _place(response)
        etag, modified = (response.headers.get(name, "") for name in ("ETag", "Last-Modified"))
        said = _Note(url=url, etag=etag, modified=modified, size=size)
        changed = any(before and now and before != now for (_, before), (_, now) in zip(note, said, strict=True))
        if response.status == _PARTIAL and (start != done or size is None or changed):
            if not done:
                raise HodorError(f"{url}: the server sends another piece of the file than was asked for; try again later")
            _log.warning("the file on the server is another one now; starting again")
            discard(path)
            return
        _take(response, path, said, start)


def _take(response: http.client.HTTPResponse, path: Path, note: _Note, start: int) -> None:
    """Writes what a response brings behind what is there, or instead of it where it begins with the file's first byte."""
    first = b"" if start else _read(response, len(_ZIP))
    if not _ZIP.startswith(first) or note.size == 0:
        raise _no_zip(note.url, "something else")
    replaced = 0 if start else _size(path)
    if replaced:
        _log.warning("the server can't go on where it broke off, or has another file now; starting again")
    require_space(path.parent, (note.size or 0) - start, replaced)
    if not start:
        path.unlink(missing_ok=True)
        _keep(path, note)
    done = start
    with (
        errors_naming(path),
        path.open("ab") as file,
        tqdm(total=note.size, initial=start, unit="B", unit_scale=True, desc="downloading", disable=None) as bar,
    ):
        block = first or _read(response, _BLOCK)
        while block:
            block = block if note.size is None else block[: note.size - done]
            file.write(block)
            done += len(block)
            bar.update(len(block))
            block = _read(response, _BLOCK)
    if note.size is None:
        _keep(path, note.model_copy(update={"size": done}))
    elif done < note.size:
        raise _BrokenOffError(f"the connection broke off at {megabytes(done)} of {megabytes(note.size)}")


def _read(response: http.client.HTTPResponse, count: int) -> bytes:
    """The next bytes of a response, b"" at its end. Whatever the connection dies of is a _BrokenOffError."""
    try:
        return response.read(count)
    except (OSError, http.client.HTTPException) as error:
        raise _BrokenOffError(f"the connection broke off ({error or type(error).__name__})") from None


def _place(response: http.client.HTTPResponse) -> tuple[int, int | None]:
    """Where in the file a response begins, and the size of the whole file; None where the server doesn't say it."""
    if response.status == _PARTIAL:
        match = re.fullmatch(
            r"bytes ([0-9]{1,99})-[0-9]{1,99}/([0-9]{1,99})", response.headers.get("Content-Range", "").strip()
        )
        return (int(match[1]), int(match[2])) if match else (-1, None)
    length = response.headers.get("Content-Length", "")
    return 0, int(length) if re.fullmatch("[0-9]{1,99}", length) else None


def _reason_to_wait(url: str, error: Exception) -> str:
    """What to say of a failure that may pass.

    Raises:
        HodorError: it won't.
    """
    if isinstance(error, urllib.error.HTTPError):
        answer = f"the server answers {error.code} {error.reason}"
        if error.code < 500 and error.code not in _MAY_PASS:
            raise HodorError(f"{url}: {answer}; look whether the address is right, or give another with --url")
        return answer
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, ssl.SSLCertVerificationError):
        raise HodorError(f"{url}: the server's certificate is not to be trusted ({reason.verify_message})")
    return str(reason) if isinstance(error, _BrokenOffError) else f"no connection ({reason or type(reason).__name__})"


def _no_zip(url: str, what: str) -> HodorError:
    advice = "open it in a browser, and give what that downloads with --archive FILE"
    return HodorError(f"{url}: the server sends {what} instead of a zip archive; {advice}")
