"""Turn the errors of parsers on damaged files into one-line messages that name the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pcseg.errors import InputError, cut


@contextmanager
def parsing(path: Path, kind: str) -> Iterator[None]:
    """Turn whatever a parser raises on a damaged file into one InputError that names the file and the reason.

    Catches the panics of parsers in Rust too, which are not derived from Exception; interrupts and exits pass.
    """
    try:
        yield
    except (InputError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; check the path") from error
    except PermissionError as error:
        raise InputError(f"{path}: permission denied; allow yourself to read it") from error
    except MemoryError as error:
        text = f"{_one_line(error)}: more than there is"
        raise InputError(
            f"{path}: needs too much memory ({text}); close other programs, or export it in parts"
        ) from error
    except EOFError as error:
        raise InputError(f"{path}: the {kind} file ends too early ({_one_line(error)}); copy it again") from error
    except BaseException as error:  # each library has its own exceptions, and a damaged file can raise any
        raise InputError(f"{path}: not a readable {kind} file ({_one_line(error)}); export it again") from error


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return cut(text if len(text) > 3 else f"{type(error).__name__} {text}".strip(), 200)
