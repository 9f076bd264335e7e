"""Which frames of which objects count: the rules of DAVIS and those of YouTube-VOS."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from hodor.errors import HodorError
from hodor.evaluation.measures import Score, label_map_scores, statistics
from hodor.evaluation.pairs import SequencePair
from hodor.formats.label_maps import VOID, present_ids

PROTOCOLS = ("davis", "youtube_vos")


@dataclass
class ObjectScores:
    """The scores of one object over time."""

    sequence: str  # the video's name
    object_id: int  # 1..254
    frames: list[str] = field(default_factory=list)  # names of the N scored frames in order; may be empty
    region: list[float] = field(default_factory=list)  # J in these frames, N numbers in 0..1
    contour: list[float] = field(default_factory=list)  # F in these frames, likewise

    @cached_property
    def score(self) -> Score:
        """All frames in a few numbers, once there are all."""
        return Score(statistics(self.region), statistics(self.contour))


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
    objects = [ObjectScores(name, object_id) for object_id in range(1, count + 1)]
    for frame in frames[1:-1]:
        truth = pair.true_labels(frame)
        prediction = pair.predicted_labels(frame, truth.shape)
        highest = int(prediction.max())
        if highest > count:
            raise _surplus(pair.prediction.place(frame), highest, name, f"1..{count}")
        _score_frame(frame, prediction, truth, objects)
    return objects


def youtube_vos(pair: SequencePair, include_prompt_frame: bool = False) -> list[ObjectScores]:
    """Scores a sequence as YouTube-VOS does: each object in all annotated frames behind its first, or from it on.

    Raises:
        HodorError: no annotation shows an object; or a prediction is missing, broken, of another size, or has an id that
            no annotation has.
    """
    name = pair.truth.sequence
    objects: dict[int, ObjectScores] = {}
    seen_in: dict[int, str] = {}
    for frame in pair.truth.frames:
        truth = pair.true_labels(frame)
        before = list(objects)
        for object_id in present_ids(truth):
            objects.setdefault(object_id, ObjectScores(name, object_id))
        scored = list(objects) if include_prompt_frame else before
        if scored:
            prediction = pair.predicted_labels(frame, truth.shape)
            for object_id in present_ids(prediction):
                seen_in.setdefault(object_id, pair.prediction.place(frame))
            _score_frame(frame, prediction, truth, [objects[object_id] for object_id in scored])
    if not objects:
        raise HodorError(f"{pair.truth.place(pair.truth.frames[0])}: no annotation of sequence {name!r} shows an object")
    for object_id in sorted(seen_in.keys() - objects.keys()):
        raise _surplus(seen_in[object_id], object_id, name, ", ".join(map(str, sorted(objects))))
    return [objects[object_id] for object_id in sorted(objects)]


def _score_frame(frame: str, prediction: np.ndarray, truth: np.ndarray, objects: Sequence[ObjectScores]) -> None:
    regions, contours = label_map_scores(prediction, truth, [each.object_id for each in objects])
    for each, region, contour in zip(objects, regions.tolist(), contours.tolist(), strict=True):
        each.frames.append(frame)
        each.region.append(region)
        each.contour.append(contour)


def _surplus(place: str, object_id: int, sequence: str, objects: str) -> HodorError:
    hint = "; a prediction has no void, and 0/255 masks fit only annotations that are 0/255, too" if object_id == VOID else ""
    return HodorError(
        f"{place}: the prediction has an object {object_id} too many: sequence {sequence!r} has the objects {objects}{hint}"
    )
