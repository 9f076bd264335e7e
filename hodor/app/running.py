"""The one thread that follows objects and makes what people take away."""

import contextlib
import logging
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from hodor.app.commands import options_of
from hodor.app.progress import CancelledError, Progress
from hodor.app.records import Settings
from hodor.app.refusals import RefusalError, one_line_of
from hodor.app.sessions import Session
from hodor.devices import is_out_of_memory
from hodor.errors import HodorError
from hodor.files import errors_naming, folder_lock
from hodor.media.sources import FrameSource, SourceFrame
from hodor.tracking.confidences import Watch, draw_confidences
from hodor.tracking.given import take_objects
from hodor.tracking.products import make_products

if TYPE_CHECKING:
    from hodor.tracking.follow import Follower

_LOGGER = logging.getLogger(__name__)


class Runner:
    """Works on one session at a time; runs do so in a thread of their own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._working_on: Session | None = None
        self._thread: threading.Thread | None = None
        self._count = 0

    def is_working_on(self, session: Session) -> bool:
        """Whether something works on this session just now."""
        return self._working_on is session

    @contextlib.contextmanager
    def alone(self, session: Session) -> Iterator[None]:
        """A context in which one thing works on a session, and nothing else may begin to work on any: a RefusalError."""
        with self._lock:
            if self._working_on is not None:
                title = self._working_on.record.title
                raise RefusalError(409, f"{title} is being worked on; wait for it, or cancel it there")
            self._working_on = session
        try:
            yield
        finally:
            self._working_on = None

    def follow(self, session: Session) -> None:
        """Begins to follow what is painted, from the first frame in which it has changed; a RefusalError if that is nothing."""
        if not session.painted_files() and not session.record.options.get("objects"):
            raise RefusalError(422, "nothing says what to follow; paint an object in some frame first")
        self._begin(session, lambda progress: _follow(session, progress))

    def make(self, session: Session, form: str) -> None:
        """Begins to make what is taken away, one of the forms of `hodor track`; a RefusalError if nothing was found yet."""
        if not session.tracking.forwards.rows():
            raise RefusalError(422, "nothing was followed yet; run first")
        self._begin(session, lambda progress: _make(session, progress, form))

    def stop(self) -> None:
        """Stops whatever is running, and waits until what was found is kept."""
        session = self._working_on
        if session is not None:
            session.cancel()
        if self._thread is not None:
            self._thread.join()

    def _begin(self, session: Session, job: Callable[[Progress], None]) -> None:
        with contextlib.ExitStack() as working:
            working.enter_context(self.alone(session))
            self._count += 1
            session.progress = progress = Progress(self._count, session.record.frames)
            arguments = session, progress, job, working.pop_all()
            self._thread = threading.Thread(target=_work, args=arguments, name="following", daemon=True)
            self._thread.start()


def _work(session: Session, progress: Progress, job: Callable[[Progress], None], working: contextlib.ExitStack) -> None:
    ending = "failed"
    try:
        with working:
            job(progress)
        ending = "done"
    except CancelledError:
        ending = "cancelled"
    except Exception as error:
        progress.error = told_of(error, session)
    finally:
        progress.what = ending  # whoever reads it finds the error there, and may begin something else


def told_of(error: Exception, session: Session) -> str:
    """What went wrong, in one line for a page; what nobody foresaw stands in the terminal, too."""
    if isinstance(error, HodorError | OSError):
        return one_line_of(error)
    if is_out_of_memory(error):
        return "out of memory; take a smaller size in the settings"
    _LOGGER.error("%s", session.folder, exc_info=error)
    return f"failed inside ({type(error).__name__}); the terminal says more"


@contextlib.contextmanager
def begun(
    session: Session, settings: Settings, given: Mapping[int, bytes], *, overwrite_other: bool
) -> "Iterator[tuple[FrameSource, Follower]]":
    """A run as `hodor track` begins it or takes it up again, in whose context no other process writes to the session's folder.

    `given` is {index of a frame: PNG of the masks given in it}; with `overwrite_other` a run with other settings is removed.

    Raises:
        HodorError: the weights or the video are broken or gone, another process writes to the folder, or there is another run.
    """
    from hodor.tracking.beginning import begin  # noqa: PLC0415 (loads torch, for which no page needs to wait)

    options, weights, source = options_of(session, settings), settings.weights(), session.open()
    objects = take_objects(options.objects, ())
    with folder_lock(session.folder), errors_naming(session.folder):
        with tempfile.TemporaryDirectory() as staged:
            for index, content in given.items():
                (Path(staged) / f"{index}.png").write_bytes(content)
            follower = begin(
                options, source, session.tracking, weights=weights, watch=Watch(session.record.names), objects=objects,
                given=Path(staged), overwrite_other=overwrite_other,
            )  # fmt: skip
        yield source, follower


def _follow(session: Session, progress: Progress) -> None:
    """As `hodor track` does with what is painted."""
    settings, names, tracking = session.record.settings, session.record.names, session.tracking
    basis = session.basis(settings)
    with begun(session, settings, session.painted_files(), overwrite_other=True) as (source, follower):
        session.change(followed_with=basis, told=tracking.told())

        def on_frame(frame: SourceFrame) -> None:
            progress.rows.extend(follower.latest)
            progress.reach((frame.index - source.selection.start) // source.selection.stride + 1)

        if settings.backwards and not tracking.backwards.is_finished:
            progress.begin("backwards", max(tracking.starts().values(), default=-1) + 1)
            follower.backwards(progress.next_frame)
        progress.begin("following", session.record.frames)
        broken = None if tracking.forwards.is_finished else follower.forwards(on_frame)
        progress.error = "" if broken is None else str(broken)
        if tracking.forwards.count not in {0, session.record.frames}:  # containers may err, and files be cut off
            session.change(frames=tracking.forwards.count)
        draw_confidences(session.folder / "confidences.svg", tracking.forwards.rows(), names)


def _make(session: Session, progress: Progress, form: str) -> None:
    source, record = session.open(), session.record
    looks = {name: value for name, value in record.options.items() if name in {"opacity", "outline"}}
    progress.begin("writing", record.frames)
    with folder_lock(session.folder), errors_naming(session.folder):
        make_products([form], source, session.tracking, record.names, progress.next_frame, looks=looks)
    progress.forms = [form]
