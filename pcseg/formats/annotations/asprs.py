"""The classification codes of ASPRS's LAS specification 1.4 R15 and the names they have."""

from __future__ import annotations

from collections.abc import Sequence

from pcseg.errors import InputError

ASPRS: dict[int, tuple[str, ...]] = {
    2: ("ground",),
    3: ("low vegetation",),
    4: ("medium vegetation",),
    5: ("high vegetation", "tree", "trees"),
    6: ("building", "buildings"),
    7: ("low noise", "low point", "noise"),
    8: ("model key-point", "key point"),
    9: ("water",),
    10: ("rail",),
    11: ("road surface", "road"),
    13: ("wire - guard", "guard wire", "shield wire"),
    14: ("wire - conductor", "conductor wire", "phase wire", "wire"),
    15: ("transmission tower", "tower"),
    16: ("wire-structure connector", "insulator"),
    17: ("bridge deck", "bridge"),
    18: ("high noise",),
    19: ("overhead structure",),
    20: ("ignored ground",),
    21: ("snow",),
    22: ("temporal exclusion",),
}
"""The names of each code, the specification's first; 0 and 1 are points that are not classified."""

VEGETATION = ("vegetation",)
"""A class of this name takes the codes 3, 4 and 5; where it is written it is 5."""


def asprs_codes(names: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """Return the codes of each class by its name, the one to be written first.

    Case, and ``_`` for a blank, do not matter. Raises InputError for a class that the specification does not know.
    """
    table = {name: (code,) for code, known in ASPRS.items() for name in known} | dict.fromkeys(VEGETATION, (5, 4, 3))
    plain = [" ".join(name.lower().replace("_", " ").split()) for name in names]
    for name, wanted in zip(names, plain, strict=True):
        if wanted not in table:
            known = ", ".join(entry[0] for entry in ASPRS.values())
            raise InputError(
                f"codes=asprs: the class {name} is none of ASPRS's ({known}); give numbers under ids: in classes.yaml"
            )
    return tuple(table[name] for name in plain)
