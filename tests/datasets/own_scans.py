"""Write scans of three points with labels, for the reader of a user's own files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pcseg.formats import write_cloud

COORD = np.array([[500000.125, 4500000, 10], [500001, 4500001, 11], [500002, 4500002, 12]])


def labeled(path: Path, labels: list[int]) -> None:
    """Write the points COORD with a label each, in the format of the ending."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_cloud(path, COORD, labels=np.array(labels))
