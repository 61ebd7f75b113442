"""One activation from many that chance made."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


def aggregated(maps: Iterable[Tensor], threshold: float) -> Tensor:
    """Return the activation (N, K) of several, ``maps`` (N, K) each, in [0, 1]: the largest of each class.

    Where several classes exceed ``threshold``, in whichever map, the one of the largest mean is kept and the others
    become 0: FickleNet (arXiv 1902.10421). Raises ValueError for no map.
    """
    count, total, most = 0, None, None
    for found in maps:
        count += 1
        total = found if total is None else total + found
        most = found if most is None else torch.maximum(most, found)
    if total is None or most is None:
        raise ValueError("maps: none given")
    rivals = most > threshold
    best = torch.where(rivals, total / count, -1.0).argmax(dim=1, keepdim=True)
    return torch.where(rivals.scatter(1, best, False), 0.0, most)
