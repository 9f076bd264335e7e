"""The one thread that follows objects and makes what people take away, with progress that pages may ask for."""

import contextlib
import functools
import logging
import shutil
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from hodor.app.commands import arguments_of
from hodor.app.refusals import RefusalError
from hodor.app.sessions import Session
from hodor.checkpoints.weights import DEFAULT, locate_existing
from hodor.devices import is_out_of_memory
from hodor.errors import HodorError
from hodor.files import errors_naming, folder_lock
from hodor.media.sources import SourceFrame
from hodor.program import describe_os_error
from hodor.tracking.confidences import Row, Watch
from hodor.tracking.given import take_objects
from hodor.tracking.inputs import parsed
from hodor.tracking.products import make_products
from hodor.workspace import checkpoints_folder

_MEAN_OF = 30
"""Frames whose mean time tells how fast it goes."""
_LOGGER = logging.getLogger(__name__)


class _CancelledError(BaseException):
    """Someone pressed "cancel"; passes through everything that keeps what was found."""


class Progress:
    """How far a run is. Written by the thread that runs, read by any.

    Attributes:
        number: tells runs apart.
        what: "loading", "backwards", "following", "writing"; and at the end "done", "cancelled" or "failed".
        done: how many frames are done in this part.
        total: how many there will be, as far as anybody knows.
        error: one line, if it failed or the video broke off.
        forms: what was made to be taken away.
        rows: how sure the network was in the frames that this run followed so far.
    """

    def __init__(self, number: int, total: int) -> None:
        self.number = number
        self.what = "loading"
        self.done = 0
        self.total = total
        self.error = ""
        self.forms: list[str] = []
        self.rows: list[Row] = []
        self._times: deque[float] = deque(maxlen=_MEAN_OF)

    @property
    def is_over(self) -> bool:
        return self.what in {"done", "cancelled", "failed"}

    @property
    def frames_per_second(self) -> float:
        """Of late; 0 where nobody knows yet."""
        times = list(self._times)
        return (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 and times[-1] > times[0] else 0.0

    def begin(self, what: str) -> None:
        """Begins another part."""
        self.what, self.done = what, 0
        self._times.clear()

    def frame(self, done: int) -> None:
        """Counts a frame."""
        self.done = done
        self._times.append(time.monotonic())

    def as_json(self, after: int = 0) -> dict[str, Any]:
        """For a page that knows the first `after` rows already."""
        rate = self.frames_per_second
        rows = self.rows[after:]
        return {
            "number": self.number, "what": self.what, "over": self.is_over, "done": self.done, "total": self.total,
            "error": self.error, "forms": self.forms, "fps": round(rate, 3),
            "left": round(max(self.total - self.done, 0) / rate, 1) if rate else None,
            "rows": [[row.frame, row.object_id, row.confidence] for row in rows], "seen": after + len(rows),
        }  # fmt: skip


class Runner:
    """Runs one thing at a time, in a thread of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._cancel = threading.Event()
        self._running: Session | None = None
        self._progress: dict[Session, Progress] = {}
        self._number = 0

    def progress(self, session: Session) -> Progress | None:
        """Of the session's last run; None where there was none since the server began."""
        return self._progress.get(session)

    def is_running(self, session: Session) -> bool:
        """Whether a run of this session is under way."""
        return self._running is session

    def follow(self, session: Session) -> None:
        """Begins to follow what is painted, from the first frame in which it has changed.

        Raises:
            RefusalError: nothing is painted, or something is running.
        """
        if not session.painted_frames() and not session.record.options.get("objects"):
            raise RefusalError(422, "nothing says what to follow; paint an object in some frame first")
        self._start(session, _follow)

    def make(self, session: Session, forms: Sequence[str]) -> None:
        """Begins to make what is taken away; `forms` are those of `hodor track --format`.

        Raises:
            RefusalError: nothing was found yet, or something is running.
        """
        if not session.tracking.forwards.rows():
            raise RefusalError(422, "nothing was followed yet; run first")
        self._start(session, functools.partial(_make, forms=forms))

    def cancel(self, session: Session) -> None:
        """Stops the session's run, if there is one, after the frame it is at. What was found is kept."""
        if self.is_running(session):
            self._cancel.set()

    def stop(self) -> None:
        """Stops whatever is running, and waits until what was found is kept."""
        self._cancel.set()
        if self._thread is not None:
            self._thread.join()

    def _start(self, session: Session, job: Callable[[Session, Progress, Callable[[], None]], None]) -> None:
        with self._lock:
            self._refuse_second()
            self._number += 1
            progress = Progress(self._number, session.record.frames)
            self._progress[session] = progress
            self._running = session
            session.is_busy = True
            self._cancel.clear()
            self._thread = threading.Thread(target=self._work, args=(session, progress, job), name="following", daemon=True)
            self._thread.start()

    @contextlib.contextmanager
    def alone(self, session: Session) -> Iterator[None]:
        """A context in which something else works on a session, and no run may begin.

        Raises:
            RefusalError: something is running.
        """
        with self._lock:
            self._refuse_second()
            self._running = session
            session.is_busy = True
        try:
            yield
        finally:
            self._running = None
            session.is_busy = False

    def _refuse_second(self) -> None:
        if self._running is not None:
            title = self._running.record.title
            raise RefusalError(409, f"{title} is being worked on; wait for it, or cancel it there")

    def _work(self, session: Session, progress: Progress, job: Callable[[Session, Progress, Callable[[], None]], None]) -> None:
        ending = "failed"
        try:
            job(session, progress, self._check_cancelled)
            ending = "done"
        except _CancelledError:
            ending = "cancelled"
        except Exception as error:
            progress.error = told_of(error, session)
        finally:
            self._running = None
            session.is_busy = False
            progress.what = ending

    def _check_cancelled(self) -> None:
        if self._cancel.is_set():
            raise _CancelledError


def told_of(error: Exception, session: Session) -> str:
    """What went wrong, in one line for a page; what nobody foresaw stands in the terminal, too."""
    if isinstance(error, HodorError):
        return str(error)
    if isinstance(error, OSError):
        return describe_os_error(error)
    if is_out_of_memory(error):
        return "out of memory; take a smaller size in the settings"
    _LOGGER.error("%s", session.folder, exc_info=error)
    return f"failed inside ({type(error).__name__}); the terminal says more"


def stage(session: Session, folder: Path) -> None:
    """Copies what is painted into an empty folder, as `begin` takes it."""
    shutil.copytree(session.painted_folder, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".*"))


def _follow(session: Session, progress: Progress, check_cancelled: Callable[[], None]) -> None:
    """As `hodor track` does with what is painted."""
    from hodor.tracking.beginning import begin  # noqa: PLC0415 (loads torch, for which no page needs to wait)

    basis = dict(session.basis())
    options = parsed(arguments_of(session, session.record.settings))
    weights = locate_existing(options.checkpoint or DEFAULT, checkpoints_folder())
    source = session.open()
    names = session.record.names
    objects = take_objects(options.objects, ())
    with folder_lock(session.folder), errors_naming(session.folder):
        with tempfile.TemporaryDirectory() as staged:
            stage(session, Path(staged))
            given = Path(staged)
            follower = begin(
                options, source, session.tracking, weights=weights, watch=Watch(names), objects=objects, given=given,
                overwrite_other=True,
            )  # fmt: skip
        session.change(followed_with=basis, told=session.tracking.told())

        def on_frame(frame: SourceFrame) -> None:
            progress.rows.extend(follower.latest)
            progress.frame((frame.index - source.selection.start) // source.selection.stride + 1)
            check_cancelled()

        check_cancelled()
        if options.backwards and not session.tracking.backwards.is_finished:
            progress.begin("backwards")
            progress.total = max(session.tracking.starts().values(), default=-1) + 1
            follower.backwards(_counting(progress, check_cancelled))
        progress.begin("following")
        progress.total = session.record.frames
        broken = None if session.tracking.forwards.is_finished else follower.forwards(on_frame)
        progress.error = "" if broken is None else str(broken)
        _correct_length(session, source.expected_frames() if broken is None else session.tracking.forwards.count)
        make_products((), source, session.tracking, names, _counting(progress, check_cancelled))


def _looks(session: Session) -> dict[str, Any]:
    """How a terminal asked for the video to be drawn, where it did."""
    return {name: value for name, value in session.record.options.items() if name in {"opacity", "outline"}}


def _make(session: Session, progress: Progress, check_cancelled: Callable[[], None], *, forms: Sequence[str]) -> None:
    source = session.open()
    progress.begin("writing")
    with folder_lock(session.folder), errors_naming(session.folder):
        counting = _counting(progress, check_cancelled)
        make_products(forms, source, session.tracking, session.record.names, counting, looks=_looks(session))
    progress.forms = list(forms)


def _counting(progress: Progress, check_cancelled: Callable[[], None]) -> Callable[[SourceFrame], None]:
    def on_frame(frame: SourceFrame) -> None:
        progress.frame(progress.done + 1)
        check_cancelled()

    return on_frame


def _correct_length(session: Session, frames: int | None) -> None:
    """Now that the video was read, the number of its frames is known; containers may err, and files be cut off."""
    if frames is not None and frames != session.record.frames:
        session.change(frames=frames)
