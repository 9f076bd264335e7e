"""From scores per frame to the numbers that are reported: of objects, of all, of categories seen in training and of others."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hodor.errors import HodorError
from hodor.evaluation.masks import RunLengthMasks, SequenceMasks
from hodor.evaluation.measures import Statistics, mean_statistics, statistics
from hodor.evaluation.protocols import ObjectScores
from hodor.formats.json_files import read_json


@dataclass(frozen=True)
class Score:
    """Region and contour of an object, or their plain means over several. NaN where no frame was scored.

    Attributes:
        region: statistics of J.
        contour: statistics of F.
    """

    region: Statistics
    contour: Statistics

    @property
    def overall(self) -> float:
        """J&F: the mean of the means of J and F, 0..1."""
        return (self.region.mean + self.contour.mean) / 2


@dataclass(frozen=True)
class ObjectSummary:
    """One object's scores, per frame and in total, and its category if it is known."""

    scores: ObjectScores
    score: Score
    category: str | None


@dataclass(frozen=True)
class Summary:
    """A whole evaluation.

    Attributes:
        objects: all objects of all sequences.
        score: their plain mean; objects without scored frames don't count.
        seen, unseen: the mean over the objects of categories that occur in training, and over the others; both None
            unless there are objects of either kind.
    """

    objects: tuple[ObjectSummary, ...]
    score: Score
    seen: Score | None = None
    unseen: Score | None = None

    @property
    def generalised(self) -> float | None:
        """G = (J_seen + J_unseen + F_seen + F_unseen) / 4, None without both kinds."""
        if self.seen is None or self.unseen is None:
            return None
        return (self.seen.overall + self.unseen.overall) / 2


def summarise(
    objects: Sequence[ObjectScores],
    categories: Mapping[tuple[str, int], str] | None = None,
    seen_categories: Collection[str] = (),
) -> Summary:
    """Totals over all objects.

    Args:
        objects: the scores of each.
        categories: {(sequence, object id): category}; None = unknown, hence no seen and unseen ones.
        seen_categories: those that occur in training.
    """
    categories = categories or {}
    summaries = []
    for each in objects:
        score = Score(statistics(each.region), statistics(each.contour))
        summaries.append(ObjectSummary(each, score, categories.get((each.sequence, each.object_id))))
    known = [each for each in summaries if each.scores.frames and each.category is not None]
    seen = [each for each in known if each.category in seen_categories]
    unseen = [each for each in known if each.category not in seen_categories]
    kinds = (mean_score(seen), mean_score(unseen)) if seen and unseen else ()
    return Summary(tuple(summaries), mean_score(summaries), *kinds)


def mean_score(objects: Sequence[ObjectSummary]) -> Score:
    """The plain mean over objects; those without scored frames don't count."""
    region, contour = ([getattr(each.score, name) for each in objects] for name in ("region", "contour"))
    return Score(mean_statistics(region), mean_statistics(contour))


def read_categories(
    ground_truth: Path, truth: Mapping[str, SequenceMasks], meta_file: Path | None
) -> dict[tuple[str, int], str]:
    """The category of each object, {(sequence, object id): category}.

    Args:
        ground_truth: the file or folder of the truth; beside a folder lies its meta.json.
        truth: its sequences; one from a JSON knows its categories.
        meta_file: a file like YouTube-VOS' meta.json, `{"videos": {sequence: {"objects": {id: {"category": name}}}}}`.
            None = what belongs to the truth.

    Raises:
        HodorError: the categories of a sequence are missing, or the file is broken.
    """
    if meta_file is None:
        own = {
            (name, object_id): category
            for name, masks in truth.items()
            if isinstance(masks, RunLengthMasks)
            for object_id, category in masks.categories.items()
        }
        if own:
            return own
        if ground_truth.is_file():
            raise HodorError(f"{ground_truth}: the sequences have no 'categories'; name a meta.json with --categories")
        meta_file = ground_truth.resolve().parent / "meta.json"
    videos = read_json(meta_file, missing="name one with --categories", broken="get it again").get("videos")
    found = {}
    for name in truth:
        for key, entry in videos.get(name).get("objects").entries().items():
            if not (key.isascii() and key.isdigit()):
                raise HodorError(f"{meta_file}: sequence {name!r}: {key!r} is no object id")
            found[name, int(key)] = entry.get("category").text()
    return found
