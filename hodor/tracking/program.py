"""The program `hodor track`: from a video and the masks of some objects to their masks in all frames, in one command."""

import argparse
import contextlib
import dataclasses
import hashlib
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from hodor.checkpoints.weights import DEFAULT, locate
from hodor.errors import HodorError
from hodor.files import errors_naming, folder_lock
from hodor.media.sources import FrameSource, Selection, SourceFrame, open_source
from hodor.program import complain
from hodor.tracking.confidences import Watch
from hodor.tracking.folder import TrackingFolder
from hodor.tracking.given import take_given
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
    source = open_source(options.source, selection, max_pixels=options.max_pixels, rate=options.rate)
    path = output_folder(options)
    with folder_lock(path), errors_naming(path), logging_redirect_tqdm():
        broken = _track(options, source, TrackingFolder(path), names)
    return 0 if broken is None else complain(str(broken))


def _track(
    options: argparse.Namespace, source: FrameSource, folder: TrackingFolder, names: Mapping[int, str]
) -> HodorError | None:
    """Follows what is given and makes what is asked for. Returns what made the source break off, if anything did."""
    from hodor.checkpoints.checkpoint import fingerprint, load  # noqa: PLC0415 (torch takes seconds to import)
    from hodor.devices import keep_freed_memory  # noqa: PLC0415
    from hodor.inference.from_options import memory_and_sizes, segmenter_from_options  # noqa: PLC0415
    from hodor.tracking.follow import Follower  # noqa: PLC0415

    keep_freed_memory()
    weights = locate(options.checkpoint or DEFAULT, checkpoints_folder())
    checkpoint = load(weights)
    network = memory_and_sizes(checkpoint, options) | {"precision": options.precision, "compiled": options.compile}
    settings = {
        "version": _VERSION,
        "source": _identity(options.source),
        "frames": dataclasses.asdict(source.selection),
        "checkpoint": fingerprint(weights),
        "network": network,
        "backwards": options.backwards,
    }
    folder.begin(settings, overwrite=options.overwrite)
    with folder.taking_given() as given:
        take_given(options, source, given)
    follower = Follower(segmenter_from_options(checkpoint, options), source, folder, Watch(names))
    try:
        broken = _follow(follower, source, folder, backwards=options.backwards)
    except BaseException:
        _LOGGER.info("%s: keeps what was found so far; the same command goes on from there", folder.folder)
        raise
    with _progress(source, "writing") as on_frame:
        make_products(options.format, source, folder, names, on_frame)
    print(f"masks and {', '.join(options.format) or 'tables'}: {folder.folder}")
    return broken


def _follow(follower: "Follower", source: FrameSource, folder: TrackingFolder, *, backwards: bool) -> HodorError | None:
    if folder.forwards.is_finished:
        _LOGGER.info("%s: every frame is there already", folder.folder)
        return None
    if backwards and not folder.backwards.is_finished:
        with _progress(source, "backwards") as on_frame:
            follower.backwards(on_frame)
    with _progress(source, "following") as on_frame:
        return follower.forwards(on_frame)


@contextlib.contextmanager
def _progress(source: FrameSource, what: str) -> Iterator[Callable[[SourceFrame], object]]:
    """Shows how far it is, and how long it will take; gives what is to be called after each frame."""
    interval = 0.2 if sys.stderr.isatty() else 10.0
    with tqdm(total=source.expected_frames(), desc=what, unit="frame", smoothing=0.05, mininterval=interval) as bar:
        yield lambda frame: bar.update()


def _identity(source: str) -> str:
    """A source's name with what tells whether it is still the same: size and time of a file, of all files of a folder."""
    path = Path(source)
    files = sorted(path.iterdir()) if path.is_dir() else [path] if path.is_file() else []
    stamps = [f"{file.name} {file.stat().st_size} {file.stat().st_mtime_ns}" for file in files]
    return f"{source} ({hashlib.sha256(os.fsencode(repr(stamps))).hexdigest()[:12]})"
