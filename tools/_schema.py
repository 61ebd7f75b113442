"""Every setting of tools/train.py with its type and a line on what it means; configs/ holds the values."""

# ruff: noqa: RUF009 (setting() is dataclasses.field)
from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import MISSING


def setting(help: str, default: Any = MISSING) -> Any:
    """A field of the schema with its line of help."""
    return field(default=default, metadata={"help": help})


@dataclass
class Data:
    """Where the scenes are and how they are seen."""

    root: str = setting("folder of scenes, written by tools/prepare.py")
    train: list[str] = setting("splits to train on; those of `test` are left out")
    test: list[str] = setting("splits to evaluate on")
    voxel_size: float = setting("meters")
    features: list[str] = setting("what the network is given of a voxel, in order")
    label_folder: str = setting("where the label files lie")
    crop: dict[str, Any] | None = setting("the part of a scene that makes a sample, null: all of it", None)
    max_sample: int | None = setting("largest sample in training, in voxels, null: any", None)
    classes: Any = setting("auto: as the scenes say; s3dis; scannet20; a classes.yaml; or a list of names", "auto")


@dataclass
class Labels:
    """The label budget."""

    file: str | None = setting("file written by tools/draw_labels.py; null: every label", None)
    seed: int = setting("which draw of the labels", 0)


@dataclass
class Augment:
    """What is changed about a scene each time it is drawn."""

    transforms: dict[str, Any] = setting("objects of pcseg.feeding.transforms by any name, in order")
    mix: float = setting("probability that another scene is merged in (Mix3D); not in pairs", 0.0)


@dataclass
class Optim:
    """Optimizer and the schedule of its rate."""

    optimizer: dict[str, Any] = setting("a torch optimizer")
    schedule: dict[str, Any] = setting("one of pcseg.schedules")


@dataclass
class Part:
    """A stage of a recipe."""

    method: dict[str, Any] = setting("one of pcseg.methods")
    steps: float = setting("share of `steps`", 1.0)
    rate: float = setting("factor on the learning rate", 1.0)
    pairs: bool = setting("batches of pairs of scenes that share a labeled class", False)


@dataclass
class Train:
    """Train a network on scene folders from a label budget, and evaluate it.

    python tools/train.py experiment=simulated_1pct_dense_propagation
    python tools/train.py experiment=s3dis_1pct_supervised data.root=/disk/s3dis network=minkunet34c seed=1
    torchrun --nproc-per-node 4 tools/train.py experiment=scannet_full

    Leaves in `output`: metrics.json, last.safetensors, best.safetensors, config.yaml, train.log, curve.jsonl.
    """

    output: str = setting("folder of the run")
    data: Data = setting("where the scenes are and how they are seen")
    labels: Labels = setting("the label budget")
    network: dict[str, Any] = setting("one of pcseg.networks and its arguments")
    augment: Augment = setting("transforms of the scenes")
    optim: Optim = setting("optimizer and schedule")
    stages: dict[str, Part] = setting("the recipe: stages in order, weights carry over")
    steps: int = setting("optimizer steps of a stage of share 1; each takes stages.<name>.steps times as many")
    batch_size: int = setting("scenes a batch, over all processes")
    accumulate: int = setting("batches whose gradients are added up for one step", 1)
    clip: float | None = setting("largest gradient norm, null: any", 10.0)
    seed: int = setting("of weights, batches and augmentation", 0)
    evaluate_every: int = setting("steps between evaluations, 0: at the end only", 0)
    checkpoint_every: int = setting("steps between checkpoints", 200)
    votes: int = setting("rotated views averaged in evaluation", 1)
    max_voxels: int = setting("largest tile in evaluation, in voxels", 300000)
    device: str = setting("auto, cpu or cuda", "auto")
    precision: str = setting("32-true, bf16-mixed or 16-mixed", "32-true")
    threads: int | None = setting("CPU threads, null: all", None)
    workers: int = setting("processes that load data, 0: none", 1)
    weights: str | None = setting(
        "checkpoint or run folder whose weights to begin with (fine-tuning), null: none", None
    )
    resume: bool = setting("go on from the last checkpoint in `output`", False)
    overwrite: bool = setting("start over where `output` holds a run", False)
    tensorboard: bool = setting("write TensorBoard events", True)
    wandb: str | None = setting("project on Weights & Biases, null: none", None)


def training_splits(train: list[str], test: list[str]) -> list[str]:
    """The splits that are trained on: those of ``train`` that ``test`` does not hold back, however it writes them."""
    held_back = {Path(split) for split in test}
    return [split for split in train if Path(split) not in held_back]


VOLATILE = (
    "output", "evaluate_every", "checkpoint_every", "device", "threads", "workers", "resume", "overwrite",
    "tensorboard", "wandb", "network.activation_checkpointing",
)  # fmt: skip
"""Settings that a resumed run may have otherwise than the run it goes on from."""
