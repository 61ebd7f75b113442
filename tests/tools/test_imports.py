"""Every tool imports pcseg before torch."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools"


@pytest.mark.parametrize("tool", [path.stem for path in TOOLS.glob("[a-z]*.py")])
def test_every_tool_loads_pcseg_before_torch(tool: str) -> None:
    """Torch reads the environment as it is loaded, so what pcseg chooses there must come first."""
    body = ast.parse((TOOLS / f"{tool}.py").read_text()).body
    imports = [node for node in body if isinstance(node, (ast.Import, ast.ImportFrom))]
    names = [node.module or "" if isinstance(node, ast.ImportFrom) else node.names[0].name for node in imports]
    roots = [name.partition(".")[0] for name in names]
    first = min(roots.index(name) for name in ("pcseg", "_hydra") if name in roots)
    assert not {"torch", "lightning_fabric", "safetensors"} & set(roots[:first])
    assert not [root for root in roots[:first] if root.startswith("_") and root not in ("__future__", "_schema")]
