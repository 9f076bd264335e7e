"""From scores of objects to the numbers that are reported: over all, over categories seen in training and over others."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from hodor.errors import HodorError
from hodor.evaluation.masks import SequenceMasks
from hodor.evaluation.measures import Score, mean_score
from hodor.evaluation.protocols import ObjectScores
from hodor.formats.json_files import read_json
from hodor.formats.label_maps import VOID

Categories = Mapping[tuple[str, int], str]
"""{(sequence, object id): category}."""


@dataclass(frozen=True)
class Summary:
    """A whole evaluation."""

    objects: Sequence[ObjectScores]  # all objects of all sequences
    categories: Categories = field(default_factory=dict)  # of those objects whose are known
    seen_categories: Collection[str] = ()  # those that occur in training

    @cached_property
    def score(self) -> Score:
        """The plain mean over the objects; those without scored frames don't count."""
        return mean_score([each.score for each in self.objects])

    @cached_property
    def kinds(self) -> Mapping[str, Score]:
        """The means over the "seen" and the "unseen" categories' objects; empty unless there are scored ones of either kind."""
        kinds: dict[str, list[Score]] = {"seen": [], "unseen": []}
        for each in self.objects:
            category = self.categories.get((each.sequence, each.object_id))
            if each.frames and category is not None:
                kinds["seen" if category in self.seen_categories else "unseen"].append(each.score)
        return {kind: mean_score(scores) for kind, scores in kinds.items()} if all(kinds.values()) else {}

    @property
    def generalised(self) -> float | None:
        """G = (J_seen + J_unseen + F_seen + F_unseen) / 4, None without both kinds."""
        return (self.kinds["seen"].overall + self.kinds["unseen"].overall) / 2 if self.kinds else None


def read_categories(ground_truth: Path, truth: Mapping[str, SequenceMasks], meta_file: Path | None) -> Categories:
    """The category of each object, from `{"videos": {sequence: {"objects": {id: {"category": name}}}}}` as YouTube-VOS has it.

    Without such a file it is what a JSON of the truth says itself, or the meta.json beside a folder of it.

    Raises:
        HodorError: the categories of a sequence are missing, or the file is broken.
    """
    if meta_file is None:
        own = {(name, object_id): each for name, masks in truth.items() for object_id, each in masks.categories.items()}
        if own:
            return own
        if ground_truth.is_file():
            raise HodorError(f"{ground_truth}: the sequences have no 'categories'; name a meta.json with --categories")
        meta_file = ground_truth.resolve().parent / "meta.json"
    videos = read_json(meta_file, missing="name one with --categories", broken="get it again").get("videos")
    found = {}
    for name in truth:
        for object_id, entry in videos.get(name).get("objects").numbered(0, VOID, "an object id").items():
            found[name, object_id] = entry.get("category").text()
    return found
