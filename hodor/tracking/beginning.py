"""The beginning of a run: all that its results depend on, and whether an earlier run in the folder had the same."""

import argparse
import dataclasses
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from hodor.checkpoints.checkpoint import load
from hodor.devices import keep_freed_memory
from hodor.formats.object_files import DescribedObject
from hodor.inference.from_options import run_settings, segmenter_from_options
from hodor.media.folder_source import images_in
from hodor.media.sources import FrameSource
from hodor.tracking.confidences import Watch
from hodor.tracking.folder import TrackingFolder
from hodor.tracking.follow import Follower
from hodor.tracking.inputs import inputs_of

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
    overwrite_other: bool = False,
) -> Follower:
    """Loads the network from the file `weights`, and begins the run, or takes up the one in `folder`, whose lock is held.

    `given` is a folder of label maps, <index of the frame>.png; `objects`, {id: object}, are known from elsewhere. A run with
    other settings is begun anew if `overwrite_other`.

    Raises:
        HodorError: the checkpoint is broken, an object is another network's, or the folder holds a run with other settings.
    """
    keep_freed_memory()
    checkpoint = load(weights)
    segmenter = segmenter_from_options(checkpoint, options)  # what can't be is refused before anything is written
    for object_id, described in objects.items():
        segmenter.add_described(object_id, described)
    settings = {
        "version": _VERSION,
        "source": _identity(options.source),
        **dataclasses.asdict(source.selection),
        **run_settings(weights, checkpoint, options),
        "backwards": options.backwards,
        **({"rate": options.rate} if options.rate else {}),
        "objects": [f"{object_id}={described.name} {described.digest()}" for object_id, described in objects.items()],
    }
    folder.begin(settings, overwrite=options.overwrite, overwrite_other=overwrite_other)
    folder.take(given)
    folder.write_inputs(inputs_of(options, objects))
    return Follower(segmenter, source, folder, watch, objects)


def _identity(source: str) -> str:
    """A source's name with what tells whether it is still the same: size and time of a file, of all images of a folder."""
    path = Path(source).resolve()
    if not path.exists():
        return source
    files = sorted(images_in(path)) if path.is_dir() else [path]
    stamps = [f"{file.name} {file.stat().st_size} {file.stat().st_mtime_ns}" for file in files]
    return f"{path} ({hashlib.sha256(os.fsencode(repr(stamps))).hexdigest()[:12]})"
