"""Read the meaning of the numbers in label frames: a classes.json beside them, or ScanNet's table of raw categories."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from pathlib import Path

from pcseg.classes import IGNORE, S3DIS, SCANNET20, SCANNET20_NYU40, Classes
from pcseg.errors import InputError, cut
from pcseg.files import read_json, read_text

TABLE = "scannetv2-labels.combined.tsv"
"""Name of ScanNet's table, in the folder of the scenes."""

UNLABELED = "unlabeled"
"""Name of the numbers of unlabeled pixels in a classes.json."""


def read_number_names(path: Path) -> dict[int, str]:
    """Return the class name of each number in a classes.json, such as ``{"0": "unlabeled", "1": "ceiling"}``."""
    content = read_json(path)
    if not isinstance(content, dict) or not content:
        raise InputError(f'{path}: no table of names; write one like {{"0": "unlabeled", "1": "wall"}}')
    for number, name in content.items():
        if not re.fullmatch(r"[0-9]{1,6}", number) or not isinstance(name, str):
            found = f"{cut(number, 30)}: {cut(repr(name), 60)}"
            raise InputError(f'{path}: {found} is no number with a name; write them like "1": "wall"')
    return {int(number): name for number, name in content.items()}


def read_raw_ids(path: Path) -> dict[int, str]:
    """Return the name, one of SCANNET20's or UNLABELED, of each raw id in ScanNet's TABLE (its columns id, nyu40id)."""
    names = dict(zip(SCANNET20_NYU40, SCANNET20.names, strict=True))
    try:
        rows = csv.DictReader(io.StringIO(read_text(path, 2**26), newline=""), delimiter="\t")
        found = {int(row["id"]): names.get(int(row["nyu40id"] or 0), UNLABELED) for row in rows}
        if not found:
            raise ValueError("no row")
    except (KeyError, TypeError, ValueError, AttributeError, csv.Error) as error:
        raise InputError(f"{path}: no columns id and nyu40id; download the table again") from error
    return {0: UNLABELED} | found


def usual_classes(names: Mapping[int, str]) -> Classes:
    """Return S3DIS or SCANNET20 if all ``names`` but UNLABELED are of one of them, else these in order of number."""
    own = tuple(dict.fromkeys(name for _, name in sorted(names.items()) if name != UNLABELED))
    for known in (S3DIS, SCANNET20):
        if set(own) <= set(known.names):
            return known
    return Classes(own)


def label_table(names: Mapping[int, str], classes: Classes) -> tuple[dict[int, int], list[str]]:
    """Return the label of each number, IGNORE for UNLABELED, and the names that ``classes`` lacks, also IGNORE.

    Raises InputError if ``classes`` lacks all of them, since every label would silently be lost.
    """
    if not set(names.values()) & set(classes.names):
        own = ", ".join(dict.fromkeys(names.values()))
        raise InputError(f"none of the classes {own} is one of {', '.join(classes.names)}; check the class names")
    table = {n: classes.names.index(name) if name in classes.names else IGNORE for n, name in names.items()}
    return table, sorted({name for name in names.values() if name not in (*classes.names, UNLABELED)})
