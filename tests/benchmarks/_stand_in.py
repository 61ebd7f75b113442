"""Tools stood in for: they leave the files that the real ones would, so that a table is made in no time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.harness import comparing


def stand_in(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, str]]]:
    """Stand in for the tools; the list that is returned grows by the name and the arguments of each call.

    A row number i has an mIoU of i + 10 and i + 20 % in a comparison, 50 % in an evaluation.
    """
    called: list[tuple[str, dict[str, str]]] = []

    def call(tool: str, *arguments: str) -> None:
        given = dict(argument.partition("=")[::2] for argument in arguments)
        called.append((tool, given))
        output = Path(given["output"])
        if tool == "draw_labels":
            assert not output.exists()
            output.parent.mkdir(parents=True, exist_ok=True)
            output.touch()
        if tool == "compare":
            write(output / "table.json", [compared(output, i) for i in range(len(rows_of(given)))])
        if tool == "evaluate":
            write(output / "metrics.json", {"miou": 0.5})

    monkeypatch.setattr(comparing, "call", call)
    return called


def compared(output: Path, row: int) -> dict[str, Any]:
    """Return what tools/compare.py says of a row, from two seeds."""
    return {"folder": f"{output}/row{row}", "runs": [{"miou": 0.01 * row + shift} for shift in (0.1, 0.2)]}


def rows_of(given: dict[str, str]) -> list[str]:
    """Return the rows of a call of tools/compare.py; a row may have one list within quotes."""
    parts = given["rows"][1:-1].split("'")
    return "".join(part if i % 2 == 0 else part.replace(",", ";") for i, part in enumerate(parts)).split(",")


def write(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
