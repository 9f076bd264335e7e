"""From converted data to a workspace: the data set's place in it, its JSON, reachable images, and a summary for the user."""

import argparse
import logging
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from hodor.convert.clips import Clip, check_name
from hodor.convert.training_json import write_training_json
from hodor.devices import usable_cores
from hodor.errors import HodorError
from hodor.files import folder_written_aside, written_aside
from hodor.formats.inference_json import InferenceSequence, write_inference_json
from hodor.formats.json_files import walk
from hodor.workspace import INFERENCE_DATASETS, TRAINING_DATASETS, VARIABLE, Workspace, inference_dataset, training_dataset

IMAGES, SEQUENCES, INFERENCE = "images", "sequences", "inference"
_KINDS = {IMAGES: "training images", SEQUENCES: "training videos", INFERENCE: "videos for inference"}
_LINK, _COPY = "link", "copy"
_SHOWN_NAMES = 3
_log = logging.getLogger(__name__)


class Converter(NamedTuple):
    """A subcommand of `hodor convert`.

    Attributes:
        help: what it is for; the first line stands in the list of all.
        examples: the end of its help.
        add_arguments: adds its arguments to a parser.
        convert: does the work; a HodorError says what is missing or bad.
    """

    help: str
    examples: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    convert: Callable[[argparse.Namespace], None]


def add_output_arguments(parser: argparse.ArgumentParser, *, name_help: str, name_required: bool = False) -> None:
    """Adds --name, --frames and --workspace."""
    parser.add_argument("--name", required=name_required, help=name_help)
    parser.add_argument(
        "--frames", choices=(_LINK, _COPY), default=_LINK, help="symbolic links to the frames (default), or copies of them"
    )
    parser.add_argument("--workspace", type=Path, metavar="DIR", help=f"the workspace (default: ${VARIABLE})")


def add_workers_argument(parser: argparse.ArgumentParser) -> None:
    """Adds --num_workers."""
    default = usable_cores()
    parser.add_argument("--num_workers", type=int, default=default, help=f"processes to use (default: all {default} cores)")


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
        """The set called `name` in the workspace of `arguments`, which come from `add_output_arguments`.

        Raises:
            HodorError: there is no workspace, the name can't be a folder's, or it is taken by data of another kind.
        """
        check_name(name, "--name")
        reserved = {known: IMAGES if known == "coco_2017_train" else SEQUENCES for known in TRAINING_DATASETS}
        reserved |= dict.fromkeys(INFERENCE_DATASETS, INFERENCE)
        reserved |= {dataset.annotations: INFERENCE for dataset in INFERENCE_DATASETS.values()}
        if reserved.get(name, kind) != kind:
            raise HodorError(f"--name: {name!r} is the name of a set of other data than {_KINDS[kind]}; choose another name")
        workspace = _workspace(arguments.workspace)
        dataset = inference_dataset(name) if kind == INFERENCE else training_dataset(name)
        path = workspace.annotations(dataset)
        found = _kind_of_json(path)
        if found not in {None, kind}:
            raise HodorError(f"{path}: holds {_KINDS[str(found)]} already, not {_KINDS[kind]}; choose another name with --name")
        return cls(kind, path, workspace.images(dataset), arguments.frames)

    def refuse_links(self, source: Path, names: Iterable[str] = ("",)) -> None:
        """Finds links in the way before the work begins, without a look at the images.

        Args:
            source: the folder of the images.
            names: the folders in it that become links; by default itself.

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
            if self.how == _LINK:
                place.symlink_to(source.resolve(), target_is_directory=True)
                continue
            with folder_written_aside(place) as aside:
                for file in files:
                    (aside / file).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(source / file, aside / file)

    def publish(self, source: Path, labels: Mapping[str, str], records: Iterable[Mapping[str, Any]]) -> int:
        """Writes the JSON of training data and makes the images reachable; nothing is written if a record can't be made.

        Args:
            source: the folder that the records' image paths are relative to.
            labels: names of the categories by their numbers.
            records: images, or videos whose frames lie in folders of their names; taken one at a time.

        Returns:
            The number of records.

        Raises:
            HodorError: there is no record, or other images lie where these should go.
        """
        files: dict[str, list[str]] = {}

        def noted() -> Iterator[Mapping[str, Any]]:
            for record in records:
                if self.kind == IMAGES:
                    files.setdefault("", []).append(record["image_path"])
                else:
                    files[record["id"]] = [path.split("/", 1)[1] for path in record["image_paths"]]
                yield record

        with _complete_or_absent(self.annotations) as aside:
            count = write_training_json(aside, self.kind, labels, noted())
            if not count:
                raise HodorError(f"{source}: nothing in it shows an object, so there is nothing to learn from")
            self.place((name, source / name, names) for name, names in files.items())
        _log.info("wrote %s (images: %s)", self.annotations, self.images)
        return count

    def _refuse_link(self, place: Path, source: Path) -> None:
        if not place.is_symlink():
            return
        if place.resolve() != source.resolve():
            raise _in_the_way(place, source, f"is a link to {place.readlink()}")
        if self.how == _COPY:
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


def publish_clips(clips: Iterable[ConvertedClip], count: int, name: str, arguments: argparse.Namespace) -> None:
    """Reads all clips, then makes their frames reachable and writes the JSON; nothing is written if a clip is bad.

    Args:
        clips: the clips, made one by one as they are asked for.
        count: how many there are, for the progress bar.
        name: the data set's name.
        arguments: of `add_output_arguments`.

    Raises:
        HodorError: a clip is bad, or other frames lie where these should go.
    """
    target = Target.chosen(name, INFERENCE, arguments)
    converted = list(tqdm(clips, total=count, desc="reading", unit="clip", disable=None))
    names = [[frame.name for frame in each.clip.frames] for each in converted]
    target.place((each.clip.id, each.clip.folder, files) for each, files in zip(converted, names, strict=True))
    sequences = [
        InferenceSequence(each.clip.id, tuple(f"{each.clip.id}/{file}" for file in files), each.segmentations, each.eval_files)
        for each, files in zip(converted, names, strict=True)
    ]
    write_inference_json(target.annotations, sequences)
    _summarise(converted)
    _log.info("wrote %s (frames: %s)", target.annotations, target.images)
    _log.info("next: hodor infer CHECKPOINT --dataset %s", name)


def _summarise(converted: list[ConvertedClip]) -> None:
    """Says what was understood, so that a wrong reading of the masks is seen at once."""
    groups: dict[str, list[str]] = {}
    for each in converted:
        groups.setdefault(each.understood, []).append(each.clip.id)
    for understood, names in groups.items():
        more = f", and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
        _log.info("%s: %s%s", understood, ", ".join(names[:_SHOWN_NAMES]), more)
    frames = sum(len(each.clip.frames) for each in converted)
    objects = sum(len({i for masks in each.segmentations.values() for i in masks}) for each in converted)
    _log.info("%d sequences, %d frames, %d objects", len(converted), frames, objects)


def _workspace(folder: Path | None) -> Workspace:
    """The workspace of --workspace, or else of the environment."""
    if folder is None:
        return Workspace.from_environment()
    folder = folder.expanduser()
    if not folder.is_dir():
        raise HodorError(f"--workspace: {folder} is no folder; make it: mkdir -p {folder}")
    return Workspace(folder)


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


@contextmanager
def _complete_or_absent(path: Path) -> Iterator[Path]:
    """`written_aside`, which also takes away the folder that was made for the file if it fails."""
    is_new = not path.parent.exists()
    try:
        with written_aside(path) as aside:
            yield aside
    except BaseException:
        if is_new:
            with suppress(OSError):
                path.parent.rmdir()
        raise
