"""Read ScanNet's objects: over-segments, their aggregation to objects, and the NYU40 ids of raw categories."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np

from pcseg.datasets.frame_labels import TABLE
from pcseg.errors import InputError
from pcseg.files import read_json, read_text
from pcseg.formats.defects import Defect


def read_segments(file: Path, count: int) -> np.ndarray | None:
    """Return the segment of each vertex (P,) int64 from a ``.segs.json``, or None if there is no such file."""
    if not file.is_file():
        return None
    content = read_json(file)
    try:
        segments = np.asarray(content["segIndices"])
        if segments.dtype.kind not in "iu":
            raise TypeError(f"they are {segments.dtype}")
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{file}: no list segIndices of whole numbers; download the scene again") from error
    if segments.shape != (count,):
        raise InputError(f"{file}: {segments.size} segments for {count} vertices; download the scene again")
    return segments.astype(np.int64)


def read_objects(file: Path, segments: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Return the object of each vertex (P,) int64, -1 for none, and the raw category of each, from
    ``.aggregation.json``.
    """
    content = read_json(file)
    try:
        groups = [([int(s) for s in g["segments"]], str(g["label"])) for g in content["segGroups"]]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{file}: no segGroups with segments and label; download the scene again") from error
    numbers, inverse = np.unique(segments, return_inverse=True)
    owner = np.full(len(numbers), -1, dtype=np.int64)
    for i, (members, _) in enumerate(groups):
        owner[np.isin(numbers, members)] = i
    return owner[inverse.reshape(-1)], [label for _, label in groups]


def nyu40_of_categories(root: Path, categories: list[str], where: Path) -> tuple[np.ndarray, list[Defect]]:
    """Return the NYU40 id of each raw category from ``scannetv2-labels.combined.tsv`` in ``root``, 0 if unknown, and a
    report.

    Blanks around names are ignored: a release of the table has some.
    """
    file = root / TABLE
    if not file.is_file():
        raise InputError(f"{file}: no such file, but {where.parent.name} has no labels.ply; put the table there")
    text = read_text(file, 2**26)
    try:
        rows = csv.DictReader(io.StringIO(text, newline=""), delimiter="\t")
        ids = {row["raw_category"].strip(): int(row["nyu40id"]) for row in rows}
        if not ids:
            raise ValueError("no row")
    except (KeyError, TypeError, ValueError, AttributeError, csv.Error) as error:
        raise InputError(f"{file}: no columns raw_category and nyu40id; download the table again") from error
    table = np.array([ids.get(c.strip(), 0) for c in categories], dtype=np.int64)
    unknown = sorted({c for c in categories if c.strip() not in ids})
    return table, [Defect(str(where), None, f"category '{c}' is not in {file.name}", "unlabeled") for c in unknown]
