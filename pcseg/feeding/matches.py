"""Which elements of several views show the same point of a scene."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import torch
from torch import Tensor


class View(NamedTuple):
    """A sample of a batch: its ``view`` number (None: it is no view), and the ``point`` (n,) int64 of its scene that
    each ``element`` (n,) int64 of the batch holds; an element may hold several points.
    """

    view: int | None
    point: Tensor
    element: Tensor


def matches(samples: Sequence[View]) -> Tensor | None:
    """Return pairs of elements (2, M) int64 that hold the same point of a scene in two views, each pair once.

    Those of the earlier sample come first. None where no sample is a view.
    """
    known: dict[int, list[View]] = {}
    for sample in samples:
        if sample.view is not None:
            known.setdefault(sample.view, []).append(sample)
    found = [_common(*pair) for views in known.values() for pair in combinations(views, 2)]
    return torch.cat(found, dim=1) if found else None


def _common(first: View, second: View) -> Tensor:
    largest = max(int(view.point.max()) if len(view.point) else -1 for view in (first, second))
    at = torch.full((1 + largest,), -1)
    at[first.point] = first.element
    there = at[second.point]
    own, other = torch.stack([there, second.element])[:, there >= 0]
    count = 1 + (int(other.max()) if len(other) else 0)
    pair = torch.unique(own * count + other)  # by one number: unique columns take ten times as long
    return torch.stack([pair // count, pair % count])
