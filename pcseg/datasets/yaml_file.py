"""Read a small YAML file as plain values: decimal numbers and text, without repeated keys."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from pcseg.errors import InputError, cut
from pcseg.files import read_text

MOST_YAML = 2**17
"""Bytes of the largest YAML file that is read, 128 KiB: at most two seconds of work."""

DEEPEST_YAML = 20
"""Levels of nested lists and tables that a YAML file may have."""


def read_yaml(path: str | Path) -> Any:
    """Return the value of a YAML file of at most MOST_YAML bytes.

    Words that YAML 1.1 would convert (no, 010, 1:30, 2024-01-15) stay text or decimal numbers, and words that it takes
    for text, such as 1e-3, stay text. Raises InputError if the file is damaged, uses aliases, repeats a key or nests
    deeper than DEEPEST_YAML.
    """
    text = read_text(path, MOST_YAML)
    try:
        return yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        place = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise InputError(f"{path}: not a readable YAML file ({place}{error.problem})") from error
    except Exception as error:  # unusual keys and explicit tags fail in several ways
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: not a readable YAML file ({cut(reason, 200)})") from error


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 (so PyYAML wants it)
    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        mark = self.peek_event().start_mark
        if self.check_event(yaml.AliasEvent):
            raise yaml.MarkedYAMLError(problem="aliases (*name) are not read; write the value out", problem_mark=mark)
        self.depth += 1
        if self.depth > DEEPEST_YAML:
            raise yaml.MarkedYAMLError(problem="too many lists within lists", problem_mark=mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        keys = set()
        for key_node, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            key = self.construct_object(key_node, deep=True)
            if key in keys:
                problem = f"the key {cut(str(key), 40)} is there twice"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key_node.start_mark)
            keys.add(key)
        return super().construct_mapping(node, deep)

    def construct_decimal(self, node: Any) -> int:
        return int(self.construct_scalar(node))


for tag, pattern, first in (
    ("null", r"~|null|Null|NULL|", [*"~nN", ""]),
    ("int", r"[-+]?[0-9]+", list("-+0123456789")),
    ("float", r"([-+]?[0-9]+\.[0-9]*|\.[0-9]+)([eE][-+][0-9]+)?", list("-+.0123456789")),
    ("float", r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", list("-+.")),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"(?:{pattern})$"), first)
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_decimal)
