"""Hold the points of one file in memory."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pcseg.formats.defects import Defect


@dataclass(frozen=True)
class Cloud:
    """P points in the order of the file.

    ``coord`` (P, 3) float64 exactly as in the file: UTM coordinates keep their precision, NaN stays NaN. ``color`` (P,
    3) uint8 or None; ``normal`` (P, 3) float32 or None; ``fields``: every other column of the file by name, each (P,).
    ``named``: False if the file has no column names, so that those of ``fields`` are a guess. ``defects``: everything
    that was left out or changed in reading. ``black``: True if the file has colors, all of them black, so that
    ``color`` is None.
    """

    coord: np.ndarray
    color: np.ndarray | None = None
    normal: np.ndarray | None = None
    fields: dict[str, np.ndarray] = field(default_factory=dict)
    named: bool = True
    defects: tuple[Defect, ...] = ()
    black: bool = False

    def __len__(self) -> int:
        return len(self.coord)
