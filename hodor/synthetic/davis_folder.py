"""Synthetic clips as files, in the layout of DAVIS, so that everything that reads DAVIS can be tried without downloading it."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from hodor.errors import HodorError
from hodor.files import folder_written_aside
from hodor.formats.label_maps import davis_palette, write_label_map
from hodor.media.images import write_image

JPEG_QUALITY = 92
Frames = Iterable[tuple[np.ndarray, np.ndarray]]
"""Images `[H, W, 3]` uint8 (R, G, B) with their labels `[H, W]` uint8: a `SyntheticClip`, a `PhotographClip`."""


def write_davis_folder(folder: Path, clips: Iterable[tuple[str, Frames]]) -> None:
    """Writes clips as JPEGImages, Annotations (every frame, palette PNG) and ImageSets/2017/val.txt; complete or absent.

    Args:
        folder: is made; if it exists it must be empty.
        clips: (name of the sequence, its frames), drawn one by one; they lie below 480p, whatever their size is.

    Raises:
        HodorError: the folder holds something already.
    """
    folder = folder.resolve()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise HodorError(f"{folder}: exists and is not empty; name a new folder")
    palette = davis_palette()
    with folder_written_aside(folder) as aside:
        names = []
        for name, frames in clips:
            names.append(name)
            images, masks = aside / "JPEGImages" / "480p" / name, aside / "Annotations" / "480p" / name
            images.mkdir(parents=True)
            for index, (image, labels) in enumerate(frames):
                write_image(images / f"{index:05d}.jpg", image, JPEG_QUALITY)
                write_label_map(masks / f"{index:05d}.png", labels, palette)
        listing = aside / "ImageSets" / "2017" / "val.txt"
        listing.parent.mkdir(parents=True)
        listing.write_text("".join(f"{name}\n" for name in names))
