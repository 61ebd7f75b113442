"""One check for the sizes of all layers: channels, kernels, strides and the like are whole numbers of at least 1."""

from __future__ import annotations

from numbers import Integral
from typing import Any

from pcseg.errors import InputError


def check_sizes(where: str, **sizes: Any) -> None:
    """Raise InputError unless each of ``sizes`` is a whole number of at least 1; ``where`` names the layer."""
    for name, value in sizes.items():
        if not isinstance(value, Integral) or int(value) < 1:
            raise InputError(f"{where}: {name}={value}; give a whole number, at least 1")
