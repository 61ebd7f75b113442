"""The point that stands for a voxel, with and without confidences of labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pcseg.classes import IGNORE
from pcseg.feeding.collate import collate
from pcseg.feeding.features import Features
from pcseg.feeding.sample import Sample, make_sample
from pcseg.scenes.points import Points


def cloud(rng: np.random.Generator, count: int = 200) -> Points:
    """Points on 27 voxels of 1 m, half of them labeled, with one of four confidences each."""
    labels = np.where(rng.random(count) < 0.5, rng.integers(0, 3, count), IGNORE).astype(np.int16)
    weight = np.where(labels == IGNORE, 0, rng.choice([0.25, 0.5, 0.75, 1], count)).astype(np.float32)
    coord = rng.uniform(0, 3, (count, 3)).astype(np.float32)
    row = rng.permutation(count).astype(np.int32)
    return Points(coord, {"labels": labels, "weight": weight, "row": row})


def sample_of(points: Points) -> Sample:
    return make_sample(points, Features(["ones"]), 1.0)


@given(st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_a_voxel_is_its_labeled_point_of_the_largest_weight_and_the_first_of_equals(seed: int) -> None:
    points = cloud(np.random.default_rng(seed))
    sample = sample_of(points)
    assert sample.weights is not None
    assert sample.point is not None
    inside = np.floor(points.coord).astype(int)
    for n, voxel in enumerate(sample.coords.numpy()):
        rows = np.flatnonzero((inside == voxel).all(axis=1))
        assert (sample.inverse.numpy()[rows] == n).all()
        known = rows[points.labels[rows] != IGNORE]
        chosen = rows[0] if not len(known) else max(known, key=lambda row: (points.attributes["weight"][row], -row))
        assert np.array_equal(sample.position[n], points.coord[chosen])
        assert sample.labels[n] == points.labels[chosen]
        assert sample.weights[n] == points.attributes["weight"][chosen]
        assert sample.point[n] == points.attributes["row"][chosen]


def test_a_given_label_is_not_lost_to_a_guess_before_it() -> None:
    coord = np.full((3, 3), 0.5, dtype=np.float32)
    labels, weight = np.array([IGNORE, 1, 2], dtype=np.int16), np.array([0, 0.999, 1], dtype=np.float32)
    sample = sample_of(Points(coord, {"labels": labels, "weight": weight}))
    assert sample.labels.tolist() == [2]
    assert sample.weights is not None
    assert sample.weights.tolist() == [1]


def test_equal_weights_choose_as_no_weights_do() -> None:
    points = cloud(np.random.default_rng(0))
    plain = Points(points.coord, {"labels": points.labels})
    equal = points.having(weight=np.where(points.labels == IGNORE, 0, 1).astype(np.float32))
    for name in ("coords", "position", "labels", "inverse"):
        assert torch.equal(getattr(sample_of(plain), name), getattr(sample_of(equal), name))
    assert sample_of(plain).weights is None
    assert sample_of(plain).point is None


def test_a_batch_has_the_numbers_of_points_where_all_samples_have() -> None:
    first, second = (sample_of(cloud(np.random.default_rng(seed))) for seed in (0, 1))
    assert first.point is not None
    assert second.point is not None
    both = collate([first, second]).point
    assert both is not None
    assert torch.equal(both, torch.cat([first.point, second.point]))
    assert collate([first, replace(second, point=None)]).point is None
