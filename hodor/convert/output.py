"""From converted data to a workspace: the data set's place in it, reachable images, and the JSON of videos for inference."""

import argparse
import logging
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from hodor.convert.clips import Clip, check_name
from hodor.errors import HodorError
from hodor.files import folder_written_aside
from hodor.formats.inference_json import InferenceSequence, write_inference_json
from hodor.formats.json_files import walk
from hodor.workspace import INFERENCE_DATASETS, TRAINING_DATASETS, Workspace, inference_dataset, training_dataset

IMAGES, SEQUENCES, INFERENCE = "images", "sequences", "inference"
_KINDS = {IMAGES: "training images", SEQUENCES: "training videos", INFERENCE: "videos for inference"}
LINK, COPY = "link", "copy"
_SHOWN_NAMES = 3
_log = logging.getLogger(__name__)


class Converter(NamedTuple):
    """A subcommand of `hodor convert`.

    Attributes:
        help: what it is for; the first line stands in the list of all.
        examples: the end of its help.
        add_arguments: adds its arguments to a parser, but for those that all have.
        convert: does the work; a HodorError says what is missing or bad.
        default_name: what the help says of the data set's default name; "" = --name must be given.
    """

    help: str
    examples: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    convert: Callable[[argparse.Namespace], None]
    default_name: str = ""


@dataclass(frozen=True)
class Target:
    """Where a data set goes.

    Attributes:
        kind: IMAGES, SEQUENCES or INFERENCE; one never overwrites another.
        annotations: the JSON.
        images: the folder that the image paths in the JSON are relative to.
        how: whether images are reached by links or copied.
    """

    kind: str
    annotations: Path
    images: Path
    how: str

    @classmethod
    def chosen(cls, name: str, kind: str, arguments: argparse.Namespace) -> "Target":
        """The set called `name` in the workspace of `arguments`, the options of a converter.

        Raises:
            HodorError: there is no workspace, the name can't be a folder's, or it is taken by data of another kind.
        """
        check_name(name, "--name")
        reserved = {known: IMAGES if known == "coco_2017_train" else SEQUENCES for known in TRAINING_DATASETS}
        reserved |= dict.fromkeys(INFERENCE_DATASETS, INFERENCE)
        reserved |= {dataset.annotations: INFERENCE for dataset in INFERENCE_DATASETS.values()}
        if reserved.get(name, kind) != kind:
            raise HodorError(f"--name: {name!r} is the name of a set of other data than {_KINDS[kind]}; choose another name")
        folder = arguments.workspace and arguments.workspace.expanduser()
        if folder and not folder.is_dir():
            raise HodorError(f"--workspace: {folder} is no folder; make it: mkdir -p {folder}")
        workspace = Workspace(folder) if folder else Workspace.from_environment()
        dataset = inference_dataset(name) if kind == INFERENCE else training_dataset(name)
        path = workspace.annotations(dataset)
        found = _kind_of_json(path)
        if found not in {None, kind}:
            raise HodorError(f"{path}: holds {_KINDS[str(found)]} already, not {_KINDS[kind]}; choose another name with --name")
        return cls(kind, path, workspace.images(dataset), arguments.frames)

    def refuse_links(self, source: Path, names: Iterable[str] = ("",)) -> None:
        """Finds links in the way before the work begins: of the folder of the images, or of the folders of these names in it.

        Raises:
            HodorError: there is a link to elsewhere, or a link where copies are wanted.
        """
        for name in names:
            self._refuse_link(self.images / name, source / name)

    def place(self, folders: Iterable[tuple[str, Path, Sequence[str]]]) -> None:
        """Makes images reachable, unless they are already.

        Args:
            folders: (name of the folder below `images`, the folder that the images lie in, their paths relative to it).

        Raises:
            HodorError: something else lies where they should go; nothing is placed then.
        """
        places = [(self.images / name, source, files) for name, source, files in folders]
        missing = [each for each in places if not self._is_placed(*each)]
        for place, source, files in tqdm(missing, desc="placing frames", unit="folder", disable=None):
            place.parent.mkdir(parents=True, exist_ok=True)
            if self.how == LINK:
                place.symlink_to(source.resolve(), target_is_directory=True)
                continue
            with folder_written_aside(place) as aside:
                for file in files:
                    (aside / file).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(source / file, aside / file)

    def _refuse_link(self, place: Path, source: Path) -> None:
        if not place.is_symlink():
            return
        if place.resolve() != source.resolve():
            raise _in_the_way(place, source, f"is a link to {place.readlink()}")
        if self.how == COPY:
            advice = f"remove it (rm '{place}') and run the command again"
            raise HodorError(f"{place}: is a link to the images, not a copy; {advice}")

    def _is_placed(self, place: Path, source: Path, files: Sequence[str]) -> bool:
        """Whether `place` is, or holds the images in `source`; an error if anything else is there."""
        if not place.exists() and not place.is_symlink():
            return False
        self._refuse_link(place, source)
        if place.resolve() == source.resolve():
            return True
        copies = ((place / file, source / file) for file in files)
        if place.is_dir() and all(copy.is_file() and copy.stat().st_size == file.stat().st_size for copy, file in copies):
            return True
        raise _in_the_way(place, source, "exists already with other files")


class ConvertedClip(NamedTuple):
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


def publish_clips(clips: Iterable[ConvertedClip], count: int, name: str, arguments: argparse.Namespace) -> None:
    """Reads all clips, then makes their frames reachable and writes the JSON; nothing is written if a clip is bad.

    Args:
        clips: made one by one as they are asked for; `count` of them.
        count: for the progress bar.
        name: the data set's name.
        arguments: the options of the converter.

    Raises:
        HodorError: a clip is bad, or other frames lie where these should go.
    """
    target = Target.chosen(name, INFERENCE, arguments)
    converted = list(tqdm(clips, total=count, desc="reading", unit="clip", disable=None))
    target.place((clip.id, clip.folder, [frame.name for frame in clip.frames]) for clip, *_ in converted)
    sequences = [
        InferenceSequence(clip.id, tuple(f"{clip.id}/{frame.name}" for frame in clip.frames), segmentations, eval_files)
        for clip, segmentations, _, eval_files in converted
    ]
    write_inference_json(target.annotations, sequences)
    groups: dict[str, list[str]] = {}  # so that a wrong reading of the masks is seen at once
    for each in converted:
        groups.setdefault(each.understood, []).append(each.clip.id)
    for understood, names in groups.items():
        more = f", and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
        _log.info("%s: %s%s", understood, ", ".join(names[:_SHOWN_NAMES]), more)
    frames = sum(len(each.clip.frames) for each in converted)
    objects = sum(len({i for masks in each.segmentations.values() for i in masks}) for each in converted)
    _log.info("%d sequences, %d frames, %d objects", len(converted), frames, objects)
    _log.info("wrote %s (frames: %s)", target.annotations, target.images)
    _log.info("next: hodor infer --dataset %s", name)


def _kind_of_json(path: Path) -> str | None:
    """What a JSON of a workspace holds, a key of _KINDS; None where there is no file, or none of these kinds in it."""
    with suppress(HodorError):
        for entry in walk(path):
            if entry.key == IMAGES:
                return IMAGES
            if entry.key == SEQUENCES:
                return SEQUENCES if isinstance(entry.value, dict) and "tracks" in entry.value else INFERENCE
    return None


def _in_the_way(place: Path, source: Path, found: str) -> HodorError:
    way_out = "remove it, or choose another data set name with --name"
    return HodorError(f"{place}: {found}, but the images are in {source.resolve()}; {way_out}")
