"""One large file by HTTP: goes on where it broke off, tries again where that may help, and takes no web page for an archive."""

import http.client
import json
import logging
import re
import ssl
import time
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass
from pathlib import Path

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


@dataclass
class _Note:
    """What a server said of the file that a part belongs to; "" and None where it said nothing."""

    url: str
    etag: str = ""
    modified: str = ""
    size: int | None = None

    def contradicts(self, other: "_Note") -> bool:
        """Whether the two can't be of the same file."""
        pairs = zip(asdict(self).values(), asdict(other).values(), strict=True)
        return any(mine != others for mine, others in pairs if mine and others)

    @property
    def validator(self) -> str:
        """What `If-Range` takes: a strong ETag, else the date."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.modified


class _Part:
    """The bytes that came so far, in a file, and beside it the note of what they belong to."""

    def __init__(self, path: Path, url: str) -> None:
        self.path = path
        self._note_path = path.with_name(path.name + ".json")
        self.note = self._read_note(url)
        if self.size and (self.note.url != url or (self.note.size is not None and self.size > self.note.size)):
            self.discard(url)

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.is_file() else 0

    @property
    def is_whole(self) -> bool:
        return self.note.size is not None and self.size == self.note.size

    def begin(self, note: _Note) -> None:
        """Forgets what came, and keeps a new note."""
        self.path.unlink(missing_ok=True)
        self.note = note
        self._write_note()

    def end(self) -> None:
        """All came of a file whose size the server did not say, or not rightly."""
        self.note.size = self.size
        self._write_note()

    def discard(self, url: str) -> None:
        """Forgets everything; what comes next is from this address."""
        self.path.unlink(missing_ok=True)
        self._note_path.unlink(missing_ok=True)
        self.note = _Note(url)

    def _write_note(self) -> None:
        with written_aside(self._note_path) as aside:
            aside.write_text(json.dumps(asdict(self.note)))

    def _read_note(self, url: str) -> _Note:
        try:
            note = _Note(**json.loads(self._note_path.read_text()))
            is_text = all(isinstance(text, str) for text in (note.url, note.etag, note.modified))
            return note if is_text and isinstance(note.size, int | None) else _Note("")
        except FileNotFoundError:
            return _Note("" if self.size else url)
        except (ValueError, TypeError):
            return _Note("")


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
    part = _Part(path, url)
    furthest, failures = part.size, 0
    while not part.is_whole:
        try:
            _receive(url, part)
        except (_BrokenOffError, http.client.HTTPException, urllib.error.URLError, ConnectionError, TimeoutError) as error:
            reason = _reason_to_wait(url, error)
            failures = 1 if part.size > furthest else failures + 1
            furthest = max(furthest, part.size)
            if failures > retries:
                kept = f"; {megabytes(part.size)} came and are kept: the same command goes on" if part.size else ""
                raise HodorError(f"{url}: {reason}{kept}") from None
            wait = min(_FIRST_WAIT * 2 ** (failures - 1), _LONGEST_WAIT)
            _log.warning("%s; trying again in %g s", reason, wait)
            time.sleep(wait)


def discard(path: Path) -> None:
    """Removes what `fetch_zip` wrote."""
    _Part(path, "").discard("")


def _receive(url: str, part: _Part) -> None:
    """Asks once for what is missing, and takes what comes."""
    headers = {"User-Agent": f"hodor/{hodor.__version__}"}
    if part.size and part.note.validator:
        headers |= {"Range": f"bytes={part.size}-", "If-Range": part.note.validator}
    elif part.size and part.note.size is not None:  # the size alone must tell whether it is the same file
        headers["Range"] = f"bytes={part.size}-"
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != _RANGE_REFUSED or not part.size:
            raise
        if error.headers.get("Content-Range", "").strip() == f"bytes */{part.size}":  # then it said another size before
            part.end()
        else:
            part.discard(url)
        return
    except (http.client.InvalidURL, ValueError) as error:
        raise HodorError(f"--url: {url!r} is no address of a file ({error})") from None
    with response:
        if response.headers.get_content_type() in ("text/html", "application/xhtml+xml"):
            raise _no_zip(url, "a web page (to log in, or of an error)")
        start, size = _place(response)
        note = _Note(url, response.headers.get("ETag", ""), response.headers.get("Last-Modified", ""), size)
        if response.status == _PARTIAL and (start != part.size or size is None or part.note.contradicts(note)):
            if not part.size:
                raise HodorError(f"{url}: the server sends another piece of the file than was asked for; try again later")
            _log.warning("the file on the server is another one now; starting again")
            part.discard(url)
            return
        _take(response, part, note, start)


def _take(response: http.client.HTTPResponse, part: _Part, note: _Note, start: int) -> None:
    """Writes what a response brings behind what is there, or instead of it where it begins with the file's first byte."""
    first = b"" if start else _read(response, len(_ZIP))
    if not _ZIP.startswith(first) or note.size == 0:
        raise _no_zip(note.url, "something else")
    if not start:
        if part.size:
            _log.warning("the server can't go on where it broke off, or has another file now; starting again")
        require_space(part.path.parent, note.size or 0, part.size)
        part.begin(note)
    else:
        require_space(part.path.parent, (note.size or 0) - start)
    done = start
    with (
        errors_naming(part.path),
        part.path.open("ab") as file,
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
        part.end()
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
