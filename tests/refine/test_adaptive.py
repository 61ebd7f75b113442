"""Refinement by neighbors of like color: weights by hand, edges that hold, elements that are alone."""

from __future__ import annotations

import math

import pytest
import torch

from pcseg.elements import pixel_pairs
from pcseg.errors import InputError
from pcseg.refine.adaptive import adaptive_refinement


def test_a_step_is_the_mean_over_neighbors_by_hand() -> None:
    """A row of three: the middle one has two neighbors, at distances 0.1 and 0.3 of color."""
    color = torch.tensor([[0.5, 0, 0], [0.4, 0, 0], [0.1, 0, 0]])
    values, pairs = torch.tensor([[1.0, 0], [0, 0], [0, 1]]), torch.tensor([[0, 1], [1, 2]])
    spread = (0.1**2 + 0.3**2) / 2
    score = [math.exp(-(d**2) / (0.09 * spread)) for d in (0.1, 0.3)]
    expected = [[0, 0], [score[0] / sum(score), score[1] / sum(score)], [0, 0]]
    torch.testing.assert_close(adaptive_refinement(values, color, pairs, 1), torch.tensor(expected))


def test_values_spread_within_colors_and_not_across() -> None:
    """The left half of a picture is dark; one pixel of it is seen, all of its half comes to be."""
    color = torch.zeros(8, 8, 3)
    color[:, 4:] = 0.8
    seen = torch.zeros(8, 8)
    seen[4, 1] = 1
    found = adaptive_refinement(seen.view(-1, 1), color.view(-1, 3), pixel_pairs(1, 8, 8), 20).view(8, 8)
    assert float(found[:, :4].min()) > 0
    assert float(found[:, 4:].max()) < 1e-3 * float(found[:, :4].min())


def test_constants_and_the_lonely_stay() -> None:
    color = torch.rand(5, 3)
    pairs = torch.tensor([[0, 1], [1, 2]])
    torch.testing.assert_close(adaptive_refinement(torch.full((5, 2), 0.3), color, pairs, 5), torch.full((5, 2), 0.3))
    values = torch.arange(5.0)[:, None]
    assert adaptive_refinement(values, color, pairs, 3)[3:].flatten().tolist() == [3, 4]
    assert torch.equal(adaptive_refinement(values, color, torch.zeros(2, 0, dtype=torch.int64)), values)
    with pytest.raises(InputError, match="iterations=0"):
        adaptive_refinement(values, color, pairs, 0)
