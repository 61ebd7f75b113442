"""Pack an answer to the page: a JSON header and raw arrays behind it, in little-endian bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

KINDS = ("uint8", "uint16", "uint32", "float32")
"""Types of arrays that the page reads."""


def pack(about: Mapping[str, Any], arrays: Mapping[str, np.ndarray] | None = None) -> bytes:
    """Return the bytes of ``about``, JSON, with ``arrays`` of KINDS by name.

    Four bytes give the length of the header, padded with blanks to a multiple of 4; each array follows, padded too.
    """
    listed, parts = [], []
    for name, array in (arrays or {}).items():
        if array.dtype.name not in KINDS:
            raise TypeError(f"{name} is {array.dtype.name}")
        raw = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).tobytes()
        listed.append({"name": name, "type": array.dtype.name, "count": int(array.size)})
        parts.append(raw + bytes(-len(raw) % 4))
    head = json.dumps({**about, "arrays": listed}, allow_nan=False, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 4)
    return b"".join([len(head).to_bytes(4, "little"), head, *parts])


def unpack(raw: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the header and the arrays that ``pack`` made bytes of."""
    at = 4 + int.from_bytes(raw[:4], "little")
    about, arrays = json.loads(raw[4:at]), {}
    for each in about.pop("arrays"):
        kind = np.dtype(each["type"]).newbyteorder("<")
        arrays[each["name"]] = np.frombuffer(raw, kind, each["count"], at)
        at += each["count"] * kind.itemsize
        at += -at % 4
    return about, arrays
