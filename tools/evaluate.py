"""Score trained networks on whole scenes; see --help."""

# ruff: noqa: RUF009 (setting() is dataclasses.field)
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from _hydra import run
from _schema import setting


@dataclass
class Where:
    """The scenes to score on."""

    root: str | None = setting("folder of scenes; null: the one trained on", None)
    test: list[str] | None = setting("splits; null: those held back in training", None)


@dataclass
class Evaluate:
    """Score checkpoints on full-resolution points, with one confusion matrix over all scenes.

    python tools/evaluate.py checkpoint=outputs/demo
    python tools/evaluate.py checkpoint=outputs/s3dis votes=8 output=outputs/s3dis/votes_8
    python tools/evaluate.py 'checkpoint=[outputs/fold1,outputs/fold2,...,outputs/fold6]' output=outputs/6fold
    python tools/evaluate.py checkpoint=outputs/scannet 'data.test=[test]' submission=true output=outputs/submission

    Several checkpoints are the folds of a cross-validation: each is scored on the splits it did not see, and the
    confusion matrices are summed before the IoU is taken (the mean of the folds' mIoU is given beside it). Beside it
    are the mIoU of points that have a neighbor of another class, and the expected calibration error of 15 bins.
    """

    checkpoint: Any = setting("a .safetensors file or a run folder (its last weights), or a list of them")
    output: str = setting("folder for metrics.json and what else is asked for")
    data: Where = field(default_factory=Where, metadata={"help": "the scenes to score on"})
    votes: int = setting("rotated and shifted views that are averaged", 1)
    smooth: float = setting("even probabilities out over surfaces: 0 none, 0.003 for rooms", 0.0)
    crf: bool = setting("refine probabilities by position and color (a fully connected CRF)", False)
    max_voxels: int = setting("largest tile, in voxels", 300000)
    predictions: bool = setting("save <output>/predictions/<split>/<scene>.npy, the label of each point", False)
    submission: bool = setting("write ScanNet's <output>/submission/<scene>.txt and submission.zip", False)
    device: str = setting("auto, cpu or cuda", "auto")
    threads: int | None = setting("CPU threads, null: all", None)


def main(config: Evaluate) -> None:
    """Score each checkpoint and report."""
    from _scoring import score  # imported late: PyTorch takes seconds to load, and a wrong setting is told at once

    score(config)


if __name__ == "__main__":
    run(main, Evaluate, "evaluate")
