"""The folder of one run of tracking: what was asked and given, what was found so far, and where to go on.

session.json               the source, the network and its settings
given/<frame>.png          masks as they were given, palette PNGs of object ids
masks/<frame>.png          what was found, likewise
confidences.csv            how sure the network was, see `confidences.py`
state/                     what the network remembers now and then, from which the same command goes on
page/                      what `hodor app` keeps of its own, if the folder is one of its sessions
"""

import contextlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hodor.errors import HodorError
from hodor.files import folder_written_aside, written_aside
from hodor.formats.label_maps import present_ids, read_label_map, write_label_map
from hodor.media.drawing import object_palette
from hodor.tracking.confidences import Row, read_table, write_table

_SESSION = "session.json"
_GIVEN = "given"
_FINISHED = "finished"
PAGE = "page"
"""What `hodor app` keeps lies below it; runs of tracking leave it alone."""
_PRODUCTS = ("confidences.svg", "overlay.mp4", "masks.json", "binary", "cutouts", "camera.mp4")
_OWN = (_GIVEN, "masks", "state", "confidences.csv", *_PRODUCTS, _SESSION)


class StoredPass:
    """What one pass over the frames, forwards or backwards, has found so far, and the states from which it can go on.

    A state is called by the frame that comes next: it holds while no mask changes that was given before that frame.
    """

    def __init__(self, masks: Path, states: Path, table: Path, *, step: int) -> None:
        """Names the places of masks, states and the table of confidences; `step` is 1 forwards and -1 backwards."""
        self.masks = masks
        self.step = step
        self._states = states
        self._table = table

    @property
    def is_finished(self) -> bool:
        """Whether every frame was seen."""
        return (self._states / _FINISHED).is_file()

    @property
    def count(self) -> int:
        """How many frames have a mask, of which the last ones may have to be seen again."""
        return len(list(self.masks.glob("*.png")))

    def mask(self, name: str) -> np.ndarray | None:
        """The label map [H, W] uint8 of a frame, by the name of its file; None where there is none yet."""
        path = self.masks / f"{name}.png"
        return read_label_map(path) if path.is_file() else None

    def rows(self) -> list[Row]:
        """How sure the network was so far."""
        return read_table(self._table)

    def write(self, name: str, labels: np.ndarray) -> None:
        """Keeps the label map [H, W] uint8 of a frame."""
        write_label_map(self.masks / f"{name}.png", labels, object_palette())

    def save(self, following: int, state: dict[str, Any], rows: Sequence[Row]) -> None:
        """Keeps where to go on: at frame `following`, with this state of the segmenter; all masks before it are written."""
        import torch  # noqa: PLC0415 (seconds to import, and a folder is looked into before)

        write_table(self._table, rows)
        with written_aside(self._states / f"{following}.pt") as aside:
            torch.save(state, aside)

    def finish(self) -> None:
        """Notes that every frame was seen."""
        with written_aside(self._states / _FINISHED) as aside:
            aside.touch()

    def latest(self, first: int) -> tuple[int, dict[str, Any] | None, list[Row]]:
        """Where to go on: the frame, the state before it, and the rows of the frames before; (`first`, None, []) at first.

        Raises:
            HodorError: a file of the earlier run is broken.
        """
        import torch  # noqa: PLC0415

        saved = [int(path.stem) for path in self._states.glob("*.pt")]
        if not saved:
            return first, None, []
        following = max(saved, key=lambda index: index * self.step)
        path = self._states / f"{following}.pt"
        try:
            state = torch.load(path, weights_only=True, map_location="cpu")
        except Exception:  # whatever a broken file makes it raise
            raise HodorError(f"{path}: broken; remove it, and an earlier state is used") from None
        return following, state, [row for row in self.rows() if row.frame * self.step < following * self.step]

    def forget_from(self, index: int) -> None:
        """Forgets, of a pass forwards, what followed from the masks given in a frame, and that all frames were seen."""
        (self._states / _FINISHED).unlink(missing_ok=True)
        for path in self._states.glob("*.pt"):
            if int(path.stem) > index:
                path.unlink()
        for row in self.rows():
            if row.frame > index:
                (self.masks / f"{row.name}.png").unlink(missing_ok=True)


class TrackingFolder:
    """A folder as above. Only its own files in it are ever touched."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        state = folder / "state"
        self.forwards = StoredPass(folder / "masks", state, folder / "confidences.csv", step=1)
        self._backwards = state / "backwards"
        self.backwards = StoredPass(self._backwards / "masks", self._backwards, self._backwards / "confidences.csv", step=-1)

    @property
    def is_begun(self) -> bool:
        """Whether the folder holds a run."""
        return (self.folder / _SESSION).is_file()

    def begin(self, settings: Mapping[str, Any], *, overwrite: bool) -> None:
        """Makes the folder, or takes it up again where an earlier run had the same settings.

        Raises:
            HodorError: the folder holds something else, or a run with other settings.
        """
        path = self.folder / _SESSION
        if overwrite and self.is_begun:
            self._clear()
        if not self.is_begun:
            if any(each.name not in {".lock", PAGE} for each in self.folder.iterdir()):
                raise HodorError(f"{self.folder}: holds files that no run of tracking wrote; choose another --out")
            with written_aside(path) as aside:
                aside.write_text(json.dumps(settings, indent=1))
            return
        try:
            before = json.loads(path.read_text(encoding="utf-8"))
            differing = [key for key in {**before, **settings} if before.get(key) != settings.get(key)]
        except (ValueError, TypeError):
            raise HodorError(f"{path}: broken; add --overwrite to begin anew") from None
        if differing:
            key = differing[0]
            raise HodorError(
                f"{self.folder}: holds a run with another {key} ({_short(before.get(key))} instead of "
                f"{_short(settings.get(key))}); choose another --out, or add --overwrite"
            )

    @contextlib.contextmanager
    def taking_given(self) -> Iterator[Path]:
        """Gives an empty folder for the label maps that are given, <index of the frame>.png.

        When the context ends well it replaces the one of an earlier run, and what followed from other masks is forgotten.
        """
        with folder_written_aside(self.folder / _GIVEN) as aside:
            yield aside
            new, old = _contents(aside), _contents(self.folder / _GIVEN)
            changed = sorted(index for index in {**new, **old} if new.get(index) != old.get(index))
            if changed:
                self.forwards.forget_from(changed[0])
                if _first_masks(aside) != _first_masks(self.folder / _GIVEN):
                    self._forget_backwards()

    def _forget_backwards(self) -> None:
        """Forgets a pass backwards, whose masks are in all frames of the pass forwards before an object was given."""
        if self._backwards.is_dir():
            shutil.rmtree(self._backwards)
            self.forwards.forget_from(-1)

    def starts(self) -> dict[int, int]:
        """{object id: index of the first frame in which it is given}."""
        return {object_id: index for object_id, (index, _) in _first_masks(self.folder / _GIVEN).items()}

    def given(self, index: int) -> np.ndarray | None:
        """The label map [H, W] uint8 that is given in a frame; None where there is none."""
        path = self.folder / _GIVEN / f"{index}.png"
        return read_label_map(path) if path.is_file() else None

    def _clear(self) -> None:
        for name in _OWN:
            path = self.folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _first_masks(folder: Path) -> dict[int, tuple[int, bytes]]:
    """{object id: (index of the first frame in which it is given, its mask there)} in a folder of <index>.png."""
    found: dict[int, tuple[int, bytes]] = {}
    for index in sorted(_contents(folder)):
        labels = read_label_map(folder / f"{index}.png")
        for object_id in present_ids(labels):
            found.setdefault(object_id, (index, (labels == object_id).tobytes()))
    return found


def _contents(folder: Path) -> dict[int, bytes]:
    return {int(path.stem): path.read_bytes() for path in folder.glob("*.png")}


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
