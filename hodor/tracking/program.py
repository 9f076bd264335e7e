"""The program `hodor track`: from a video and the masks of some objects to their masks in all frames, in one command."""

import argparse
import contextlib
import dataclasses
import hashlib
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from hodor.checkpoints.weights import DEFAULT, locate_existing
from hodor.devices import keep_freed_memory
from hodor.errors import HodorError
from hodor.files import errors_naming, folder_lock
from hodor.formats.object_files import DescribedObject
from hodor.media.sources import FrameSource, Selection, SourceFrame, open_source
from hodor.program import complain
from hodor.tracking.confidences import Watch
from hodor.tracking.folder import TrackingFolder
from hodor.tracking.given import take_given, take_objects
from hodor.tracking.live import RecordedCamera
from hodor.tracking.options import names_of_objects, output_folder, parser
from hodor.tracking.products import make_products
from hodor.workspace import checkpoints_folder

if TYPE_CHECKING:
    from hodor.tracking.follow import Follower

_VERSION = 1
_LOGGER = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the program; see `--help`. Returns the exit code: 1 if the source breaks off."""
    options = parser().parse_args(arguments)
    names = names_of_objects(options.names)
    selection = Selection(options.start, options.end, options.stride, options.max_size)
    path = output_folder(options)
    weights = locate_existing(options.checkpoint or DEFAULT, checkpoints_folder())
    source = open_source(options.source, selection, max_pixels=options.max_pixels, rate=options.rate)
    with folder_lock(path), errors_naming(path), logging_redirect_tqdm(), tempfile.TemporaryDirectory() as staged:
        if source.is_live:
            source = RecordedCamera(source, path / "camera.mp4")
        ids = take_given(options, source, Path(staged))
        objects = take_objects(options.objects, ids)
        names = {object_id: described.name for object_id, described in objects.items()} | names
        folder = TrackingFolder(path)
        follower = _begun(options, source, folder, weights=weights, watch=Watch(names), objects=objects, given=Path(staged))
        broken = _follow(follower, source, folder, backwards=options.backwards)
        with _progress(source, "writing") as on_frame:
            make_products(options.format, source, folder, names, on_frame)
    print(f"masks and {', '.join(options.format) or 'tables'}: {path}")
    return 0 if broken is None else complain(str(broken))


def _begun(
    options: argparse.Namespace,
    source: FrameSource,
    folder: TrackingFolder,
    *,
    weights: Path,
    watch: Watch,
    objects: Mapping[int, DescribedObject],
    given: Path,
) -> "Follower":
    """Loads the network, and begins the run or takes it up again with the masks in `given`.

    Raises:
        HodorError: the checkpoint is broken, or the folder holds a run with other settings.
    """
    from hodor.checkpoints.checkpoint import fingerprint, load  # noqa: PLC0415 (torch takes seconds to import)
    from hodor.inference.from_options import memory_and_sizes, segmenter_from_options  # noqa: PLC0415
    from hodor.tracking.follow import Follower  # noqa: PLC0415

    keep_freed_memory()
    checkpoint = load(weights)
    settings = {
        "version": _VERSION,
        "source": _identity(options.source),
        **dataclasses.asdict(source.selection),
        "checkpoint": fingerprint(weights),
        **memory_and_sizes(checkpoint, options),
        "precision": options.precision,
        "compiled": options.compile,
        "backwards": options.backwards,
        "objects": [f"{object_id}={described.name} {described.digest()}" for object_id, described in objects.items()],
    }
    folder.begin(settings, overwrite=options.overwrite)
    with folder.taking_given() as aside:
        shutil.copytree(given, aside, dirs_exist_ok=True)
    return Follower(segmenter_from_options(checkpoint, options), source, folder, watch, objects)


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
        _LOGGER.info("%s: keeps what was found so far; the same command goes on from there", folder.folder)
        raise


@contextlib.contextmanager
def _progress(source: FrameSource, what: str, done: int = 0) -> Iterator[Callable[[SourceFrame], object]]:
    """Shows how far it is and how long it will take, `done` frames being done; gives what is to be called after each frame."""
    interval = 0.2 if sys.stderr.isatty() else 10.0
    total = source.expected_frames()
    with tqdm(total=total, initial=done, desc=what, unit="frame", smoothing=0.05, mininterval=interval) as bar:
        yield lambda frame: bar.update()


def _identity(source: str) -> str:
    """A source's name with what tells whether it is still the same: size and time of a file, of all files of a folder."""
    path = Path(source).resolve()
    if not path.exists():
        return source
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    stamps = [f"{file.name} {file.stat().st_size} {file.stat().st_mtime_ns}" for file in files]
    return f"{path} ({hashlib.sha256(os.fsencode(repr(stamps))).hexdigest()[:12]})"
