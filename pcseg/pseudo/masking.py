"""Hide cells of space in one view that another view shows."""

from __future__ import annotations

import torch
from torch import Tensor

from pcseg.errors import InputError
from pcseg.ops import quantize, voxelize


def cross_masks(position: Tensor, sample: Tensor, matches: Tensor, size: float, ratio: float) -> Tensor:
    """Return (E,) bool: the elements to hide, whole cubes of edge ``size``, never the same cube in two views.

    The masks of masked scene contrast (arXiv 2303.14191, Section 3.3): a share ``ratio`` of the cells is hidden in the
    first view of a scene and as many others in its later views. ``position`` (E, 3), in the unit of ``size``, and
    ``sample`` (E,) int64 as in Elements; ``matches`` (2, M) int64 are elements of two views that are the same point. An
    element of a later view belongs to the cell of its match in the first, however the views were turned; one without
    a match to a cell of its own view, as if that were the first. Drawn from the global generator. Raises InputError
    for a ratio that is not in [0, 0.5], or a size that is not above 0.
    """
    if not 0 <= ratio <= 0.5:
        raise InputError(f"mask={ratio:g}: give a share from 0 to 0.5, so that two views can hide different cells")
    own = torch.arange(len(position), device=position.device)
    earlier, later = matches.sort(dim=0).values
    first = own.scatter_reduce(0, later, earlier, "amin")
    cells = torch.cat([sample[first, None].int(), quantize(position[first], size)], dim=1)
    voxels = voxelize(cells)
    lot = torch.rand(len(voxels.rows), device=position.device)[voxels.inverse]
    return torch.where(first == own, lot < ratio, (lot >= ratio) & (lot < 2 * ratio))
