"""Which frames of which objects count: the rules of DAVIS and those of YouTube-VOS."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from hodor.errors import HodorError
from hodor.evaluation.masks import SequenceMasks, present_ids
from hodor.evaluation.measures import label_map_scores
from hodor.formats.label_maps import VOID

PROTOCOLS = ("davis", "youtube_vos")


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


@dataclass
class _Record:
    """Scores of one object while they are collected."""

    frames: list[str] = field(default_factory=list)
    region: list[float] = field(default_factory=list)
    contour: list[float] = field(default_factory=list)

    def scores(self, sequence: str, object_id: int) -> ObjectScores:
        return ObjectScores(sequence, object_id, tuple(self.frames), np.array(self.region), np.array(self.contour))


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
    records: dict[int, _Record] = {object_id: _Record() for object_id in range(1, count + 1)}
    for frame in frames[1:-1]:
        truth = pair.true_labels(frame)
        prediction = pair.predicted_labels(frame, truth.shape)
        highest = int(prediction.max())
        if highest > count:
            raise HodorError(_surplus(pair.prediction.place(frame), highest, name, f"the objects 1..{count}"))
        _score_frame(frame, prediction, truth, records, list(records))
    return [record.scores(name, object_id) for object_id, record in records.items()]


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
    records: dict[int, _Record] = {}
    seen_in: dict[int, str] = {}
    for frame in pair.truth.frames:
        truth = pair.true_labels(frame)
        scored = list(records)
        for object_id in present_ids(truth):
            if object_id not in records:
                records[object_id] = _Record()
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
    return [records[object_id].scores(name, object_id) for object_id in sorted(records)]


def _score_frame(
    frame: str, prediction: np.ndarray, truth: np.ndarray, records: dict[int, _Record], object_ids: Sequence[int]
) -> None:
    region, contour = label_map_scores(prediction, truth, object_ids)
    for index, object_id in enumerate(object_ids):
        records[object_id].frames.append(frame)
        records[object_id].region.append(float(region[index]))
        records[object_id].contour.append(float(contour[index]))


def _surplus(place: str, object_id: int, sequence: str, objects: str) -> str:
    hint = "; a prediction has no void, and 0/255 masks fit only annotations that are 0/255, too" if object_id == VOID else ""
    return f"{place}: the prediction has an object {object_id} too many: sequence {sequence!r} has {objects}{hint}"
