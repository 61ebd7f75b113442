"""What the tools share: ``name=value`` arguments, help from a dataclass, one-line errors with exit code 2."""

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

from _values import read, show
from pcseg.errors import InputError

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

    So it is where the system refuses what is asked of it: a full disk, too little memory, output that nobody takes. Of
    several processes (torchrun's) the first tells what all of them find wrong, another only what it alone does.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names of files may hold what cannot be printed
    first = os.environ.get("RANK", "0") == "0"
    try:
        try:
            action()
        finally:
            _flush()
    except (InputError, OSError, MemoryError) as error:
        if not first:
            time.sleep(10)  # torchrun ends this process meanwhile, where the first has failed too
        told = (
            str(error) if isinstance(error, InputError) else f"the system refuses: {str(error) or 'too little memory'}"
        )
        with suppress(OSError):  # nobody may be there to read that either
            print(f"error: {printable(told)}", file=sys.stderr)
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
    """Hand over what was printed; where nobody takes it (as of ``| head``, once that has seen enough), raise that once."""
    try:
        if sys.stdout:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains again when it ends
        raise


def printable(text: str) -> str:
    """``text`` in one line: line ends and other control characters, as of a strange file's name, as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def check_output(output: str, folder: bool, name: str = "output") -> None:
    """See, before the work is done, that ``output``, given as ``name``, can become a file (or a folder).

    Raises InputError where it cannot: a file stands in the way, the place is read-only or full, the name is too long.
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
            os.stat(f"{path}.12345678.tmp")  # a name about as long as it has while it is written
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise InputError(
            f"{name}={output}: cannot write in {there} ({error.strerror}); choose another place"
        ) from error


def parse(options: type[T], arguments: list[str]) -> T:
    """Turn ``name=value`` arguments into an ``options`` instance, each value read by the type declared for it.

    A field of type dict takes ``name.key=value``. Of an option given twice the last counts, as in the tools with configs.
    Raises InputError for names that are unknown or missing and for bad values.
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
    """The help text: what the tool does, then a line for each argument."""
    lines = [(options.__doc__ or "").strip(), "", "arguments (name=value):"]
    for f in fields(options):
        default = f.default_factory() if f.default_factory is not MISSING else f.default
        shown = "required" if default is REQUIRED else f"default {show(default)}"
        lines.append(f"  {f.name:<14} {f.metadata.get('help', '')} ({shown})")
    return "\n".join(lines)
