"""Whether Triton's kernels run here: on a GPU, or on the CPU in Triton's interpreter (see tests/conftest.py)."""

from __future__ import annotations

import functools
import importlib.util
from typing import Any

import pytest
import torch

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"

needs_triton = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed")


@functools.cache
def repair_interpreter() -> None:
    """From numpy 2.4 on an array of one number is no int: loops to a loaded bound fail in Triton 3.6's interpreter."""
    from triton.runtime import interpreter  # only where Triton is

    original = interpreter._patch_lang_tensor

    def patched(tensor: Any, *scope: Any) -> None:
        original(tensor, *scope)
        index = lambda self: self.handle.data.item()  # noqa: E731
        scope[0].set_attr(tensor, "__index__", index) if scope else setattr(tensor, "__index__", index)

    interpreter._patch_lang_tensor = patched
