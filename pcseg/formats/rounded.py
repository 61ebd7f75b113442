"""Tell whether coordinates were rounded to float32 far from zero, before or in writing a file."""

from __future__ import annotations

import numpy as np

from pcseg.formats.defects import Defect

COARSE = 0.001
"""Steps between coordinates, in meters, that are not reported."""

_RUNS, _RUN = 100, 1000
"""Number of runs of points that are looked at in a large scan, and points of a run."""


def float32_step(coord: np.ndarray) -> float:
    """Return the step, in the unit of ``coord`` (P, 3), between neighboring coordinates that float32 left; else 0.

    An axis counts where its values are all numbers of float32, an eighth to seven eighths of them odd multiples of its
    step, and that step is above COARSE and a millionth of the extent: scans that begin near zero lose nothing
    that matters at their size. It does not where an axis of finer steps lies on the same grid, as in rasters of whole
    meters. Few strays or points without a place change nothing.
    """
    steps = [0.0]
    if len(coord) > _RUNS * _RUN:
        first = np.linspace(0, len(coord) - _RUN, _RUNS, dtype=np.int64)
        coord = coord[(first[:, None] + np.arange(_RUN)).reshape(-1)]
    columns = [np.asarray(column[np.isfinite(column)], dtype=np.float64) for column in coord.T]
    for values in filter(len, columns):
        with np.errstate(over="ignore"):
            narrow = values.astype(np.float32)
        if not np.array_equal(narrow, values):
            continue
        finest = (narrow.view(np.uint32) & 1).mean()
        step = _spacing(values)
        extent = float(np.subtract(*np.percentile(values, (95, 5))))
        finer = [other for other in columns if len(other) and _spacing(other) < step and np.ptp(other) > 0]
        raster = any(np.array_equal(np.rint(other / step) * step, other) for other in finer)
        if 1 / 8 <= finest <= 7 / 8 and step > max(COARSE, 1e-6 * extent) and not raster:
            steps.append(step)
    return max(steps)


def _spacing(values: np.ndarray) -> float:
    """Return the step of float32 at the median size of ``values`` (P,)."""
    with np.errstate(all="ignore"):  # values that float32 does not hold have none
        return float(np.spacing(np.float32(np.median(np.abs(values)))))


def rounding_defects(where: str, coord: np.ndarray) -> tuple[Defect, ...]:
    """Return a report on coordinates (P, 3) that float32 rounded, if it did."""
    step = float32_step(coord)
    if not step:
        return ()
    found = f"the coordinates were rounded to float32, to steps of {step:g} so far from zero"
    return (Defect(where, None, found, "kept so; export them again as double, or moved to zero"),)
