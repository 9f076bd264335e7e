"""All sessions of a folder: listed, begun by an upload or from a path, taken up again, removed."""

import asyncio
import contextlib
import os
import re
import secrets
import shutil
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from hodor.app.adopting import is_session, opened_session
from hodor.app.records import RECORD, Record, Settings, new_record, write_record
from hodor.app.refusals import RefusalError, errors_calling
from hodor.app.running import Runner
from hodor.app.sessions import Session
from hodor.errors import HodorError
from hodor.files import folder_written_aside, remove_folder
from hodor.media.camera_source import CAMERA
from hodor.media.sources import Selection, open_source
from hodor.tracking.folder import INPUTS, PAGE, TrackingFolder

_SPARED = 2**28  # bytes that an upload leaves free on the disk, for masks and for whatever else the machine does
_VIDEOS_OPEN = 3
_PLAIN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")


class SessionStore:
    """The sessions in a folder, and what works on them. May be used by several threads."""

    def __init__(self, root: Path, settings: Settings) -> None:
        """`settings` are those of sessions that begin; other processes are kept out of `root` by its `folder_lock`."""
        self.root = root
        self.settings = settings
        self.runner = Runner()
        self._known: dict[str, Session] = {}  # those that were asked for last come last
        self._lock = threading.Lock()

    def room(self) -> int:
        """How many bytes an uploaded video may have now."""
        return max(shutil.disk_usage(self.root).free - _SPARED, 0)

    def names(self) -> list[str]:
        """The sessions' folders, the newest first."""
        written: dict[str, float] = {}
        for pattern in (f"*/{PAGE}/{RECORD}", f"*/{INPUTS}"):
            for path in self.root.glob(pattern):
                name = path.relative_to(self.root).parts[0]
                if _PLAIN.fullmatch(name):
                    written[name] = max(written.get(name, 0), path.stat().st_mtime)
        return sorted(written, key=lambda name: -written[name])

    def get(self, name: str) -> Session:
        """A session by the name of its folder; a RefusalError if there is none, any other HodorError if it is broken."""
        if not _PLAIN.fullmatch(name) or not is_session(self.root / name):  # no name leads out of the folder
            raise RefusalError(404, "there is no such session; it may have been removed")
        with self._lock:
            session = self._known.pop(name, None) or opened_session(self.root / name)
            self._known[name] = session
            for other in list(self._known.values())[:-_VIDEOS_OPEN]:
                other.close_video()
            return session

    def of_path(self, path: Path) -> str:
        """The session of a video, folder of images, or folder of `hodor track` on this machine; a new one where there is none.

        Nothing of it is copied. A folder of `hodor track` that lies elsewhere is linked.

        Raises:
            HodorError: it is nothing of these, or its path is no text.
        """
        if str(path).startswith(CAMERA):
            raise HodorError(
                f"{path}: the page has its own button for the browser's camera; or follow it by hodor track {path}"
            )
        if is_session(path):
            return self._of_folder(path)
        if TrackingFolder(path).is_begun:
            raise HodorError(f"{path}: an earlier version of hodor track began it; run its command once more, then open it")
        source = str(path.absolute())
        if not source.isascii() and os.fsencode(source) != source.encode(errors="replace"):
            raise HodorError(f"{path}: the name is no text in UTF-8, which a session can't keep; rename the file")
        for name in self.names():
            with contextlib.suppress(HodorError, OSError):  # a session that is broken is none of this video
                if self.get(name).record.source == source:
                    return name
        name = _new_name(path.stem)
        record = self._record(path.name, source, path)
        with folder_written_aside(self.root / name) as aside:
            write_record(aside, record)
        return name

    async def of_upload(self, title: str, size: int, content: AsyncIterator[bytes]) -> str:
        """The session of a video that is sent, whose file is called `title` and has `size` bytes.

        Raises:
            HodorError: it is no video, breaks off, or there is no room for it. Nothing is left of it.
        """
        if size > (room := self.room()):
            raise RefusalError(
                507,
                f"{title}: has {size / 1e9:.1f} GB, and there is room for {room / 1e9:.1f} GB in {self.root}; "
                "free some space, or name the file on the command line, hodor app FILE, which makes no copy",
            )
        suffix = Path(title).suffix.lower()
        suffix = suffix if re.fullmatch(r"\.[a-z0-9]{1,8}", suffix) else ".video"
        name, file = _new_name(Path(title).stem), f"{PAGE}/video{suffix}"
        with folder_written_aside(self.root / name) as aside:
            path = aside / file
            path.parent.mkdir()
            arrived = 0
            with path.open("wb") as output:
                async for block in content:
                    arrived += len(block)
                    output.write(block)
            if arrived != size:
                raise RefusalError(422, f"{title}: broke off on its way; send it again")
            with errors_calling(path, title):
                record = await asyncio.to_thread(self._record, title, file, path)
            write_record(aside, record)
        return name

    def of_camera(self, picture: bytes) -> str:
        """The session of a camera that begins with a picture, a JPEG; a HodorError if it is none."""
        name, frames = _new_name("camera"), f"{PAGE}/frames"
        with folder_written_aside(self.root / name) as aside:
            path = aside / frames / "00000.jpg"
            path.parent.mkdir(parents=True)
            path.write_bytes(picture)
            with errors_calling(path, "the camera's picture"):
                record = self._record(time.strftime("Camera, %Y-%m-%d %H:%M"), frames, path.parent, camera=True)
            write_record(aside, record)
        return name

    def remove(self, name: str) -> None:
        """Removes a session with everything in its folder, at once; a video that was not uploaded and a linked folder stay."""
        session = self.get(name)
        if self.runner.is_working_on(session):
            raise RefusalError(409, "it is being worked on; cancel that first")
        with self._lock, session.lock:
            self._known.pop(name, None)
            session.close_video()
            session.folder.unlink() if session.folder.is_symlink() else remove_folder(session.folder)

    def _of_folder(self, path: Path) -> str:
        folder = path.resolve()
        for name in self.names():
            if (self.root / name).resolve() == folder:
                return name
        name = _new_name(folder.name)
        opened_session(folder)
        try:
            (self.root / name).symlink_to(folder, target_is_directory=True)
        except OSError as error:
            raise HodorError(f"{path}: no link to it can be made ({error.strerror}); move it into {self.root}") from None
        return name

    def _record(self, title: str, source: str, path: Path, **more: Any) -> Record:
        return new_record(title, source, open_source(str(path), Selection()), self.settings, **more)


def _new_name(stem: str) -> str:
    """A folder's name of plain letters that nothing has yet."""
    return f"{re.sub(r'[^a-z0-9]+', '-', stem.lower()).strip('-')[:40] or 'video'}-{secrets.token_hex(3)}"
