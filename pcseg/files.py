"""Write files atomically, and read JSON and text with limits."""

from __future__ import annotations

import codecs
import json
import math
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pcseg.errors import InputError, cut
from pcseg.leftovers import beside, sweep_folder

MOST_JSON = 2**27
"""Bytes of the largest JSON file that is read, 128 MiB."""

DEEPEST_JSON = 100
"""Levels of nested lists and tables that a JSON text may have."""


@contextmanager
def atomic_path(path: str | os.PathLike[str], check: Callable[[Path], object] | None = None) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success move what was written there to ``path``, else remove it.

    Works for files and folders. A folder at ``path`` is replaced by a folder, never by a file; if ``path`` is a link,
    its target is replaced. Readers see the old content or the new, never a part of it (while a folder is replaced,
    nothing for an instant). ``check`` is called with the temporary path once it is complete; if it raises, the old
    content stays. Leftovers of killed processes in this folder are removed first. Raises InputError if the place cannot
    be written or ``check`` fails.
    """
    final = Path(path)
    temporary = final
    try:
        final = temporary = Path(os.path.realpath(final)) if final.is_symlink() else final
        _check_place(final)
        final.parent.mkdir(parents=True, exist_ok=True)
        sweep_folder(final.parent)
        temporary = beside(final, "tmp")
        yield temporary
        _sync(temporary)
        if check:
            _read_back(final, temporary, check)
        if final.is_dir() and not temporary.is_dir():
            raise InputError(f"{final}: is a folder; give the name of a file")
        if final.is_dir():
            retired = beside(final, "old")
            final.rename(retired)
            temporary.rename(final)
            shutil.rmtree(retired, ignore_errors=True)
        else:
            os.replace(temporary, final)
    except (FileExistsError, NotADirectoryError) as error:
        file = next((path for path in final.parents if path.exists() and not path.is_dir()), final)
        raise InputError(
            f"{final}: cannot write there, {file} is a file and no folder; choose another place"
        ) from error
    except OSError as error:
        raise InputError(
            f"{final}: cannot write ({error.strerror or error}); free space or choose another place"
        ) from error
    finally:
        if temporary != final:
            with suppress(OSError):
                shutil.rmtree(temporary) if temporary.is_dir() else temporary.unlink(missing_ok=True)


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write ``value`` as JSON, atomically."""
    text = json.dumps(value, indent=2, allow_nan=False) + "\n"
    with atomic_path(path, check=read_json) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_json(path: str | os.PathLike[str]) -> Any:
    """Return the value of a JSON file of at most MOST_JSON bytes; raises InputError if it is missing or malformed.

    Like ``parse_json``, it accepts only finite numbers, integers of 64 bits, and unique keys.
    """
    return parse_json(read_text(path, MOST_JSON), f"{path}: not a readable JSON file")


def parse_json(text: str, wrong: str) -> Any:
    """Return the value of a JSON text of at most DEEPEST_JSON levels; raises InputError that begins with ``wrong``."""
    try:
        value = json.loads(
            text, parse_int=_whole, parse_float=_finite, parse_constant=_finite, object_pairs_hook=_each_once
        )
    except RecursionError as error:
        raise InputError(f"{wrong} (too many lists within lists)") from error
    except ValueError as error:
        raise InputError(f"{wrong} ({error})") from error
    level = [value]
    for _ in range(DEEPEST_JSON):
        parts = (part.values() if isinstance(part, dict) else part for part in level if isinstance(part, (dict, list)))
        level = [inner for part in parts for inner in part if isinstance(inner, (dict, list))]
        if not level:
            return value
    raise InputError(f"{wrong} (more than {DEEPEST_JSON} lists within lists)")


def read_text(path: str | os.PathLike[str], most_bytes: int) -> str:
    """Return the text of a file in UTF-8, or in UTF-16 if its first bytes are a mark of it; raises InputError."""
    try:
        with open(path, "rb") as stream:
            raw = stream.read(most_bytes + 1)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    if len(raw) > most_bytes:
        raise InputError(f"{path}: has more than {most_bytes:,} bytes, the limit; is it the right file?")
    wide = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return raw.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: not a readable text file (its byte {error.start} is not {'UTF-16' if wide else 'UTF-8'}); "
            "save it as UTF-8"
        ) from error


def sweep(root: str | os.PathLike[str]) -> None:
    """Remove what killed processes left of ``atomic_path`` in ``root`` and in the folders directly below it.

    A folder that was being replaced is restored. Files of running processes are kept.
    """
    with suppress(OSError):
        for folder in [Path(root), *(path for path in Path(root).iterdir() if path.is_dir())]:
            sweep_folder(folder)


def _check_place(final: Path) -> None:
    """Raise InputError if ``final`` exists and must not be replaced."""
    if final.exists() and not final.is_dir():
        if not final.is_file():
            raise InputError(f"{final}: is a device or the like, not a file; choose another name")
        if not os.access(final, os.W_OK):
            raise InputError(f"{final}: is write-protected; choose another name, or allow writing")


def _read_back(final: Path, temporary: Path, check: Callable[[Path], object]) -> None:
    try:
        check(temporary)
    except Exception as error:  # whatever it raises, the file is not usable
        reason = (str(error) or type(error).__name__).replace(str(temporary), str(final))
        raise InputError(f"{final}: not written, since it could not be read back ({reason})") from error


def _sync(path: Path) -> None:
    """Force a file, or each file of a folder, to the disk."""
    for file in [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file()):
        with open(file, "rb") as stream:
            os.fsync(stream.fileno())


def _whole(digits: str) -> int:
    if len(digits) > 20 or not -(2**63) <= int(digits) < 2**63:
        raise ValueError(f"a whole number of {len(digits)} digits, more than 64 bits")
    return int(digits)


def _finite(digits: str) -> float:
    if not math.isfinite(float(digits)):
        raise ValueError(f"{digits[:20]} where a finite number is needed")
    return float(digits)


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for key, value in pairs:
        if key in table:
            raise ValueError(f"the key '{cut(key, 40)}' is there twice")
        table[key] = value
    return table
