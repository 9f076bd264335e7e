"""What people take away: an overlay video, pictures of single objects, run-length JSON; all made of the label maps found."""

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
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
from hodor.tracking.confidences import Row, by_frame, draw_confidences
from hodor.tracking.folder import TrackingFolder

Add = Callable[[SourceFrame, str, np.ndarray, Sequence[Row]], None]
"""Takes a frame, its name, its label map [H, W] uint8, and how sure each of its objects is; frames come in their order."""


@contextlib.contextmanager
def _overlay_video(
    folder: TrackingFolder, source: FrameSource, found: Sequence[Row], names: Mapping[int, str], looks: Mapping[str, Any]
) -> Iterator[Add]:
    """The video with coloured objects and their legend, its own frame times and sound."""
    writer: VideoWriter | None = None
    end = sound_end(source, folder, found)
    with contextlib.ExitStack() as opened:

        def add(frame: SourceFrame, name: str, labels: np.ndarray, rows: Sequence[Row]) -> None:
            nonlocal writer
            if writer is None:
                video = written_video(
                    folder.folder / "overlay.mp4",
                    rate=source.rate,
                    pixel_aspect=source.pixel_aspect,
                    audio=source.audio,
                    audio_start=frame.time,
                    audio_end=end,
                )
                writer = opened.enter_context(video)
            shown = {row.object_id: names.get(row.object_id, str(row.object_id)) for row in rows}
            confidences = {row.object_id: row.confidence for row in rows}
            writer.write(draw(frame.image, labels, names=shown, confidences=confidences, **looks), frame.time)

        yield add


@contextlib.contextmanager
def _coco_masks(path: Path, source: FrameSource, names: Mapping[int, str]) -> Iterator[Add]:
    """Run-length masks in COCO's form; every annotation also has its score, and `track_id`, which is the object's id."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []

    def add(frame: SourceFrame, name: str, labels: np.ndarray, rows: Sequence[Row]) -> None:
        height, width = labels.shape
        number = len(images) + 1
        image = {"id": number, "file_name": name, "height": height, "width": width, "frame": frame.index, "time": frame.time}
        images.append(image)
        scores = {row.object_id: row.confidence for row in rows}
        for object_id in present_ids(labels):
            mask = labels == object_id
            annotations.append(
                {
                    "id": len(annotations) + 1,
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

    yield add
    ids = sorted({each["category_id"] for each in annotations})
    categories = [{"id": each, "name": names.get(each, f"object {each}")} for each in ids]
    info = {"description": source.name, "frames_per_second": source.rate}
    content = {"info": info, "images": images, "annotations": annotations, "categories": categories}
    with written_aside(path) as aside:
        aside.write_text(json.dumps(content))


@contextlib.contextmanager
def _pictures_of_objects(folder: Path, picture: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Iterator[Add]:
    """A folder for each object with one PNG for each frame; `picture` makes it of an image and a mask [H, W] bool."""
    with folder_written_aside(folder) as aside:

        def add(frame: SourceFrame, name: str, labels: np.ndarray, rows: Sequence[Row]) -> None:
            for row in rows:
                shown = picture(frame.image, labels == row.object_id)
                write_image(aside / str(row.object_id) / f"{name}.png", shown)

        yield add


def _binary(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """White on black, [H, W] uint8."""
    return mask.astype(np.uint8) * 255


def _cutout(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """An object on transparent ground, [H, W, 4] uint8."""
    return np.dstack([np.where(mask[..., None], image, 0), _binary(image, mask)])


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
    made = {
        "video": _overlay_video(folder, source, rows, names, looks),
        "coco": _coco_masks(folder.folder / "masks.json", source, names),
        "binary": _pictures_of_objects(folder.folder / "binary", _binary),
        "cutout": _pictures_of_objects(folder.folder / "cutouts", _cutout),
    }
    with contextlib.ExitStack() as opened:
        products = [opened.enter_context(made[form]) for form in dict.fromkeys(forms)]
        of_frames = by_frame(rows)
        for frame, name, labels in _found(source, folder) if products else ():
            for add in products:
                add(frame, name, labels, of_frames.get(frame.index, []))
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
