"""Labels from class activation: the class that is seen best where one is seen well enough, else none or background."""

from __future__ import annotations

import torch
from torch import Tensor

from pcseg.classes import IGNORE


def labels_of_activation(
    activation: Tensor, high: float, low: float | None = None, background: int | None = None
) -> Tensor:
    """Return labels (E,) int64 from the ``activation`` (E, K) in [0, 1] of each class at each element, 0 where denied.

    The class of the largest activation where that is at least ``high``. With ``background``, a class that has no
    activation of its own, elements whose largest is at most ``low`` have that class. All others are IGNORE. Two
    thresholds as in CoSA (arXiv 2402.17891, Eq. 3).
    """
    if background is not None:
        activation = activation.clone()
        activation[:, background] = 0
    highest, label = activation.max(dim=1)
    label = torch.where(highest >= high, label, IGNORE)
    if background is None:
        return label
    assert low is not None
    return torch.where(highest <= low, background, label)
