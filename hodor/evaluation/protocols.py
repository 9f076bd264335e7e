"""Which frames of which objects count: the rules of DAVIS and those of YouTube-VOS."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hodor.errors import HodorError
from hodor.evaluation.masks import SequenceMasks
from hodor.evaluation.measures import label_map_scores
from hodor.formats.label_maps import VOID, present_ids

PROTOCOLS = ("davis", "youtube_vos")
_Records = dict[int, list[tuple[str, float, float]]]  # object id -> scored frames, with their J and F


@dataclass(frozen=True)
class ObjectScores:
    """The scores of one object over time.

    Attributes:
        sequence: the video's name.
        object_id: 1..254.
        frames: names of the N scored frames in order; may be empty.
        region: J in these frames, `[N]` float64.
        contour: F in these frames, `[N]` float64.
    """

    sequence: str
    object_id: int
    frames: tuple[str, ...]
    region: np.ndarray
    contour: np.ndarray


@dataclass(frozen=True)
class SequencePair:
    """A sequence's predicted masks and its true ones.

    Attributes:
        prediction: what is scored.
        truth: the annotations; 255 in them is void and read as background.
        binary: the annotations are white on black (0/255 as in DAVIS 2016, or one bit), hence of one object, and predictions
            may be so, too.
    """

    prediction: SequenceMasks
    truth: SequenceMasks
    binary: bool

    @classmethod
    def of(cls, prediction: SequenceMasks, truth: SequenceMasks) -> "SequencePair":
        """Pairs them; the first annotation that is not empty tells whether these have ids or are white on black.

        Raises:
            HodorError: an annotation is broken.
        """
        for frame in truth.frames:
            labels = truth.read(frame)
            if labels.any():
                return cls(prediction, truth, truth.is_white_only(frame, labels))
        return cls(prediction, truth, False)

    def true_labels(self, frame: str) -> np.ndarray:
        """The annotation of a frame, `[H, W]` uint8, without void.

        Raises:
            HodorError: it is broken.
        """
        labels = self.truth.read(frame, binary=self.binary)
        labels[labels == VOID] = 0
        return labels

    def predicted_labels(self, frame: str, size: tuple[int, ...]) -> np.ndarray:
        """The prediction for a frame, `[H, W]` uint8.

        Raises:
            HodorError: it is missing, broken, or not of the annotation's `size` (H, W).
        """
        labels = self.prediction.read(frame)
        if labels.shape != size:
            found, wanted = ("{1}x{0}".format(*shape) for shape in (labels.shape, size))
            raise HodorError(
                f"{self.prediction.place(frame)}: the mask is {found}, but the true one is {wanted} (width x height)"
            )
        if self.binary and self.prediction.is_white_only(frame, labels):
            return (labels > 0).astype(np.uint8)
        return labels


def davis(pair: SequencePair) -> list[ObjectScores]:
    """Scores a sequence as DAVIS does in its semi-supervised task.

    The first and the last frame don't count. The objects are 1..highest id of the first annotation. One that a frame's
    prediction lacks has an empty mask there.

    Raises:
        HodorError: the first annotation shows no object; or a prediction is missing, broken, of another size, or has a
            higher id than the first annotation.
    """
    name, frames = pair.truth.sequence, pair.truth.frames
    count = int(pair.true_labels(frames[0]).max())
    if count == 0:
        raise HodorError(
            f"{pair.truth.place(frames[0])}: the first annotation of sequence {name!r} shows no object; "
            "where objects appear later, use --protocol youtube_vos"
        )
    records: _Records = {object_id: [] for object_id in range(1, count + 1)}
    for frame in frames[1:-1]:
        truth = pair.true_labels(frame)
        prediction = pair.predicted_labels(frame, truth.shape)
        highest = int(prediction.max())
        if highest > count:
            raise HodorError(_surplus(pair.prediction.place(frame), highest, name, f"the objects 1..{count}"))
        _score_frame(frame, prediction, truth, records, list(records))
    return _object_scores(name, records)


def youtube_vos(pair: SequencePair, include_prompt_frame: bool = False) -> list[ObjectScores]:
    """Scores a sequence as YouTube-VOS does: each object in all annotated frames from its first appearance on.

    Args:
        pair: the masks.
        include_prompt_frame: the frame of an object's first appearance counts, too.

    Raises:
        HodorError: no annotation shows an object; or a prediction is missing, broken, of another size, or has an id that
            no annotation has.
    """
    name = pair.truth.sequence
    records: _Records = {}
    seen_in: dict[int, str] = {}
    for frame in pair.truth.frames:
        truth = pair.true_labels(frame)
        scored = list(records)
        for object_id in present_ids(truth):
            if object_id not in records:
                records[object_id] = []
                scored += [object_id] * include_prompt_frame
        if scored:
            prediction = pair.predicted_labels(frame, truth.shape)
            for object_id in present_ids(prediction):
                seen_in.setdefault(object_id, pair.prediction.place(frame))
            _score_frame(frame, prediction, truth, records, scored)
    if not records:
        raise HodorError(f"{pair.truth.place(pair.truth.frames[0])}: no annotation of sequence {name!r} shows an object")
    for object_id in sorted(set(seen_in) - set(records)):
        raise HodorError(_surplus(seen_in[object_id], object_id, name, f"the objects {', '.join(map(str, sorted(records)))}"))
    return _object_scores(name, records)


def _score_frame(frame: str, prediction: np.ndarray, truth: np.ndarray, records: _Records, object_ids: Sequence[int]) -> None:
    scores = label_map_scores(prediction, truth, object_ids)
    for object_id, region, contour in zip(object_ids, *scores, strict=True):
        records[object_id].append((frame, float(region), float(contour)))


def _object_scores(sequence: str, records: _Records) -> list[ObjectScores]:
    """The scores that were collected, by object id."""
    result = []
    for object_id in sorted(records):
        frames, region, contour = zip(*records[object_id], strict=True) if records[object_id] else ((), (), ())
        result.append(ObjectScores(sequence, object_id, frames, np.array(region), np.array(contour)))
    return result


def _surplus(place: str, object_id: int, sequence: str, objects: str) -> str:
    hint = "; a prediction has no void, and 0/255 masks fit only annotations that are 0/255, too" if object_id == VOID else ""
    return f"{place}: the prediction has an object {object_id} too many: sequence {sequence!r} has {objects}{hint}"
