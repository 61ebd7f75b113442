"""Quotes what was typed for settings that are texts, so that Hydra takes it to the letter."""

from __future__ import annotations

import re
from dataclasses import is_dataclass
from traceback import walk_tb
from typing import Any, get_args, get_origin, get_type_hints

from hydra.core.override_parser.types import Quote, QuotedString
from omegaconf import OmegaConf

from pcseg.option_values import elements, is_bracketed, split, without_none

# As Hydra's grammar has it.
QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""", re.DOTALL)
SWEEP = re.compile(r"(choice|range|interval|glob|shuffle|sort|tag)\(.*\)", re.DOTALL)


def quote_texts(arguments: list[str], schema: type[Any], groups: set[str]) -> list[str]:
    """Return Hydra's command line with the values quoted that are texts by ``schema`` (str, list[str], Any) or choices.

    So ``output=data #2`` is that folder, and ``data.train=train`` a list of one. Any, and the choice for one of
    ``groups``, is a text, or in brackets a list of texts. What is quoted already stays, as do ``null`` where it may be
    given, ``${interpolations}``, and with ``--multirun`` the commas and functions of a sweep. Options as ``--cfg job``
    come first, as Hydra wants it. Raises InputError where an element of a list is empty.
    """
    sweeping = any(argument in ("-m", "--multirun") for argument in arguments)
    overrides = [argument for argument in arguments if re.match(r"[^-].*=|~", argument, re.DOTALL)]
    options = [argument for argument in arguments if argument not in overrides]
    return options + [_quote_text(argument, schema, groups, sweeping) for argument in overrides]


def below_null(error: BaseException) -> str | None:
    """Return a line on the setting that was given below one that is null, for which Hydra has no error of its own.

    None where ``error`` came of anything else. The override and the config are those of Hydra's frame.
    """
    for frame, _ in walk_tb(error.__traceback__):
        known = frame.f_locals
        if frame.f_code.co_name == "_apply_overrides_to_config" and {"key", "cfg"} <= known.keys():
            names = known["key"].split(".")
            for count in range(1, len(names) + 1):
                path = ".".join(names[:count])
                if OmegaConf.select(known["cfg"], path) is None:
                    return f"{known['key']}: {path} is null here; choose an experiment=... or {names[0]}=... with one"
    return None


def _quote_text(argument: str, schema: type[Any], groups: set[str], sweeping: bool) -> str:
    match = re.fullmatch(r"(\+{0,2}([\w.]+)=)(.*)", argument, re.DOTALL)
    if match is None:
        return argument
    start, key, value = match.groups()
    kind, optional = without_none(_declared(schema, key))
    if key in groups and not value.startswith("{"):
        kind = Any
    if not _is_text(kind) or ((optional or kind is Any) and value == "null"):
        return argument
    if not sweeping:
        return start + _quoted(key, value, kind)
    if SWEEP.fullmatch(value):
        return argument
    return start + ",".join(_quoted(key, part, kind) for part in split(value))


def _declared(schema: Any, key: str) -> Any:
    """Return the type declared for ``key``, a name or names with dots; None where there is none, or below a dict."""
    for name in key.split("."):
        schema = get_type_hints(schema).get(name) if is_dataclass(schema) else None
    return schema


def _is_text(kind: Any) -> bool:
    return kind in (str, Any) or (get_origin(kind) is list and get_args(kind) == (str,))


def _quoted(key: str, value: str, kind: Any) -> str:
    if QUOTED.fullmatch(value) and get_origin(kind) is not list:
        return value
    if get_origin(kind) is list and re.fullmatch(r"\$\{.*\}", value, re.DOTALL):
        return value
    if get_origin(kind) is list or (kind is Any and is_bracketed(value)):
        return f"[{','.join(QuotedString(element, Quote.single).with_quotes() for element in elements(key, value))}]"
    return QuotedString(value, Quote.single).with_quotes()
