"""The painter of label cycles, on pixels and voxels, and critics of single elements."""

from __future__ import annotations

import pytest
import torch

from pcseg.errors import InputError
from pcseg.nn.critic import element_critic
from pcseg.nn.painter import Painter
from pcseg.sparse import SparseTensor


def test_it_paints_every_element_from_minus_one_to_one() -> None:
    pixels = Painter(4, 3, voxels=False)(torch.rand(2, 4, 6, 5))
    assert pixels.shape == (2 * 6 * 5, 3)
    coords = torch.cartesian_prod(torch.arange(2), torch.arange(3), torch.arange(3), torch.arange(2)).int()
    voxels = Painter(4, 2, voxels=True)(SparseTensor(torch.rand(36, 4), coords))
    assert voxels.shape == (36, 2)
    assert all(bool((x.abs() <= 1).all()) for x in (pixels, voxels))


@pytest.mark.parametrize("voxels", [False, True])
def test_it_sees_seven_elements_to_each_side(voxels: bool) -> None:
    painter = Painter(1, 1, voxels).eval()
    row = torch.zeros(1, 21)
    row[0, 10] = 1.0

    def paint(values: torch.Tensor) -> torch.Tensor:
        if not voxels:
            return painter(values.view(1, 1, 1, 21))
        coords = torch.zeros(21, 4, dtype=torch.int32)
        coords[:, 1] = torch.arange(21)
        return painter(SparseTensor(values.view(21, 1), coords))

    moved = (paint(row) != paint(0 * row)).flatten().nonzero().flatten()
    assert moved.min() >= 3
    assert moved.max() <= 17
    assert len(moved) > 7


def test_a_critic_scores_each_element_on_its_own() -> None:
    critic = element_critic(3)
    values = torch.rand(5, 3)
    torch.testing.assert_close(critic(values)[2:3], critic(values[2:3]))
    assert critic(values).shape == (5, 1)


def test_sizes_are_checked() -> None:
    with pytest.raises(InputError, match="width=0"):
        Painter(4, 3, True, width=0)
    with pytest.raises(InputError, match="cin=0"):
        element_critic(0)
