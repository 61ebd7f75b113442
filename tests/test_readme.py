"""README.md and docs/api.md: their lines of Python run as they stand, one after the other."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.tools._runs import CLASSES, checkpoint

ROOT = Path(__file__).resolve().parents[1]
TEXT = "".join((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/api.md"))
BLOCKS = re.findall(r"^```python\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)


def test_the_lines_of_python_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "outputs").mkdir()
    checkpoint(tmp_path / "outputs" / "demo")
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    names = {
        "xyz": rng.uniform(0, 1, (60, 3)) + np.array([500_000, 5_400_000, 300]),  # far away, as surveyed scans are
        "color": rng.integers(0, 256, (60, 3)).astype(np.uint8),
        "feats": torch.randn(20, 128), "sample": torch.arange(20) // 10, "partner": torch.tensor([1, 0]),
    }  # fmt: skip
    names["xyz"][7] = np.nan
    exec(BLOCKS[0], names)
    assert names["names"][7] == "unknown"
    assert {*names["names"]} <= {"unknown", *CLASSES.names}
    names["xyz"], names["color"] = np.delete(names["xyz"], 7, axis=0), np.delete(names["color"], 7, axis=0)
    for block in BLOCKS[1:]:
        exec(block, names)
    assert names["feats_redistributed"].shape == (20, 128)
    assert names["point_logits"].shape == (59, 13)
