"""Parse ``name=value`` arguments into a dataclass, print help from it, and exit with one-line errors and code 2."""

from __future__ import annotations

import io
import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import MISSING, field, fields, is_dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar, get_args, get_origin, get_type_hints

from pcseg.errors import InputError
from pcseg.option_values import read, show

T = TypeVar("T")

REQUIRED: Any = object()
"""The default of a field that must be given."""


def option(help: str, default: Any = MISSING, factory: Any = MISSING) -> Any:
    """A dataclass field with a line of help; without a default it must be given on the command line."""
    if factory is not MISSING:
        return field(default_factory=factory, metadata={"help": help})
    return field(default=REQUIRED if default is MISSING else default, metadata={"help": help})


def run(main: Callable[[T], object], options: type[T]) -> NoReturn:
    """Parse ``sys.argv`` into ``options``, call ``main`` with it and leave with the right exit code."""
    guard(lambda: main(parse(options, sys.argv[1:])))


def guard(action: Callable[[], object]) -> NoReturn:
    """Call ``action`` and exit: 0 when it returns, 2 with one line on stderr for an InputError, 130 on Ctrl-C.

    An error of the system (a full disk, too little memory, a closed pipe) also gives one line and 2. Where torchrun
    runs several processes, the first prints an error that all have; another prints only an error of its own.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # file names may hold characters that cannot be printed
    first = os.environ.get("RANK", "0") == "0"
    try:
        try:
            action()
        finally:
            _flush()
    except (InputError, OSError, MemoryError) as error:
        if not first:
            time.sleep(10)  # torchrun ends this process meanwhile, where the first has failed too
        refused = f"the system refuses: {str(error) or 'too little memory'}"
        message = str(error) if isinstance(error, InputError) else refused
        with suppress(OSError):  # stderr may be closed too
            print(f"error: {printable(message)}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        if first:
            print("interrupted", file=sys.stderr)
        sys.exit(130)
    except Exception:
        if os.environ.get("WORLD_SIZE", "1") != "1":
            time.sleep(2)  # as above, where this one failed because another has gone
        raise
    sys.exit(0)


def _flush() -> None:
    """Flush stdout; raise OSError once where its reader has gone, as ``| head`` has after ten lines."""
    try:
        if sys.stdout:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python raises again at exit
        raise


def printable(text: str) -> str:
    """Return ``text`` in one line: line ends and other control characters, as in a file's name, are escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def check_output(output: str, folder: bool, name: str = "output") -> None:
    """Check before any work that ``output``, the value of option ``name``, can be created as a file (or a folder).

    Raises InputError where it cannot: a file is in the way, the place is read-only or full, the name is too long.
    """
    if not output:
        raise InputError(f"{name}=: is empty; give the name of a {'folder' if folder else 'file'}")
    path = Path(output)
    if not folder and os.path.isdir(path):
        raise InputError(f"{name}={output}: is a folder; give the name of a file")
    there = next(p for p in [*[path] * folder, *path.absolute().parents] if os.path.exists(p))
    if not os.path.isdir(there):
        raise InputError(f"{name}={output}: cannot write there, {there} is a file and no folder; choose another")
    try:
        with suppress(FileNotFoundError):
            os.stat(f"{path}.12345678.tmp")  # as long as the name of the temporary file
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise InputError(
            f"{name}={output}: cannot write in {there} ({error.strerror}); choose another place"
        ) from error


def parse(options: type[T], arguments: list[str]) -> T:
    """Return an ``options`` instance made of ``name=value`` arguments, each value read by the type declared for it.

    A field of type dict takes ``name.key=value``. Of an option given twice the last one counts, as hydra has it.
    Raises InputError for unknown or missing names and for bad values.
    """
    assert is_dataclass(options)
    if any(a in ("-h", "--help", "help") for a in arguments):
        print(usage(options))
        sys.exit(0)
    kinds = get_type_hints(options)
    given: dict[str, Any] = {}
    for argument in arguments:
        key, equals, text = argument.partition("=")
        name, _, part = key.partition(".")
        if not equals or name not in kinds or bool(part) != (get_origin(kinds[name]) is dict):
            raise InputError(
                f"argument '{argument}' is not understood; write name=value with one of: {', '.join(kinds)}"
            )
        if part:
            given.setdefault(name, {})[part] = read(key, text, get_args(kinds[name])[1])
        else:
            given[name] = read(name, text, kinds[name])
    for f in fields(options):
        if f.default is REQUIRED and f.name not in given:
            raise InputError(f"argument '{f.name}=' is missing; see --help")
    return options(**given)


def usage(options: type[Any]) -> str:
    """Return the help text: the docstring of ``options``, then a line for each argument."""
    lines = [(options.__doc__ or "").strip(), "", "arguments (name=value):"]
    for f in fields(options):
        default = f.default_factory() if f.default_factory is not MISSING else f.default
        hint = "required" if default is REQUIRED else f"default {show(default)}"
        lines.append(f"  {f.name:<14} {f.metadata.get('help', '')} ({hint})")
    return "\n".join(lines)
