"""Masks that hide a cell of space in one view alone."""

from __future__ import annotations

import pytest
import torch

from pcseg.errors import InputError
from pcseg.pseudo.masking import cross_masks

N = 4000


def views(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Points of two scenes, each seen twice, the second time turned, moved and in another order.

    Returns position, sample, matches and the place (4 * N, 3) of each point in the first view of its scene.
    """
    first = torch.rand(2, N, 3, generator=generator) * 4
    order = torch.stack([torch.randperm(N, generator=generator) for _ in range(2)])
    turned = torch.stack([f[o] for f, o in zip(first, order, strict=True)])
    place = torch.stack([first[0], turned[0], first[1], turned[1]]).reshape(-1, 3)
    position = torch.stack([first[0], -turned[0].flip(1) + 9, first[1], -turned[1].flip(1) + 9]).reshape(-1, 3)
    sample = torch.arange(4).repeat_interleave(N)
    matches = torch.cat([torch.stack([order[s] + 2 * s * N, torch.arange(N) + (2 * s + 1) * N]) for s in (0, 1)], dim=1)
    return position, sample, matches, place


def test_whole_cells_are_hidden_and_none_in_two_views() -> None:
    torch.manual_seed(0)
    position, sample, matches, place = views(torch.Generator().manual_seed(1))
    masked = cross_masks(position, sample, matches, 0.5, 0.4)
    assert not (masked[matches[0]] & masked[matches[1]]).any()
    for view in range(4):
        here = sample == view
        assert float(masked[here].float().mean()) == pytest.approx(0.4, abs=0.1)  # of 512 cells: 4.6 deviations
        cell = (place[here] // 0.5) @ torch.tensor([64.0, 8.0, 1.0])
        share = torch.zeros(512).index_add(0, cell.long(), masked[here].float()) / torch.bincount(cell.long())
        assert set(share.tolist()) == {0.0, 1.0}
    assert not torch.equal(cross_masks(position, sample, matches, 0.5, 0.4), masked)
    assert not cross_masks(position, sample, matches, 0.5, 0.0).any()


def test_an_element_without_a_match_has_a_cell_of_its_own_view() -> None:
    torch.manual_seed(0)
    position, sample, matches, _ = views(torch.Generator().manual_seed(1))
    masked = cross_masks(position, sample, matches[:, :0], 0.5, 0.4)
    assert float(masked.float().mean()) == pytest.approx(0.4, abs=0.05)
    with pytest.raises(InputError, match=r"mask=0\.6: give a share from 0 to 0\.5"):
        cross_masks(position, sample, matches, 0.5, 0.6)
