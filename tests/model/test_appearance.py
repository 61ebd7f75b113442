"""The channels of an input that say how elements look."""

from __future__ import annotations

import pytest
import torch

from pcseg.errors import InputError
from pcseg.model.appearance import Appearance
from pcseg.model.inputs import ImageInputs, VoxelInputs


def test_colors_of_pictures_come_to_be_from_minus_one_to_one() -> None:
    inputs = ImageInputs()
    color = torch.rand(5, 3)
    rows = (color - torch.tensor(inputs.mean)) / torch.tensor(inputs.std)
    seen = Appearance.of(inputs)
    torch.testing.assert_close(seen.read(rows), 2 * color - 1)
    torch.testing.assert_close(seen.write(torch.zeros(5, 3), 2 * color - 1), rows)


def test_of_clouds_colors_and_columns_are_appearance_and_the_rest_geometry() -> None:
    inputs = VoxelInputs(0.1, ("height", "optional_color", "normal", "intensity", "ones"))
    seen = Appearance.of(inputs)
    assert seen.columns == (1, 2, 3, 7)
    assert seen.width == 4
    rows = torch.rand(6, 9) - 0.5
    torch.testing.assert_close(seen.read(rows), 2 * rows[:, [1, 2, 3, 7]])
    other = torch.rand(6, 4)
    written = seen.write(rows, other)
    torch.testing.assert_close(seen.read(written), other)
    assert torch.equal(written[:, [0, 4, 5, 6, 8]], rows[:, [0, 4, 5, 6, 8]])


def test_gradients_pass_and_geometry_alone_is_refused() -> None:
    seen = Appearance.of(VoxelInputs(0.1, ("color", "height")))
    painted = torch.rand(4, 3, requires_grad=True)
    seen.write(torch.rand(4, 4), painted).sum().backward()
    torch.testing.assert_close(painted.grad, torch.full((4, 3), 0.5))
    with pytest.raises(InputError, match="height, normal: are geometry alone; add color"):
        Appearance.of(VoxelInputs(0.1, ("height", "normal")))
