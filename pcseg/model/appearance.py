"""The part of a network's input that says how elements look, apart from where they are."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pcseg.errors import InputError
from pcseg.model.inputs import ImageInputs, Inputs

COLORS = ("color", "optional_color")
"""Features that hold colors."""


@dataclass(frozen=True)
class Appearance:
    """A channels of the input, ``columns`` (A,), as numbers from -1 to 1: ``gain`` (A,) * channel + ``shift`` (A,).

    Of pictures they are the colors; of clouds the colors and the columns of the scan, such as intensity, while height,
    normals and what else follows from the coordinates is geometry.
    """

    columns: tuple[int, ...]
    gain: tuple[float, ...]
    shift: tuple[float, ...]

    @classmethod
    def of(cls, inputs: Inputs) -> Appearance:
        """Return that of a network's inputs; raises InputError where they hold geometry alone."""
        if isinstance(inputs, ImageInputs):
            pairs = list(zip(inputs.mean, inputs.std, strict=True))
            return cls((0, 1, 2), tuple(2 * std for _, std in pairs), tuple(2 * mean - 1 for mean, _ in pairs))
        columns: list[int] = []
        start = 0
        for feature in inputs.features.each:
            if feature.name in COLORS or feature.is_column:
                columns += range(start, start + feature.width)
            start += feature.width
        if not columns:
            raise InputError(
                f"features {', '.join(inputs.features.names)}: are geometry alone; add color or optional_color"
            )
        return cls(tuple(columns), (2.0,) * len(columns), (0.0,) * len(columns))

    @property
    def width(self) -> int:
        """Number of channels A."""
        return len(self.columns)

    def read(self, rows: Tensor) -> Tensor:
        """Return the appearance (E, A) of elements from all channels (E, F) of the input."""
        return rows[:, self.columns] * rows.new_tensor(self.gain) + rows.new_tensor(self.shift)

    def write(self, rows: Tensor, appearance: Tensor) -> Tensor:
        """Return channels (E, F) of the input with another ``appearance`` (E, A)."""
        channels = (appearance - rows.new_tensor(self.shift)) / rows.new_tensor(self.gain)
        return rows.index_copy(1, torch.tensor(self.columns, device=rows.device), channels.to(rows.dtype))
