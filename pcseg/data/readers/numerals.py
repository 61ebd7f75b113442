"""How tools write numbers, and what they write where there is none."""

from __future__ import annotations

import re

_NONE = re.compile(
    r"[+-]?nan(\(\w*\))?|[+-]?1\.#(qnan|snan|ind)\d*|#?n/?a!?|<na>|nat|none|null|nil|missing|no_?data|undef(ined)?"
    r"|#(value|num|div/0|ref)!?|-+|\?+|\*+|\.|",
    re.IGNORECASE,
)
"""Windows' runtime, R, pandas, spreadsheets, databases; Fortran fills what does not fit with stars. Or an empty cell."""

_INFINITE = re.compile(r"([+-]?)1\.#inf\d*", re.IGNORECASE)


def read_number(token: str) -> float | None:
    """The number that ``token`` stands for, NaN for each usual spelling of none, and None where it is neither."""
    if token.isascii() and "_" not in token:  # float() takes 1_000 and the digits of every script
        try:
            return float(token)
        except ValueError:
            pass
    if _NONE.fullmatch(token):
        return float("nan")
    infinite = _INFINITE.fullmatch(token)
    return float(f"{infinite[1]}inf") if infinite else None
