"""What a run or an evaluation reports: metrics.json, the protocol in words, and where the code stood."""

from __future__ import annotations

import math
import subprocess
from pathlib import Path
from typing import Any

from pcseg.labels import Classes
from pcseg.metrics import ConfusionMatrix


def metrics(matrix: ConfusionMatrix, classes: Classes, protocol: str, seconds: float) -> dict[str, Any]:
    """The figures of a confusion matrix as JSON holds them: shares of 1, and null for a class that is absent."""
    return {
        "miou": number(matrix.miou),
        "iou": {name: number(float(iou)) for name, iou in zip(classes.names, matrix.iou, strict=True)},
        "accuracy": number(matrix.accuracy),
        "protocol": protocol,
        "seconds": round(seconds, 1),
        "confusion": matrix.counts.tolist(),
    }


def number(value: float) -> float | None:
    """``value``, or None where it is NaN, which JSON cannot say."""
    return None if math.isnan(value) else value


def git_hash() -> str | None:
    """Commit of the checkout this code runs from, with ``+`` where files differ from it; None outside a checkout."""
    root = Path(__file__).resolve().parents[2]

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() != root:
            return None
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return None
