"""From converted data to a workspace: the data set's place in it, reachable images, and the JSON."""

import argparse
import json
import logging
import os
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from tqdm import tqdm

from hodor.convert.clips import Clip, check_name
from hodor.errors import HodorError
from hodor.files import folder_written_aside, written_aside
from hodor.formats.inference_json import InferenceSequence, write_inference_json
from hodor.formats.json_files import walk
from hodor.workspace import INFERENCE_DATASETS, TRAINING_DATASETS, Workspace

IMAGES, SEQUENCES, INFERENCE = "images", "sequences", "inference"
_KINDS = {IMAGES: "training images", SEQUENCES: "training videos", INFERENCE: "videos for inference"}
_RESERVED = {
    **dict.fromkeys(INFERENCE_DATASETS, INFERENCE),
    **dict.fromkeys(TRAINING_DATASETS, SEQUENCES),
    "coco_2017_train": IMAGES,
    "youtube_vos_2019_val": INFERENCE,
}
_WAY_OUT = "remove it, or choose another data set name with --name"
_SHOWN_NAMES = 3
_log = logging.getLogger(__name__)


class Converter(NamedTuple):
    """A subcommand of `hodor convert`, which makes data of one kind: IMAGES, SEQUENCES or INFERENCE."""

    kind: str
    help: str  # the first line stands in the list of all
    examples: str  # the end of its help
    add_arguments: Callable[[argparse.ArgumentParser], None]  # but for those that all have
    convert: Callable[[argparse.Namespace], None]
    default_name: str = ""  # what the help says of the data set's default name; "" = --name must be given


@dataclass(frozen=True)
class Target:
    """Where a data set of one kind goes, which never overwrites one of another kind."""

    kind: str
    annotations: Path  # the JSON
    images: Path  # the folder that the image paths in the JSON are relative to
    sources: Mapping[str, Path]  # where images lie now, by the names of the folders in `images` that they go to; "" = itself
    copies: bool  # they are copied, not linked

    @classmethod
    def chosen(cls, arguments: argparse.Namespace, name: str, sources: Mapping[str, Path]) -> "Target":
        """The set called `name` in the workspace of `arguments`, the options of a converter.

        Raises:
            HodorError: there is no workspace, the name can't be a folder's or is taken by other data, or links are in the way.
        """
        kind = arguments.converter.kind
        check_name(name, "--name")
        if _RESERVED.get(name, kind) != kind:
            raise HodorError(f"--name: {name!r} is the name of a set of other data than {_KINDS[kind]}; choose another name")
        folder = arguments.workspace and arguments.workspace.expanduser()
        if folder and not folder.is_dir():
            raise HodorError(f"--workspace: {folder} is no folder; make it: mkdir -p {folder}")
        workspace = Workspace(folder) if folder else Workspace.from_environment()
        path = workspace.annotations(name)
        found = _kind_of_json(path)
        if found not in {None, kind}:
            raise HodorError(f"{path}: holds {_KINDS[str(found)]} already, not {_KINDS[kind]}; choose another name with --name")
        target = cls(kind, path, workspace.images(name), sources, arguments.frames == "copy")
        for each in sources if kind != INFERENCE else ():  # training data takes long to make: links are looked at first
            target._is_linked(each)
        return target

    def place(self, files: Mapping[str, Sequence[str]]) -> None:
        """Makes images reachable, given by their paths relative to each source, unless they are already.

        Raises:
            HodorError: something else lies where they should go; nothing is placed then.
        """
        missing = [name for name in files if not self._is_placed(name, files[name])]
        for name in tqdm(missing, desc="placing frames", unit="folder", disable=None):
            place, source = self.images / name, self.sources[name]
            place.parent.mkdir(parents=True, exist_ok=True)
            if not self.copies:
                place.symlink_to(source.resolve(), target_is_directory=True)
                continue
            with folder_written_aside(place) as aside:
                for file in files[name]:
                    (aside / file).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(source / file, aside / file)

    def _is_linked(self, name: str) -> bool:
        place, source = self.images / name, self.sources[name].resolve()
        if not place.is_symlink():
            return False
        if place.resolve() != source:
            raise HodorError(f"{place}: is a link to {place.readlink()}, but the images are in {source}; {_WAY_OUT}")
        if self.copies:
            advice = f"remove it (rm '{place}') and run the command again"
            raise HodorError(f"{place}: is a link to the images, not a copy; {advice}")
        return True

    def _is_placed(self, name: str, files: Sequence[str]) -> bool:
        """Whether the images are linked, or files of their names and sizes are there; an error if anything else is."""
        place, source = self.images / name, self.sources[name]
        if self._is_linked(name) or not place.exists():
            return place.exists()
        pairs = ((place / file, source / file) for file in files)
        if place.is_dir() and all(copy.is_file() and copy.stat().st_size == file.stat().st_size for copy, file in pairs):
            return True
        raise HodorError(f"{place}: exists already with other files, but the images are in {source.resolve()}; {_WAY_OUT}")


def _kind_of_json(path: Path) -> str | None:
    """What a JSON of a workspace holds, a key of _KINDS; None where there is no file, or none of these kinds in it."""
    with suppress(HodorError):
        for entry in walk(path):
            if entry.key == IMAGES:
                return IMAGES
            if entry.key == SEQUENCES:
                return SEQUENCES if isinstance(entry.value, dict) and "tracks" in entry.value else INFERENCE
    return None


class Given(NamedTuple):
    """The masks that are given for a clip."""

    masks: Mapping[int, Mapping[int, str]]  # {frame index: {object id: run-length string}}
    understood: str  # how the mask files were read, such as 'objects 1, 2'
    eval_files: tuple[str, ...] | None = None  # names of the frames that a benchmark server wants back; None = all


def publish_clips(arguments: argparse.Namespace, name: str, clips: Sequence[Clip], given: Callable[[Clip], Given]) -> None:
    """Reads all clips and the masks `given` for them, then makes the frames reachable and writes the JSON; all or nothing."""
    target = Target.chosen(arguments, name, {clip.name: clip.frames_folder for clip in clips})
    understood = defaultdict(list)  # so that a wrong reading of the masks is seen at once
    files, sequences = {}, []
    for clip in tqdm(clips, desc="reading", unit="clip", disable=None):
        masks, meaning, eval_files = given(clip)
        understood[meaning].append(clip.name)
        files[clip.name] = [frame.name for frame in clip.frames]
        paths = tuple(f"{clip.name}/{file}" for file in files[clip.name])
        sequences.append(InferenceSequence(clip.name, paths, masks, eval_files))
    target.place(files)
    write_inference_json(target.annotations, sequences)
    for meaning, names in understood.items():
        more = f", and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
        _log.info("%s: %s%s", meaning, ", ".join(names[:_SHOWN_NAMES]), more)
    frames = sum(map(len, files.values()))
    objects = sum(len(set().union(*each.segmentations.values())) for each in sequences)
    _log.info("%d sequences, %d frames, %d objects", len(sequences), frames, objects)
    _log.info("wrote %s (frames: %s)", target.annotations, target.images)
    _log.info("next: hodor infer --dataset %s", name)


class Converted(NamedTuple):
    """An image or a video for training, as `formats/training_json.py` describes them."""

    record: dict[str, Any]  # it is left out if it has no categories, that is, no object
    counts: Mapping[str, int]  # to be summed, for the summary
    warnings: Sequence[str] = ()


def publish(target: Target, labels: Mapping[int, str], converted: Iterable[Converted]) -> Counter[str]:
    """Writes the JSON of training data with the names of its categories, and makes the images reachable; all or nothing.

    Returns:
        The sums of all counts, and the numbers of "records", "frames" and "objects".
    """
    files: defaultdict[str, list[str]] = defaultdict(list)
    counts: Counter[str] = Counter()
    with written_aside(target.annotations) as aside:
        with aside.open("w", encoding="ascii") as file:
            file.write(f'{{"meta": {json.dumps({"category_labels": labels})},\n"{target.kind}": [')
            for record, further, warnings in converted:
                counts.update(further)
                for line in warnings:
                    _log.warning("%s", line)
                if not record["categories"]:
                    continue
                file.write(("," if files else "") + "\n" + json.dumps(record))
                if target.kind == IMAGES:
                    files[""].append(record["image_path"])
                else:
                    files[record["id"]] = [PurePosixPath(path).name for path in record["image_paths"]]
                counts.update(records=1, objects=len(record["categories"]))
            file.write("\n]}\n")
        if not files:
            source = os.path.commonpath(target.sources.values())
            raise HodorError(f"{source}: nothing in it shows an object, so there is nothing to learn from")
        target.place(files)
    counts["frames"] = sum(map(len, files.values()))
    _log.info("wrote %s (images: %s)", target.annotations, target.images)
    return counts
