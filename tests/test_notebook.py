"""docs/loop.ipynb: its cells run one after the other, what they return can be drawn, and no output is kept in it."""

from __future__ import annotations

import ast
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest

from pcseg.vis.notebook import Page

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = json.loads((ROOT / "docs" / "loop.ipynb").read_text(encoding="utf-8"))
CODE = [cell for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]


def run(source: str, names: dict[str, Any]) -> Any:
    """Run a cell as a notebook does, and return the value of the expression it ends with, if it does."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "loop.ipynb", "exec"), names)
    return eval(compile(ast.Expression(last.value), "loop.ipynb", "eval"), names) if last else None


def test_the_loop_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.chdir(ROOT / "docs")
    names: dict[str, Any] = {}
    values = [run("".join(cell["source"]), names) for cell in CODE]
    pages = [value for value in values if isinstance(value, Page)]
    assert [page.view.name.split()[0] for page in pages] == [names["scene"].name, "clicks", "predicted"]
    assert all(page._repr_html_().startswith("<iframe") for page in pages)
    assert names["first"] > 0.8
    assert names["second"] > names["first"]
    assert (names["predicted"] == names["truth"]).mean() > 0.4  # one class for all would give 0.25
    assert len({*names["following"].tolist()} - {*names["index"].tolist()}) == 10


def test_no_output_is_kept() -> None:
    assert [cell["outputs"] for cell in CODE] == [[] for _ in CODE]
    assert [cell["execution_count"] for cell in CODE] == [None for _ in CODE]
    assert len(json.dumps(NOTEBOOK)) < 10_000
