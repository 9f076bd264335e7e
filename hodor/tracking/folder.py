"""The folder of one run of tracking: what was asked and given, what was found so far, and where to go on.

session.json               the source, the network and its settings
inputs.json                what the command was told, see `inputs.py`
given/<frame>.png          masks as they were given, palette PNGs of object ids
masks/<frame>.png          what was found, likewise
confidences.csv            how sure the network was, see `confidences.py`
state/                     what the network remembers now and then, from which the same command goes on
page/                      what `hodor app` keeps of its own, if the folder is one of its sessions
"""

import hashlib
import json
import shutil
import threading
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hodor.errors import HodorError
from hodor.files import folder_written_aside, written_aside
from hodor.formats.label_maps import present_ids, read_label_map, write_label_map
from hodor.media.drawing import object_palette
from hodor.tracking.confidences import Row, read_table, write_table

_SESSION = "session.json"
_FINISHED = "finished"
INPUTS = "inputs.json"
GIVEN = "given"
PAGE = "page"
"""What `hodor app` keeps lies below it; runs of tracking leave it alone."""
_PRODUCTS = ("confidences.svg", "overlay.mp4", "masks.json", "binary", "cutouts", "camera.mp4")
_RESULTS = (GIVEN, "masks", "state", "confidences.csv", *_PRODUCTS, INPUTS)


class StoredPass:
    """What one pass over the frames, forwards or backwards, has found so far, and the states from which it can go on.

    A state is called by the frame that comes next: it holds while no mask changes that was given before that frame.

    Attributes:
        masks: the folder of label maps.
        step: 1 forwards, -1 backwards.
        forgetting: held while masks of an earlier run are removed.
    """

    def __init__(self, folder: Path, states: Path, *, step: int) -> None:
        self.masks = folder / "masks"
        self.step = step
        self.forgetting = threading.RLock()
        self._states = states
        self._table = folder / "confidences.csv"

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

    @property
    def version(self) -> str:
        """What tells these rows from earlier and later ones; "" where there are none."""
        return str(self._table.stat().st_mtime_ns) if self._table.is_file() else ""

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

    def forget_all_but(self, names: Collection[str]) -> None:
        """Removes the masks of all frames but these: what a killed run has written behind its last state will be found anew."""
        with self.forgetting:
            for path in self.masks.glob("*.png"):
                if path.stem not in names:
                    path.unlink()

    def forget_from(self, index: int) -> None:
        """Forgets, of a pass forwards, what followed from the masks given in a frame, and that all frames were seen."""
        with self.forgetting:
            (self._states / _FINISHED).unlink(missing_ok=True)
            for path in self._states.glob("*.pt"):
                if int(path.stem) > index:
                    path.unlink()
            for row in self.rows():
                if row.frame > index:
                    (self.masks / f"{row.name}.png").unlink(missing_ok=True)

    def snapshot(self, folder: Path) -> list[Path]:
        """The masks of one moment, linked or copied into an empty folder, whatever a run in this process does meanwhile."""
        with self.forgetting:
            for path in self.masks.glob("*.png"):
                try:
                    (folder / path.name).hardlink_to(path)
                except OSError:  # a file system without links
                    shutil.copyfile(path, folder / path.name)
        return sorted(folder.iterdir())


class TrackingFolder:
    """A folder as above. Only its own files in it are ever touched."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._backwards = folder / "state" / "backwards"
        self.forwards = StoredPass(folder, self._backwards.parent, step=1)
        self.backwards = StoredPass(self._backwards, self._backwards, step=-1)

    @property
    def is_begun(self) -> bool:
        """Whether the folder holds a run."""
        return (self.folder / _SESSION).is_file()

    def begin(self, settings: Mapping[str, Any], *, overwrite: bool, overwrite_other: bool = False) -> None:
        """Begins a run with `settings`, all that results depend on besides given masks, or goes on with one that had the same.

        A run that is there is begun anew with `overwrite`; with `overwrite_other` if it had other settings, or can't be read.

        Raises:
            HodorError: the folder holds something else, or a run with other settings.
        """
        if self.is_begun:
            difference = self._difference(settings)
            if difference and not (overwrite or overwrite_other):
                raise HodorError(difference)
            if not (difference or overwrite):
                return
            with self.forwards.forgetting:  # all but the settings, by which the folder is known as a run until others come
                for path in (self.folder / name for name in _RESULTS):
                    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        elif any(each.name != PAGE and not each.name.startswith(".") for each in self.folder.iterdir()):
            raise HodorError(f"{self.folder}: holds files that no run of tracking wrote; choose another --out")
        with written_aside(self.folder / _SESSION) as aside:
            aside.write_text(json.dumps(settings, indent=1))

    def _difference(self, settings: Mapping[str, Any]) -> str:
        """In what an earlier run had other settings, and the way out, in one line; "" if they were the same."""
        path = self.folder / _SESSION
        try:
            before = json.loads(path.read_text(encoding="utf-8"))
            differing = [key for key in {**before, **settings} if before.get(key) != settings.get(key)]
        except (ValueError, TypeError):
            return f"{path}: broken; add --overwrite to begin anew"
        if not differing:
            return ""
        told = [_short(each.get(differing[0])) for each in (before, settings)]
        return (
            f"{self.folder}: holds a run with another {differing[0]} ({told[0]} instead of {told[1]}); "
            "choose another --out, or add --overwrite"
        )

    def write_inputs(self, inputs: Mapping[str, Any]) -> None:
        """Keeps what the command was told, see `inputs_of`."""
        with written_aside(self.folder / INPUTS) as aside:
            aside.write_text(json.dumps(inputs, indent=1))

    def told(self) -> str:
        """What tells the inputs and given masks of the latest run from others; "" where none was kept."""
        path = self.folder / INPUTS
        if not path.is_file():
            return ""
        digest = hashlib.sha256(path.read_bytes())
        for index, content in sorted(_contents(self.folder / GIVEN).items()):
            digest.update(f"{index} {len(content)} ".encode() + content)
        return digest.hexdigest()

    def take(self, given: Path) -> None:
        """Takes a folder of label maps that are given, <index of the frame>.png, in the place of an earlier run's.

        What followed from other masks is forgotten; a pass backwards, whose masks are in all frames of the pass forwards before
        an object was given, where the first masks of objects are others.
        """
        new, old = _contents(given), _contents(self.folder / GIVEN)
        changed = [index for index in {**new, **old} if new.get(index) != old.get(index)]
        with folder_written_aside(self.folder / GIVEN) as aside:
            shutil.copytree(given, aside, dirs_exist_ok=True)
            if changed:
                self.forwards.forget_from(min(changed))
            if changed and self._backwards.is_dir() and _first_masks(aside) != _first_masks(self.folder / GIVEN):
                shutil.rmtree(self._backwards)
                self.forwards.forget_from(-1)

    def starts(self) -> dict[int, int]:
        """{object id: index of the first frame in which it is given}."""
        return {object_id: index for object_id, (index, _) in _first_masks(self.folder / GIVEN).items()}

    def given(self, index: int) -> np.ndarray | None:
        """The label map [H, W] uint8 that is given in a frame; None where there is none."""
        path = self.folder / GIVEN / f"{index}.png"
        return read_label_map(path) if path.is_file() else None


def _first_masks(folder: Path) -> dict[int, tuple[int, bytes]]:
    """{object id: (index of the first frame in which it is given, its mask there)} in a folder of <index>.png."""
    found: dict[int, tuple[int, bytes]] = {}
    for index in sorted(_contents(folder)):
        labels = read_label_map(folder / f"{index}.png")
        for object_id in present_ids(labels):
            found.setdefault(object_id, (index, (labels == object_id).tobytes()))
    return found


def _contents(folder: Path) -> dict[int, bytes]:
    return {int(path.stem): path.read_bytes() for path in folder.glob("[!.]*.png")}


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
