"""From converted data to a workspace: the data set's place in it, reachable images, and the JSON."""

import argparse
import json
import logging
import os
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
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
_BINARY = "all that is not black is object 1"
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


class Target:
    """Where a data set of one kind goes, which never overwrites one of another kind.

    `annotations` is the JSON, and image paths in it are relative to the folder `images`.
    """

    def __init__(self, arguments: argparse.Namespace, name: str, sources: Mapping[str, Path]) -> None:
        """The set called `name` in the workspace of `arguments`, the options of a converter.

        `sources` says where the images lie now, by the names of the folders in `images` that they go to; "" = itself.

        Raises:
            HodorError: there is no workspace, the name can't be a folder's or is taken by other data, or links are in the way.
        """
        self.sources = sources
        self.kind = kind = arguments.converter.kind
        self._copies = arguments.frames == "copy"
        check_name(name, "--name")
        if _RESERVED.get(name, kind) != kind:
            raise HodorError(f"--name: {name!r} is the name of a set of other data than {_KINDS[kind]}; choose another name")
        folder = arguments.workspace and arguments.workspace.expanduser()
        if folder and not folder.is_dir():
            raise HodorError(f"--workspace: {folder} is no folder; make it: mkdir -p {folder}")
        workspace = Workspace(folder) if folder else Workspace.from_environment()
        self.annotations, self.images = workspace.annotations(name), workspace.images(name)
        found = _kind_of_json(self.annotations)
        if found and found != kind:
            there = f"{self.annotations}: holds {_KINDS[found]} already"
            raise HodorError(f"{there}, not {_KINDS[kind]}; choose another name with --name")
        for each in sources if kind != INFERENCE else ():  # training data takes long to make: links are looked at first
            self._is_placed(each)

    def place(self, files: Mapping[str, Sequence[str]]) -> None:
        """Makes images reachable, given by their paths relative to each source, unless they are already.

        Raises:
            HodorError: something else lies where they should go; nothing is placed then.
        """
        missing = [name for name in files if not self._is_placed(name, files[name])]
        for name in tqdm(missing, desc="placing frames", unit="folder", disable=None):
            place, source = self.images / name, self.sources[name]
            place.parent.mkdir(parents=True, exist_ok=True)
            if not self._copies:
                place.symlink_to(source.resolve(), target_is_directory=True)
                continue
            with folder_written_aside(place) as aside:
                for file in files[name]:
                    (aside / file).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(source / file, aside / file)

    def _is_placed(self, name: str, files: Sequence[str] = ()) -> bool:
        """Whether the images are linked, or files of these names and of their sizes are there; an error if anything else is."""
        place, source = self.images / name, self.sources[name].resolve()
        pairs = ((place / file, source / file) for file in files)
        if place.is_symlink():
            found, fits = f"is a link to {place.readlink()}", place.resolve() == source
            if fits and self._copies:
                advice = f"remove it (rm '{place}') and run the command again"
                raise HodorError(f"{place}: is a link to the images, not a copy; {advice}")
        elif place.exists():
            found = "exists already with other files"
            fits = place.is_dir() and all(copy.is_file() and copy.stat().st_size == file.stat().st_size for copy, file in pairs)
        else:
            return False
        if not fits:
            way_out = "remove it, or choose another data set name with --name"
            raise HodorError(f"{place}: {found}, but the images are in {source}; {way_out}")
        return True


def _kind_of_json(path: Path) -> str | None:
    """What a JSON of a workspace holds, a key of _KINDS; None where there is no file, or none of these kinds in it."""
    with suppress(HodorError):
        for entry in walk(path):
            if entry.key == IMAGES:
                return IMAGES
            if entry.key == SEQUENCES:
                return SEQUENCES if isinstance(entry.value, dict) and "tracks" in entry.value else INFERENCE
    return None


def publish_clips(
    arguments: argparse.Namespace, name: str, clips: Sequence[Clip], read: Callable[[Clip], tuple[InferenceSequence, str]]
) -> None:
    """Reads all clips, then makes the frames reachable and writes the JSON; all or nothing.

    `read` gives a clip with its masks, and how their files were understood, such as 'objects 1, 2'.
    """
    target = Target(arguments, name, {clip.name: clip.frames_folder for clip in clips})
    sequences = []
    understood = defaultdict(list)  # so that a wrong reading of the masks is seen at once
    for clip in tqdm(clips, desc="reading", unit="clip", disable=None):
        sequence, meaning = read(clip)
        sequences.append(sequence)
        understood[_BINARY if clip.binary else meaning].append(clip.name)
    target.place({clip.name: [frame.name for frame in clip.frames] for clip in clips})
    write_inference_json(target.annotations, sequences)
    for meaning, names in understood.items():
        more = f", and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
        _log.info("%s: %s%s", meaning, ", ".join(names[:_SHOWN_NAMES]), more)
    frames = sum(len(each.image_paths) for each in sequences)
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
