"""Which predicted masks are compared with which true ones."""

import difflib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from hodor.errors import HodorError
from hodor.evaluation.masks import SequenceMasks, read_sequences
from hodor.files import read_names
from hodor.formats.label_maps import VOID


@dataclass(frozen=True)
class SequencePair:
    """A sequence's masks to score and its annotations; reading them raises a HodorError where they are missing or broken."""

    prediction: SequenceMasks
    truth: SequenceMasks

    @cached_property
    def is_binary(self) -> bool:
        """Whether the first annotation that is not empty is white on black (0/255 as in DAVIS 2016, or one bit).

        Then all are of one object, and predictions may be so, too.
        """
        for frame in self.truth.frames:
            labels = self.truth.read(frame)
            if labels.any():
                return self.truth.is_white_only(frame, labels)
        return False

    def true_labels(self, frame: str) -> np.ndarray:
        """The annotation of a frame, `[H, W]` uint8, in which void has become background."""
        labels = self.truth.read(frame, binary=self.is_binary)
        labels[labels == VOID] = 0
        return labels

    def predicted_labels(self, frame: str, size: tuple[int, ...]) -> np.ndarray:
        """The prediction for a frame, `[H, W]` uint8, which must have the annotation's `size` (H, W)."""
        labels = self.prediction.read(frame)
        if labels.shape != size:
            found, wanted = ("{1}x{0}".format(*shape) for shape in (labels.shape, size))
            raise HodorError(
                f"{self.prediction.place(frame)}: the mask is {found}, but the true one is {wanted} (width x height)"
            )
        if self.is_binary and self.prediction.is_white_only(frame, labels):
            return (labels > 0).astype(np.uint8)
        return labels


def read_truth(path: Path, chosen: Sequence[str] | None) -> dict[str, SequenceMasks]:
    """The ground truth by sequence; `chosen` are the names of those that count or one file that lists them, None = all.

    Raises:
        HodorError: there is none, it is broken, or lacks a chosen sequence.
    """
    truth = read_sequences(path)
    if not truth:
        raise HodorError(f"{path}: the ground truth is empty; it must hold <sequence>/<frame>.png or be a JSON with sequences")
    if chosen is None:
        return truth
    source, names = "--sequences", list(dict.fromkeys(chosen))
    if len(chosen) == 1 and (Path(chosen[0]).is_file() or (chosen[0] not in truth and Path(chosen[0]).suffix)):
        source, names = chosen[0], read_names(Path(chosen[0]), "--sequences", "sequence")
    for name in names:
        if name not in truth:
            close = difflib.get_close_matches(name, list(truth), n=1, cutoff=0.5)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise HodorError(f"{source}: sequence {name!r} is not in the ground truth {path}{hint}")
    return {name: truth[name] for name in names}


def pair_predictions(results: Path, truth: Mapping[str, SequenceMasks]) -> list[SequencePair]:
    """All true sequences with their predictions, in the order of the truth.

    Raises:
        HodorError: a sequence has no predictions, or their file is broken.
    """
    found = read_sequences(results)
    surplus = [name for name in found if name not in truth]
    if surplus:
        names = [*surplus[:5], "..."] if len(surplus) > 5 else surplus
        logging.warning("%s: %d sequences have no ground truth and are left out: %s", results, len(surplus), ", ".join(names))
    for name in truth:
        if (results / name).is_dir():  # which also finds a/b, and one whose every frame is missing
            found[name] = SequenceMasks(name, results / name, ())
    missing = [name for name in truth if name not in found]
    if missing:
        others = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise HodorError(
            f"{results}: no masks for sequence {missing[0]!r}{others}; the ground truth has {len(truth)} sequences; "
            "if not all of them are wanted, list those that are with --sequences"
        )
    return [SequencePair(found[name], masks) for name, masks in truth.items()]
