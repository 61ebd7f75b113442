"""Files that are whole or absent: what is written appears under its name only once it is complete."""

from __future__ import annotations

import json
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pcseg.errors import InputError


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside ``path``; on success move what was written there to ``path``, else remove it.

    Serves files and folders. A folder that already stands at ``path`` is replaced by a folder, never by a file.
    Whatever happens, a reader sees the old content or the new, never half of it (nothing at all for an instant,
    while a folder takes another's place). Raises InputError where the place cannot be written.
    """
    final = Path(path)
    temporary = final.with_name(f".{final.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _sync(temporary)
        if final.is_dir() and not temporary.is_dir():
            raise InputError(f"{final}: is a folder; give the name of a file")
        if final.is_dir():
            retired = final.with_name(f".{final.name}.{uuid.uuid4().hex[:8]}.old")
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
        with suppress(OSError):
            shutil.rmtree(temporary) if temporary.is_dir() else temporary.unlink(missing_ok=True)


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write ``value`` as JSON, atomically."""
    text = json.dumps(value, indent=2, allow_nan=False) + "\n"
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_json(path: str | os.PathLike[str]) -> Any:
    """Read a JSON file; raises InputError naming the file where it is absent or malformed."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path}: not a readable JSON file ({error})") from error


def sweep(root: str | os.PathLike[str]) -> None:
    """Remove what a killed process left of ``atomic_path`` in ``root`` and the folders right below it.

    Not to be called while another process writes there.
    """
    for path in [*Path(root).glob(".*"), *Path(root).glob("*/.*")]:
        if re.fullmatch(r"\..+\.[0-9a-f]{8}\.(tmp|old)", path.name):
            with suppress(OSError):
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def _sync(path: Path) -> None:
    """Force a file, or each file of a folder, to the disk."""
    for file in [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file()):
        with open(file, "rb") as stream:
            os.fsync(stream.fileno())
