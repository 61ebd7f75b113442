"""Types, devices and reductions over which tests of this interface run."""

from typing import Any

import torch
from torch import Tensor

reductions = ["sum", "add", "mean", "min", "max"]
grad_dtypes = [torch.float32, torch.float64]
dtypes = [torch.float16, torch.bfloat16, *grad_dtypes, torch.int32, torch.int64]
devices = [torch.device("cpu"), *([torch.device("cuda", 0)] if torch.cuda.is_available() else [])]


def tensor(x: Any, dtype: torch.dtype, device: torch.device) -> Tensor | None:
    """Return the nested list ``x`` as a tensor of ``dtype`` on ``device``; None for None."""
    return None if x is None else torch.tensor(x).to(device, dtype)
