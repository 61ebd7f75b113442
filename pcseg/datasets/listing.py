"""List the files of a folder of raw data, through links too, and report all files that are not used."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from pcseg.errors import InputError
from pcseg.formats.defects import Defect

LITTER = (".DS_Store", "Thumbs.db", "desktop.ini", "Icon\r")
"""Files that operating systems leave in folders; like names that begin with ``._`` (macOS), they hold no data."""

LISTED = 8


def list_files(root: str | os.PathLike[str]) -> tuple[list[Path], list[Defect]]:
    """Return all files below ``root``, sorted, and a report of folders and links that were not followed.

    Links are followed, but not back to a folder above, and each folder only once below each folder of the top. Repeated
    folders, links to nowhere and folders without permission are reported. A hidden folder is listed as one entry.
    LITTER is left out.
    """
    files: list[Path] = []
    defects: list[Defect] = []
    top = Path(root)
    todo: list[tuple[Path, dict[str, Path]]] = [(top, {})]
    while todo:
        folder, seen = todo.pop()
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: (entry.is_symlink(), entry.name))
        except OSError as error:
            defects.append(Defect(str(folder), None, f"cannot be listed ({error.strerror})", "its files are not used"))
            continue
        for entry in entries:
            path = folder / entry.name
            if entry.name in LITTER or entry.name.startswith("._"):
                continue
            if fault := broken_link(path):
                defects.append(Defect(str(path), None, fault, "not used"))
            elif not path.is_dir() or entry.name.startswith("."):
                files.append(path)
            else:
                known = {} if folder == top else seen
                if fault := _second_time(path, top, known):
                    defects.append(Defect(str(path), None, fault, "not followed"))
                else:
                    known[os.path.realpath(path)] = path
                    todo.append((path, known))
    return sorted(files), defects


def broken_link(path: Path) -> str:
    """Return the defect of ``path`` if it is a link to nowhere, else ""."""
    return f"a link to {os.readlink(path)}, which is not there" if path.is_symlink() and not path.exists() else ""


def broken_links(folders: Iterable[Path], wanted: Callable[[str], bool] = lambda name: True) -> list[Defect]:
    """Report the links to nowhere in ``folders`` whose names are ``wanted``."""
    paths = sorted(path for folder in folders for path in folder.iterdir() if wanted(path.name))
    return [Defect(str(path), None, fault, "not used") for path in paths if (fault := broken_link(path))]


def not_used(root: str | os.PathLike[str], files: Iterable[Path], formats: Iterable[str]) -> list[Defect]:
    """Report files below ``root`` that are not read in one line, counted by suffix; empty if there are none."""
    kinds = Counter(_kind(path, tuple(formats)) for path in files)
    if not kinds:
        return []
    listed = [f"{kind} ({count})" for kind, count in kinds.most_common(LISTED)]
    rest = sum(kinds.values()) - sum(count for _, count in kinds.most_common(LISTED))
    listed += [f"others ({rest})"] if rest else []
    count = sum(kinds.values())
    return [Defect(str(root), None, f"{count} file{'s' * (count > 1)} of other kinds: {', '.join(listed)}", "not used")]


def _second_time(path: Path, top: Path, known: dict[str, Path]) -> str:
    real = os.path.realpath(path)
    inside = [os.path.join(os.path.realpath(folder), "") for folder in (top, path.parent)]
    if any(folder.startswith(os.path.join(real, "")) for folder in inside):
        return f"a link back to {real}, which contains it"
    return f"the same folder as {known[real]}" if real in known else ""


def _kind(path: Path, formats: tuple[str, ...]) -> str:
    if path.name.startswith("."):
        return "hidden"
    endings = [ending.lower() for ending in path.suffixes[-2:]]
    if len(endings) == 2 and endings[0] in formats:
        return "".join(endings)  # .las.bak, .xyz.gz
    return endings[-1] if endings else "without ending"


def scenes_by_name(root: Path, paths: Iterable[Path]) -> dict[str, Path]:
    """Return the point files ``paths`` below ``root`` by the names split/scene of their scenes.

    The split is the first folder, "train" for a file right below the root; further folders begin the name of the scene.
    Raises InputError where two would have the same name.
    """
    found: dict[str, Path] = {}
    for path in paths:
        parts = path.relative_to(root).parts
        split, rest = (parts[0], parts[1:-1]) if len(parts) > 1 else ("train", ())
        name = f"{split}/{'_'.join((*rest, path.stem))}"
        if name in found:
            raise InputError(f"{path}: its scene would have the same name as that of {found[name]}; rename one")
        found[name] = path
    return found
