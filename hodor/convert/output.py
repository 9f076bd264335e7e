"""From converted clips to a workspace: reachable frames, the JSON of inference videos, and a summary for the user."""

import argparse
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

from hodor.convert.clips import Clip, check_name
from hodor.convert.kinds import INFERENCE, refuse_other_kind
from hodor.convert.placing import COPY, LINK, is_placed, put
from hodor.devices import usable_cores
from hodor.errors import HodorError
from hodor.formats.inference_json import InferenceSequence, write_inference_json
from hodor.workspace import TRAINING_DATASETS, VARIABLE, DatasetName, Workspace, inference_dataset

_SHOWN_NAMES = 3
Item = TypeVar("Item")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ConvertedClip:
    """A clip with the masks that are given for it.

    Attributes:
        clip: the frames.
        segmentations: {frame index: {object id: run-length string}}.
        understood: how the mask files were read, for the summary, such as 'objects 1, 2'.
        eval_files: names of the frames that a benchmark server wants back; None = all.
    """

    clip: Clip
    segmentations: Mapping[int, Mapping[int, str]]
    understood: str
    eval_files: tuple[str, ...] | None = None

    def sequence(self) -> InferenceSequence:
        """The clip as it stands in the JSON: frames are `<sequence>/<file>`."""
        paths = tuple(f"{self.clip.id}/{frame.name}" for frame in self.clip.frames)
        return InferenceSequence(self.clip.id, paths, self.segmentations, self.eval_files)


def add_output_arguments(parser: argparse.ArgumentParser, *, name_help: str, name_required: bool = False) -> None:
    """Adds --name, --frames and --workspace."""
    parser.add_argument("--name", required=name_required, help=name_help)
    parser.add_argument(
        "--frames", choices=(LINK, COPY), default=LINK, help="symbolic links to the frames (default), or copies of them"
    )
    parser.add_argument("--workspace", type=Path, metavar="DIR", help=f"the workspace (default: ${VARIABLE})")


def add_workers_argument(parser: argparse.ArgumentParser) -> None:
    """Adds --num_workers."""
    default = usable_cores()
    parser.add_argument("--num_workers", type=int, default=default, help=f"processes to use (default: all {default} cores)")


def chosen_workspace(folder: Path | None) -> Workspace:
    """The workspace of --workspace, or else of the environment.

    Raises:
        HodorError: there is none.
    """
    if folder is None:
        return Workspace.from_environment()
    folder = folder.expanduser()
    if not folder.is_dir():
        raise HodorError(f"--workspace: {folder} is no folder; make it: mkdir -p {folder}")
    return Workspace(folder)


def chosen_dataset(name: str) -> DatasetName:
    """The places of the data set called `name`.

    Raises:
        HodorError: the name can't be a folder's, or belongs to a training set.
    """
    check_name(name, "--name")
    if name in TRAINING_DATASETS:
        raise HodorError(f"--name: {name!r} is the name of a training set, which has another format; choose another name")
    return inference_dataset(name)


def publish(clips: Iterable[ConvertedClip], count: int, name: str, arguments: argparse.Namespace) -> None:
    """Reads all clips, then makes their frames reachable and writes the JSON; nothing is written if a clip is bad.

    Args:
        clips: the clips, made one by one as they are asked for.
        count: how many there are, for the progress bar.
        name: the data set's name.
        arguments: with `workspace` and `frames` of `add_output_arguments`.

    Raises:
        HodorError: a clip is bad, or other frames lie where these should go.
    """
    workspace = chosen_workspace(arguments.workspace)
    dataset = chosen_dataset(name)
    path = workspace.annotations(dataset)
    refuse_other_kind(path, INFERENCE)
    converted = list(_with_progress(clips, count, "reading"))
    places = [(clip.clip, workspace.images(dataset) / clip.clip.id) for clip in converted]
    how = arguments.frames
    missing = [(clip, place) for clip, place in places if not is_placed(clip.folder, clip.names, place, how)]
    for clip, place in _with_progress(missing, len(missing), "placing frames"):
        put(clip.folder, clip.names, place, how)
    write_inference_json(path, [clip.sequence() for clip in converted])
    _summarise(converted)
    _log.info("wrote %s (frames: %s)", path, workspace.images(dataset))
    _log.info("next: python hodor/inference/main.py CHECKPOINT --dataset %s", name)


def _with_progress(items: Iterable[Item], count: int, what: str) -> Iterator[Item]:
    """The items with a bar on stderr, if that is a terminal."""
    yield from tqdm(items, total=count, desc=what, unit="clip", disable=None)


def _summarise(converted: list[ConvertedClip]) -> None:
    """Says what was understood, so that a wrong reading of the masks is seen at once."""
    groups: dict[str, list[str]] = {}
    for clip in converted:
        groups.setdefault(clip.understood, []).append(clip.clip.id)
    for understood, names in groups.items():
        more = f", and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
        _log.info("%s: %s%s", understood, ", ".join(names[:_SHOWN_NAMES]), more)
    frames = sum(len(clip.clip.frames) for clip in converted)
    objects = sum(len({i for masks in clip.segmentations.values() for i in masks}) for clip in converted)
    _log.info("%d sequences, %d frames, %d objects", len(converted), frames, objects)
