"""What the tools share: ``name=value`` arguments, help from a dataclass, one-line errors with exit code 2."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import MISSING, field, fields, is_dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from pcseg.errors import InputError

T = TypeVar("T")


def option(help: str, default: Any = MISSING, factory: Any = MISSING) -> Any:
    """A dataclass field with a line of help; without a default it must be given on the command line."""
    if factory is not MISSING:
        return field(default_factory=factory, metadata={"help": help})
    return field(default="???" if default is MISSING else default, metadata={"help": help})


def run(main: Callable[[T], object], options: type[T]) -> NoReturn:
    """Parse ``sys.argv`` into ``options``, call ``main`` with it and leave with the right exit code."""
    guard(lambda: main(parse(options, sys.argv[1:])))


def guard(action: Callable[[], object]) -> NoReturn:
    """Call ``action`` and exit: 0 when it returns, 2 with one line on stderr for an InputError, 130 on Ctrl-C."""
    try:
        action()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    sys.exit(0)


def check_output(output: str, folder: bool, name: str = "output") -> None:
    """Raise InputError, before the work is done, where ``output``, given as ``name``, cannot become a file (or a folder)."""
    if not folder and os.path.isdir(output):
        raise InputError(f"{name}={output}: is a folder; give the name of a file")
    for path in [Path(output)] * folder + [*Path(output).parents]:
        if os.path.exists(path) and not os.path.isdir(path):
            raise InputError(f"{name}={output}: cannot write there, {path} is a file and no folder; choose another")


def parse(options: type[T], arguments: list[str]) -> T:
    """Turn ``name=value`` arguments into an ``options`` instance; raises InputError for unknown names or bad values."""
    assert is_dataclass(options)
    names = [f.name for f in fields(options)]
    if any(a in ("-h", "--help", "help") for a in arguments):
        print(usage(options))
        sys.exit(0)
    for argument in arguments:
        key = argument.partition("=")[0]
        if "=" not in argument or key.partition(".")[0].partition("[")[0] not in names:
            raise InputError(
                f"argument '{argument}' is not understood; write name=value with one of: {', '.join(names)}"
            )
    try:
        config = OmegaConf.merge(OmegaConf.structured(options), OmegaConf.from_dotlist(arguments))
        missing = sorted(OmegaConf.missing_keys(config))
        if missing:
            raise InputError(f"argument '{missing[0]}=' is missing; see --help")
        return OmegaConf.to_object(config)  # type: ignore[return-value]
    except OmegaConfBaseException as error:
        raise InputError(f"argument: {str(error).splitlines()[0]}; see --help") from error


def usage(options: type[Any]) -> str:
    """The help text: what the tool does, then a line for each argument."""
    lines = [(options.__doc__ or "").strip(), "", "arguments (name=value):"]
    for f in fields(options):
        default = f.default_factory() if f.default_factory is not MISSING else f.default  # type: ignore[misc]
        shown = "required" if default == "???" else f"default {default}"
        lines.append(f"  {f.name:<14} {f.metadata.get('help', '')} ({shown})")
    return "\n".join(lines)
