"""The folder that a benchmark run writes: masks, overlays, which sequences are finished, and the archive for a server.

<folder>/results/<sequence>/<frame>.png          DAVIS and others
<folder>/Annotations/<sequence>/<frame>.png      YouTube-VOS, and Annotations.zip
<folder>/vis/<sequence>/<frame>.jpg              with overlays, also as a video <folder>/vis/<sequence>.mp4
<folder>/finished/<sequence>.json                the settings that the sequence was segmented with
"""

import json
import shutil
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from hodor.errors import HodorError
from hodor.files import folder_written_aside, written_aside
from hodor.formats.inference_json import InferenceSequence
from hodor.formats.label_maps import davis_palette, write_label_map, youtube_vos_palette
from hodor.media.drawing import draw
from hodor.media.images import read_image, write_image
from hodor.media.videos import write_video

Write = Callable[[str, np.ndarray, np.ndarray], None]
"""Writes what was found in a frame: by the path of the image, from the image [H, W, 3] and its label map [H, W], uint8."""
_DAVIS = ("results", davis_palette(), "")
_FORMS = {"youtube_vos_val": ("Annotations", youtube_vos_palette(), "Annotations.zip")}
"""In which benchmarks want the masks, where it isn't DAVIS', by the names that users give data sets: the folder of the label
maps, their colours [256, 3] uint8, and the archive for the server, "" for none."""
_OVERLAY_QUALITY = 90


def mask_name(image_path: str, suffix: str = ".png") -> str:
    """Name of the mask file of a frame: "bear/00000.jpg" -> "00000.png"; overlays have another suffix."""
    return PurePosixPath(image_path).stem + suffix


class ResultsFolder:
    """The output of a run. A sequence is complete or absent, and knows the settings it was made with."""

    def __init__(self, folder: Path, dataset: str = "", *, with_overlays: bool = False) -> None:
        """Results in the form that a data set's benchmark wants; the folder needn't exist."""
        masks, self._palette, archive = _FORMS.get(dataset, _DAVIS)
        self.folder = folder
        self.masks = folder / masks
        self.archive = folder / archive if archive else None
        self._with_overlays = with_overlays

    def refuse_clashes(self, sequences: Iterable[InferenceSequence]) -> None:
        """Makes sure that no file of a sequence has the name of another's folder, as a video "a.mp4" and a sequence "a.mp4".

        Raises:
            HodorError: two sequences clash; the message names both.
        """
        ids = [PurePosixPath(sequence.id) for sequence in sequences]
        outer = {parent: name for name in ids for parent in name.parents}  # folders that sequences lie in
        with_videos = outer | {name: name for name in ids} if self._with_overlays else {}
        for name in ids:
            for other, way_out in (
                (outer.get(PurePosixPath(f"{name}.json")), "rename one"),
                (with_videos.get(PurePosixPath(f"{name}.mp4")), "rename one, or leave out --save_vis"),
            ):
                if other is not None:
                    raise HodorError(
                        f"a file of sequence {str(name)!r} would have the name of a folder of {str(other)!r}; {way_out}"
                    )

    def is_finished(self, sequence: InferenceSequence, settings: Mapping[str, Any]) -> bool:
        """Whether the masks of a sequence are all there and were made with these settings."""
        try:
            made_with = json.loads(self._marker(sequence).read_text())
        except (FileNotFoundError, ValueError):
            return False
        names = [self.masks / sequence.id / mask_name(image_path) for image_path in sequence.image_paths]
        return made_with == settings and all(name.is_file() for name in names)

    @contextmanager
    def writing(self, sequence: InferenceSequence, settings: Mapping[str, Any]) -> Iterator[Write]:
        """Gives what writes the frames of a sequence, which appears only when the context ends well.

        What other settings made of it before is removed first, so that a failure doesn't leave it among new results.
        """
        self._marker(sequence).unlink(missing_ok=True)
        shutil.rmtree(self.masks / sequence.id, ignore_errors=True)
        vis = self.folder / "vis" / sequence.id
        overlays = folder_written_aside(vis) if self._with_overlays else nullcontext()
        with folder_written_aside(self.masks / sequence.id) as masks, overlays as pictures:

            def write(image_path: str, image: np.ndarray, labels: np.ndarray) -> None:
                write_label_map(masks / mask_name(image_path), labels, self._palette)
                if pictures is not None:
                    write_image(pictures / mask_name(image_path, ".jpg"), draw(image, labels), _OVERLAY_QUALITY)

            yield write
        if self._with_overlays:
            written = (vis / mask_name(image_path, ".jpg") for image_path in sequence.image_paths)
            write_video(self.folder / "vis" / f"{sequence.id}.mp4", (read_image(path, sys.maxsize) for path in written))
        with written_aside(self._marker(sequence)) as aside:
            aside.write_text(json.dumps(settings))

    def write_archive(self, sequences: Iterable[InferenceSequence]) -> None:
        """Packs the frames that the server wants back, of these sequences only, as `<masks>/<sequence>/<frame>.png`."""
        if self.archive is None:
            return
        with written_aside(self.archive) as aside, zipfile.ZipFile(aside, "w", zipfile.ZIP_STORED) as archive:
            for sequence in sequences:
                for file in sequence.eval_files or sequence.image_paths:
                    name = f"{sequence.id}/{mask_name(file)}"
                    archive.write(self.masks / name, f"{self.masks.name}/{name}")

    def _marker(self, sequence: InferenceSequence) -> Path:
        return self.folder / "finished" / f"{sequence.id}.json"
