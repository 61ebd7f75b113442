"""Device of the tests of Triton: a GPU, or the CPU in Triton's interpreter (see tests/conftest.py)."""

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
    """Repair loops to a loaded bound in Triton 3.6's interpreter: since numpy 2.4 an array of one number is no int."""
    from triton.runtime import interpreter  # imported only where Triton is installed

    original = interpreter._patch_lang_tensor

    def patched(tensor: Any, *scope: Any) -> None:
        original(tensor, *scope)
        index = lambda self: self.handle.data.item()  # noqa: E731
        scope[0].set_attr(tensor, "__index__", index) if scope else setattr(tensor, "__index__", index)

    interpreter._patch_lang_tensor = patched
