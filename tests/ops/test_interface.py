"""The C interface: csrc defines all functions of pcseg.h, and Python calls them with as many arguments."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SPREAD = {"cuda_place": 2, "stride": 3, "hash_workspace": 3, "sort_keys": 2, "_workspace": 2}
"""Number of arguments that `*call(...)` stands for."""


def parameters(source: str) -> dict[str, int]:
    """Return the functions declared or defined at the beginning of a line, and their numbers of parameters."""
    found = re.findall(r"^(?:PCSEG_API )?(?:int|int64_t|const char\*) (pcseg_\w+)\(([^)]*)\)", source, re.MULTILINE)
    return {name: 0 if words in ("", "void") else words.count(",") + 1 for name, words in found}


DECLARED = parameters((ROOT / "csrc/include/pcseg.h").read_text())


def count(argument: ast.expr, names: dict[str, int]) -> int:
    if not isinstance(argument, ast.Starred):
        return 1
    if isinstance(argument.value, ast.Name):
        return names[argument.value.id]
    assert isinstance(argument.value, ast.Call)
    function = argument.value.func
    return SPREAD[function.attr if isinstance(function, ast.Attribute) else function.id]  # type: ignore[attr-defined]


def calls() -> list[tuple[str, str, int]]:
    found = []
    for path in sorted((ROOT / "pcseg").rglob("*.py")):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
                continue
            first = node.args[0]
            if node.func.attr in ("call", "query") and isinstance(first, ast.Constant):
                # device and stream; scale, shift and residual; sums; trees but their starts; edges; (nodes, neighbors)
                names = {"place": 2, "gpu": 2, "then": 3, "found": 6, "rest": 5, "edges": 3}
                found.append((path.name, str(first.value), sum(count(argument, names) for argument in node.args[1:])))
    return found


@pytest.mark.parametrize("folder", ["cpu", "cuda"])
def test_all_that_is_declared_is_defined(folder: str) -> None:
    expected = {name: size for name, size in DECLARED.items() if name.startswith("pcseg_cuda_") == (folder == "cuda")}
    defined: dict[str, int] = {}
    for path in (ROOT / "csrc" / folder).glob("*.c*"):
        defined |= parameters(path.read_text())
    assert len(expected) > 9
    assert defined == expected


def test_python_calls_declared_functions() -> None:
    found = calls()
    assert {name for _, name, _ in found if name.startswith("pcseg_cuda_")} == {
        name for name in DECLARED if name.startswith("pcseg_cuda_")
    }
    wrong = [(file, name, size, DECLARED.get(name)) for file, name, size in found if DECLARED.get(name) != size]
    assert wrong == []
