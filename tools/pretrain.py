"""Pretrain a network on scene folders without labels; see --help."""

from __future__ import annotations

from dataclasses import dataclass

from _hydra import run
from _schema import Train
from pcseg.engine.leaving import leaving_group
from train import main


@dataclass
class Pretrain(Train):
    """Pretrain a network on clouds alone: of the scenes of `data.train` no label is read, and nothing is scored.

    python tools/pretrain.py data=simulated output=outputs/pretrain
    python tools/train.py experiment=simulated labels=20pts weights=outputs/pretrain
    python tools/train.py experiment=simulated labels=20pts weights=outputs/pretrain tune=lora

    Splits of `data.test` are left out here too. Where they are not (data.test=[]), a later run from these weights says
    so beside its score. Leaves in `output`: last.safetensors, config.yaml, train.log, curve.jsonl, metrics.json.
    """


if __name__ == "__main__":
    with leaving_group():
        run(main, Pretrain, "pretrain")
