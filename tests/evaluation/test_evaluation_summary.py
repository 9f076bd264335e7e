"""Totals over objects, of all, seen and unseen categories."""

import math

import pytest

from hodor.evaluation.protocols import ObjectScores
from hodor.evaluation.report import as_json, as_text
from hodor.evaluation.summary import Summary


def scores(object_id: int, *values: float) -> ObjectScores:
    """An object with these values as J and half of them as F."""
    frames = [f"{index}" for index in range(len(values))]
    return ObjectScores("clip", object_id, frames, list(values), [value / 2 for value in values])


CATEGORIES = {("clip", 1): "person", ("clip", 2): "ape", ("clip", 3): "person"}


def test_objects_count_alike_however_long() -> None:
    summary = Summary([scores(1, 1, 1, 1, 1), scores(2, 0.2), scores(3)])
    assert summary.score.region.mean == pytest.approx(0.6)
    assert summary.score.contour.mean == pytest.approx(0.3)
    assert summary.score.overall == pytest.approx(0.45)
    assert math.isnan(summary.objects[2].score.overall)
    assert summary.generalised is None


def test_generalised_score() -> None:
    summary = Summary([scores(1, 1.0), scores(2, 0.4), scores(3, 0.6)], CATEGORIES, {"person"})
    assert summary.generalised == pytest.approx((0.8 + 0.4 + 0.4 + 0.2) / 4)
    content = as_json(summary)
    assert (content["seen"]["J"]["mean"], content["unseen"]["F"]["mean"]) == pytest.approx((0.8, 0.2))
    assert as_text(summary).splitlines()[-1].startswith("G 0.450")


def test_no_generalised_score_where_one_kind_was_never_scored() -> None:
    summary = Summary([scores(1, 1.0), scores(2), scores(3, 0.6)], CATEGORIES, {"person"})
    assert (summary.kinds, summary.generalised) == ({}, None)
    assert "G" not in as_json(summary)
