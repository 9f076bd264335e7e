"""What people take away: an overlay video, pictures of single objects, run-length JSON; all made of the label maps found."""

import contextlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any

import numpy as np

from hodor.files import folder_written_aside, written_aside
from hodor.formats import run_length
from hodor.formats.label_maps import present_ids
from hodor.media.boxes import bounding_box
from hodor.media.drawing import draw
from hodor.media.images import write_image
from hodor.media.sources import FrameSource, SourceFrame
from hodor.media.videos import VideoWriter, written_video
from hodor.tracking.confidences import Row, draw_confidences
from hodor.tracking.folder import TrackingFolder


class Product(ABC):
    """One form of the masks; complete or absent. A context, within which frames are added in their order."""

    def __enter__(self) -> "Product":
        return self

    @abstractmethod
    def add(self, frame: SourceFrame, name: str, labels: np.ndarray, rows: Sequence[Row]) -> None:
        """Takes a frame with its label map [H, W] uint8 and the confidence of each of its objects."""

    @abstractmethod
    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


class OverlayVideo(Product):
    """The video with coloured objects and their legend, its own frame times and sound."""

    def __init__(
        self, folder: Path, source: FrameSource, names: Mapping[int, str], looks: Mapping[str, Any], end: float | None
    ) -> None:
        """`end` is where its sound ends, in the source's seconds; None takes all."""
        self._end = end
        self._path = folder / "overlay.mp4"
        self._looks = looks
        self._source = source
        self._names = names
        self._open = contextlib.ExitStack()
        self._writer: VideoWriter | None = None

    def add(self, frame: SourceFrame, name: str, labels: np.ndarray, rows: Sequence[Row]) -> None:
        if self._writer is None:
            writer = written_video(
                self._path,
                rate=self._source.rate,
                pixel_aspect=self._source.pixel_aspect,
                audio=self._source.audio,
                audio_start=frame.time,
                audio_end=self._end,
            )
            self._writer = self._open.enter_context(writer)
        shown = {row.object_id: self._names.get(row.object_id, str(row.object_id)) for row in rows}
        confidences = {row.object_id: row.confidence for row in rows}
        picture = draw(frame.image, labels, names=shown, confidences=confidences, **self._looks)
        self._writer.write(picture, frame.time)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._open.__exit__(kind, error, trace)


class PicturesOfObjects(Product):
    """A folder for each object with one PNG for each frame."""

    def __init__(self, folder: Path, picture: Callable[[SourceFrame, np.ndarray], np.ndarray]) -> None:
        """`picture` makes one of a frame and the mask [H, W] bool of an object in it."""
        self._picture = picture
        self._aside = folder_written_aside(folder)

    def __enter__(self) -> "Product":
        self._folder = self._aside.__enter__()
        return self

    def add(self, frame: SourceFrame, name: str, labels: np.ndarray, rows: Sequence[Row]) -> None:
        for row in rows:
            write_image(self._folder / str(row.object_id) / f"{name}.png", self._picture(frame, labels == row.object_id))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._aside.__exit__(kind, error, trace)


def binary(frame: SourceFrame, mask: np.ndarray) -> np.ndarray:
    """A mask [H, W] bool as white on black, [H, W] uint8."""
    return mask.astype(np.uint8) * 255


def cutout(frame: SourceFrame, mask: np.ndarray) -> np.ndarray:
    """An object on transparent ground, [H, W, 4] uint8."""
    return np.dstack([np.where(mask[..., None], frame.image, 0), binary(frame, mask)])


class CocoMasks(Product):
    """Run-length masks in COCO's form; every annotation also has its score, and `track_id`, which is the object's id."""

    def __init__(self, folder: Path, source: FrameSource, names: Mapping[int, str]) -> None:
        self._path = folder / "masks.json"
        self._source = source
        self._names = names
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []

    def add(self, frame: SourceFrame, name: str, labels: np.ndarray, rows: Sequence[Row]) -> None:
        height, width = labels.shape
        number = len(self._images) + 1
        image = {"id": number, "file_name": name, "height": height, "width": width, "frame": frame.index, "time": frame.time}
        self._images.append(image)
        scores = {row.object_id: row.confidence for row in rows}
        for object_id in present_ids(labels):
            mask = labels == object_id
            self._annotations.append(
                {
                    "id": len(self._annotations) + 1,
                    "image_id": number,
                    "category_id": object_id,
                    "track_id": object_id,
                    "segmentation": {"size": [height, width], "counts": run_length.encode(mask)},
                    "area": int(mask.sum()),
                    "bbox": bounding_box(mask),
                    "iscrowd": 0,
                    "score": round(scores[object_id], 4) if object_id in scores else None,
                }
            )

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is not None:
            return
        ids = sorted({each["category_id"] for each in self._annotations})
        categories = [{"id": each, "name": self._names.get(each, f"object {each}")} for each in ids]
        info = {"description": self._source.name, "frames_per_second": self._source.rate}
        content = {"info": info, "images": self._images, "annotations": self._annotations, "categories": categories}
        with written_aside(self._path) as aside:
            aside.write_text(json.dumps(content))


FORMATS = {
    "video": "overlay.mp4, with legend, sound and the source's times",
    "coco": "masks.json, run-length masks in COCO's form",
    "binary": "binary/<object>/<frame>.png, white on black",
    "cutout": "cutouts/<object>/<frame>.png, each object on transparent ground",
}
"""What can be made besides masks/<frame>.png, which always is; and what it is."""


def make_products(
    forms: Sequence[str],
    source: FrameSource,
    folder: TrackingFolder,
    names: Mapping[int, str],
    on_frame: Callable[[SourceFrame], object],
    *,
    looks: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Goes through the frames and their label maps once more and makes what is asked for.

    Args:
        forms: keys of `FORMATS`.
        source: the frames; those without a label map, which a broken source has at its end, are left out.
        folder: the label maps, and where everything is written.
        names: of objects, for legends.
        on_frame: called after each frame.
        looks: arguments of `draw` for the video: opacity, outline.

    Raises:
        HodorError: the source or a label map is broken now.
    """
    rows = folder.forwards.rows()
    draw_confidences(folder.folder / "confidences.svg", rows, names)
    by_frame: dict[int, list[Row]] = {}
    for row in rows:
        by_frame.setdefault(row.frame, []).append(row)
    with contextlib.ExitStack() as opened:
        made: dict[str, Callable[[], Product]] = {
            "video": lambda: OverlayVideo(folder.folder, source, names, looks, sound_end(source, folder, rows)),
            "coco": lambda: CocoMasks(folder.folder, source, names),
            "binary": lambda: PicturesOfObjects(folder.folder / "binary", binary),
            "cutout": lambda: PicturesOfObjects(folder.folder / "cutouts", cutout),
        }
        products = [opened.enter_context(made[form]()) for form in forms]
        for frame, name, labels in _found(source, folder) if products else ():
            for product in products:
                product.add(frame, name, labels, by_frame.get(frame.index, []))
            on_frame(frame)


def sound_end(source: FrameSource, folder: TrackingFolder, rows: Sequence[Row]) -> float | None:
    """When the last frame that was found ends, in the source's seconds; None where that is the source's end."""
    if folder.forwards.is_finished or not rows:
        return source.end_time
    return rows[-1].time + source.selection.stride / source.rate


def _found(source: FrameSource, folder: TrackingFolder) -> Iterator[tuple[SourceFrame, str, np.ndarray]]:
    """Every frame that has a label map; what lies behind the last one isn't read, since a source may be broken there."""
    remaining = {path.stem for path in folder.forwards.masks.glob("*.png")}
    for frame in source.frames() if remaining else ():
        name = source.name_of(frame.index)
        labels = folder.forwards.mask(name)
        if labels is not None:
            yield frame, name, labels
        remaining.discard(name)
        if not remaining:
            return
