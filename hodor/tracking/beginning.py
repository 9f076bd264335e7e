"""The beginning of a run: all that its results depend on, and whether an earlier run in the folder had the same."""

import argparse
import dataclasses
import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from hodor.checkpoints.checkpoint import fingerprint, load
from hodor.devices import keep_freed_memory
from hodor.formats.object_files import DescribedObject
from hodor.inference.from_options import memory_and_sizes, segmenter_from_options
from hodor.media.sources import FrameSource
from hodor.tracking.confidences import Watch
from hodor.tracking.folder import TrackingFolder
from hodor.tracking.follow import Follower

_VERSION = 1


def begin(
    options: argparse.Namespace,
    source: FrameSource,
    folder: TrackingFolder,
    *,
    weights: Path,
    watch: Watch,
    given: Path,
    objects: Mapping[int, DescribedObject] = MappingProxyType({}),
) -> Follower:
    """Loads the network, and begins the run or takes it up again with the masks in `given`.

    Args:
        options: of `hodor track`.
        source: the frames.
        folder: of the run; its `folder_lock` is held.
        weights: the file of the checkpoint.
        watch: says where objects are lost.
        given: a folder of label maps, <index of the frame>.png.
        objects: {id: object} that are known from elsewhere.

    Raises:
        HodorError: the checkpoint is broken, or the folder holds a run with other settings.
    """
    keep_freed_memory()
    checkpoint = load(weights)
    segmenter = segmenter_from_options(checkpoint, options)  # what can't be is refused before anything is written
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
    return Follower(segmenter, source, folder, watch, objects)


def _identity(source: str) -> str:
    """A source's name with what tells whether it is still the same: size and time of a file, of all files of a folder."""
    path = Path(source).resolve()
    if not path.exists():
        return source
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    stamps = [f"{file.name} {file.stat().st_size} {file.stat().st_mtime_ns}" for file in files]
    return f"{path} ({hashlib.sha256(os.fsencode(repr(stamps))).hexdigest()[:12]})"
