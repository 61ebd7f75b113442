"""Find out what is to be labeled by whom: the classes of scans, and the name of a person."""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pcseg.annotation.sources import first_scene
from pcseg.annotation.spread import NONE
from pcseg.datasets import ClassFile, choose_classes, open_classes
from pcseg.errors import InputError


def meaning_of(path: Path, classes: str | Sequence[str], columns: Sequence[str] = ()) -> ClassFile:
    """Return the classes to label at ``path``, with what is to be known of the files.

    ``classes``: "auto", those of the scenes or of the classes.yaml there; as for open_classes; or names. ``columns``:
    names of the columns of a table. Raises InputError where nothing names the classes, and for too many of them.
    """
    if not isinstance(classes, str):
        found = ClassFile(tuple(map(str, classes)))
    elif classes != "auto":
        found = open_classes(classes)
    elif (folder := first_scene(path)) is not None:
        known = choose_classes("auto", folder)
        ids = {code: name for name, codes in zip(known.names, known.codes, strict=False) for code in codes}
        found = ClassFile(known.names, known.colors, ids=ids)
    elif (path / "classes.yaml").is_file():
        found = open_classes(str(path / "classes.yaml"))
    else:
        raise InputError("classes=auto: nothing here names the classes; give them, e.g. classes=floor,wall,tree")
    if len(found.names) >= NONE:
        raise InputError(f"classes: {len(found.names)} of them; at most {NONE - 1} can be labeled, merge some")
    return replace(found, columns=tuple(columns)) if columns else found


def person() -> str:
    """Return the name of who is logged in, where the system knows it."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
