"""The program `hodor track`: from a video and the masks of some objects to their masks in all frames, in one command."""

import contextlib
import logging
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from hodor.checkpoints.weights import DEFAULT, locate_existing
from hodor.errors import HodorError
from hodor.files import errors_naming, folder_lock
from hodor.media.sources import FrameSource, SourceFrame
from hodor.program import complain
from hodor.tracking.confidences import Watch
from hodor.tracking.folder import TrackingFolder
from hodor.tracking.given import take_given, take_objects
from hodor.tracking.inputs import source_of
from hodor.tracking.live import RecordedCamera
from hodor.tracking.options import names_of_objects, output_folder, parser
from hodor.tracking.products import make_products
from hodor.workspace import checkpoints_folder

if TYPE_CHECKING:
    from hodor.tracking.follow import Follower

_LOGGER = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the program; see `--help`. Returns the exit code: 1 if the source breaks off."""
    options = parser().parse_args(arguments)
    names = names_of_objects(options.names)
    path = output_folder(options)
    weights = locate_existing(options.checkpoint or DEFAULT, checkpoints_folder())
    source = source_of(options.source, vars(options))
    tqdm.get_lock()  # made here, since a Ctrl-C while it is made within a line of the log would be lost
    with folder_lock(path), errors_naming(path), logging_redirect_tqdm(), tempfile.TemporaryDirectory() as staged:
        if source.is_live:
            if TrackingFolder(path).is_begun and not options.overwrite:
                raise HodorError(f"{path}: holds a recording already; choose another --out, or add --overwrite")
            if options.backwards:
                raise HodorError("--backwards: a camera can't be followed backwards; record it, then follow camera.mp4")
            source = RecordedCamera(source, path / "camera.mp4")
        ids = take_given(options, source, Path(staged))
        objects = take_objects(options.objects, ids)
        if unknown := names.keys() - ids - objects.keys():
            there = ", ".join(map(str, sorted({*ids, *objects})))
            raise HodorError(f"--names {min(unknown)}={names[min(unknown)]}: there is no such object; there are {there}")
        names = {object_id: described.name for object_id, described in objects.items()} | names
        folder = TrackingFolder(path)
        from hodor.tracking.beginning import begin  # noqa: PLC0415 (torch takes seconds to import)

        follower = begin(options, source, folder, weights=weights, watch=Watch(names), objects=objects, given=Path(staged))
        broken = _follow(follower, source, folder, backwards=options.backwards)
        with _progress(source, "writing") as on_frame:
            looks = {"opacity": options.opacity, "outline": options.outline}
            make_products(options.format, source, folder, names, on_frame, looks=looks)
    print(f"masks and {', '.join(options.format) or 'tables'}: {path}")
    return 0 if broken is None else complain(str(broken))


def _follow(follower: "Follower", source: FrameSource, folder: TrackingFolder, *, backwards: bool) -> HodorError | None:
    """Follows what is given. Returns what made the source break off, if anything did."""
    if folder.forwards.is_finished:
        _LOGGER.info("%s: every frame is there already", folder.folder)
        return None
    try:
        if backwards and not folder.backwards.is_finished:
            with _progress(source, "backwards", folder.backwards.count) as on_frame:
                follower.backwards(on_frame)
        ending = source.stopped_by_interrupt() if isinstance(source, RecordedCamera) else contextlib.nullcontext()
        with ending, _progress(source, "following", folder.forwards.count) as on_frame:
            return follower.forwards(on_frame)
    except BaseException:
        if isinstance(source, RecordedCamera):
            _LOGGER.info("%s: what the camera showed is in camera.mp4, and what was found in masks/", folder.folder)
        else:
            _LOGGER.info("%s: keeps what was found so far; the same command goes on from there", folder.folder)
        raise


@contextlib.contextmanager
def _progress(source: FrameSource, what: str, done: int = 0) -> Iterator[Callable[[SourceFrame], object]]:
    """Shows how far it is and how long it will take, `done` frames being done; gives what is to be called after each frame."""
    interval = 0.2 if sys.stderr.isatty() else 10.0
    total = source.expected_frames()
    with tqdm(total=total, initial=done, desc=what, unit="frame", smoothing=0.05, mininterval=interval) as bar:
        yield lambda frame: bar.update()
