"""Parse numbers and missing values as tools write them."""

from __future__ import annotations

import re

_NONE = re.compile(
    r"[+-]?nan(\(\w*\))?|[+-]?1\.#[a-z]+\d*|#?n/?a!?|n\.a\.?|<na>|nat|[(\[]?(none|null|nil)[)\]]?|\\n|missing|no_?data"
    r"|undef(ined)?|#(value|num|div/0|ref|name|null|spill|calc|wert|zahl|bezug)[!?]|#nv|-+|\?+|\*+|\.|",
    re.IGNORECASE,
)
"""Missing values of Windows' runtime (which also rounds 1.#INF to 1.#J), R, pandas, spreadsheets and databases; stars,
with which Fortran fills a field that is too short; an empty cell.
"""

_INFINITE = re.compile(r"([+-]?)1\.#inf\d*", re.IGNORECASE)

_FORTRAN = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))d([+-]?\d+)", re.IGNORECASE)


def read_number(token: str) -> float | None:
    """Return the number that ``token`` spells, NaN for the usual spellings of a missing value, and None for anything
    else.
    """
    if token.isascii() and "_" not in token:  # float() takes 1_000 and the digits of every script
        try:
            return float(token)
        except ValueError:
            pass
    if infinite := _INFINITE.fullmatch(token):
        return float(f"{infinite[1]}inf")
    if _NONE.fullmatch(token):
        return float("nan")
    if double := _FORTRAN.fullmatch(token):
        return float(f"{double[1]}e{double[2]}") if token.isascii() else None
    return None


def read_flag(token: str) -> float | None:
    """Return 1 or 0 for TRUE or FALSE, as R and pandas write them, NaN for a missing value, None for anything else."""
    known = {"true": 1.0, "false": 0.0}.get(token.lower())
    return float("nan") if known is None and _NONE.fullmatch(token) else known
