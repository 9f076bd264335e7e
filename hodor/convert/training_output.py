"""From converted training data to a workspace: the JSON, written entry by entry, and reachable images."""

import argparse
import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hodor.convert.clips import check_name
from hodor.convert.kinds import IMAGES, KINDS, SEQUENCES, refuse_other_kind
from hodor.convert.output import chosen_workspace
from hodor.convert.placing import is_placed, put, refuse_other_link
from hodor.errors import HodorError
from hodor.files import written_aside
from hodor.formats.json_stream import Entry, walk
from hodor.workspace import INFERENCE_DATASETS, TRAINING_DATASETS, training_dataset

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingSet:
    """Where a set of training data goes.

    Attributes:
        kind: IMAGES or SEQUENCES, the key of its entries in the JSON.
        annotations: the JSON.
        images: the folder that the image paths in the JSON are relative to.
        how: LINK or COPY.
    """

    kind: str
    annotations: Path
    images: Path
    how: str

    @classmethod
    def chosen(cls, name: str, kind: str, arguments: argparse.Namespace) -> "TrainingSet":
        """The set called `name` in the workspace of `arguments`, which come from `add_output_arguments`.

        Raises:
            HodorError: there is no workspace, or the name is taken by data of another kind.
        """
        check_name(name, "--name")
        taken = set(INFERENCE_DATASETS) | {dataset.annotations for dataset in INFERENCE_DATASETS.values()}
        taken |= {dataset for dataset in TRAINING_DATASETS if (dataset == "coco_2017_train") != (kind == IMAGES)}
        if name in taken:
            raise HodorError(f"--name: {name!r} is the name of a set of other data than {KINDS[kind]}; choose another name")
        workspace = chosen_workspace(arguments.workspace)
        dataset = training_dataset(name)
        refuse_other_kind(workspace.annotations(dataset), kind)
        return cls(kind, workspace.annotations(dataset), workspace.images(dataset), arguments.frames)

    def refuse_links(self, source: Path, names: Iterable[str] = ("",)) -> None:
        """Finds links in the way before the work begins.

        Args:
            source: the folder of the images.
            names: the folders in it that become links; by default itself.

        Raises:
            HodorError: there is one.
        """
        for name in names:
            refuse_other_link(source / name, self.images / name, self.how)

    def publish(self, source: Path, labels: Mapping[str, str], records: Iterable[Mapping[str, Any]]) -> int:
        """Writes the JSON and makes the images reachable; nothing is written if a record can't be made.

        Args:
            source: the folder that the records' image paths are relative to.
            labels: names of the categories by their numbers.
            records: images, or videos whose frames lie in folders of their names; taken one at a time.

        Returns:
            The number of records.

        Raises:
            HodorError: there is no record, or other images lie where these should go.
        """
        with _complete_or_absent(self.annotations) as aside:
            count = _write(aside, self.kind, labels, records)
            if not count:
                raise HodorError(f"{source}: nothing in it shows an object, so there is nothing to learn from")
            for folder, names in self._folders(aside):
                if not is_placed(source / folder, names, self.images / folder, self.how):
                    put(source / folder, names, self.images / folder, self.how)
        _log.info("wrote %s (images: %s)", self.annotations, self.images)
        return count

    def _folders(self, path: Path) -> Iterator[tuple[str, "_Names"]]:
        """The folders to make reachable, relative to that of the images, with the images in each."""
        if self.kind == IMAGES:
            yield "", _Names(path, None)
            return
        for entry in walk(path):
            if entry.key == SEQUENCES:
                yield entry.value["id"], _Names(path, entry)


@dataclass(frozen=True)
class _Names:
    """The images of one video, or of all entries in a file, relative to the folder that is made reachable."""

    path: Path
    video: Entry | None

    def __call__(self) -> Iterator[str]:
        if self.video is not None:
            yield from (image_path.split("/", 1)[1] for image_path in self.video.value["image_paths"])
        else:
            yield from (entry.value["image_path"] for entry in walk(self.path) if entry.key == IMAGES)


def _write(path: Path, key: str, labels: Mapping[str, str], records: Iterable[Mapping[str, Any]]) -> int:
    """Writes a JSON with one line for each record; returns their number."""
    count = 0
    with path.open("w", encoding="ascii") as file:
        file.write(f'{{"meta": {json.dumps({"category_labels": dict(labels)})},\n"{key}": [')
        for record in records:
            file.write(("," if count else "") + "\n" + json.dumps(record))
            count += 1
        file.write("\n]}\n")
    return count


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
