"""Pairs of elements that hold a point of a scene in two views, against a search through all."""

from __future__ import annotations

import torch

from pcseg.feeding.matches import View, matches


def test_each_pair_once_those_of_the_earlier_sample_first() -> None:
    generator = torch.Generator().manual_seed(0)
    views, start = [], 0
    for view in (7, None, 7, 9, 7):
        point = torch.randperm(60, generator=generator)[:40]
        element = torch.randint(15, (40,), generator=generator) + start  # an element holds several points
        views.append(View(view, point, element))
        start += 15
    wanted = set()
    for i, first in enumerate(views):
        for second in views[i + 1 :]:
            if first.view is not None and first.view == second.view:
                for p, e in zip(first.point.tolist(), first.element.tolist(), strict=True):
                    where = second.element[second.point == p].tolist()
                    wanted |= {(e, other) for other in where}
    found = matches(views)
    assert found is not None
    pairs = [tuple(pair) for pair in found.T.tolist()]
    assert len(pairs) == len(set(pairs))
    assert set(pairs) == wanted
    first = [pair for pair in pairs if pair[0] < 15 and 30 <= pair[1] < 45]
    assert first == sorted(first)


def test_views_that_share_nothing_and_samples_that_are_no_views() -> None:
    one, none = torch.tensor([1, 2]), torch.empty(0, dtype=torch.int64)
    assert matches([View(None, one, one), View(None, one, one)]) is None
    for other in (View(3, one + 5, one + 5), View(3, none, none)):
        found = matches([View(3, one, one), other])
        assert found is not None
        assert found.shape == (2, 0)
