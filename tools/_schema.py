"""Every setting of tools/train.py with its type and one line on its meaning; configs/ holds the values."""

# ruff: noqa: RUF009 (setting() is dataclasses.field)
from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from omegaconf import MISSING

from pcseg.errors import InputError

GROUPS = ("experiment", "labels", "method", "then", "match", "tune", "network", "augment", "optim", "data")
"""The choices of a run, in the order in which they name it."""


BY_NAME = (
    "network: is chosen by its name in pcseg.networks, not by _target_; write network=minkunet34c, or "
    "network.name=MinkUNet with its arguments"
)
"""The message for a network that is given by ``_target_``."""


def setting(help: str, default: Any = MISSING, factory: Any = None) -> Any:
    """Return a field of the schema with its line of help."""
    if factory is not None:
        return field(default_factory=factory, metadata={"help": help})
    return field(default=default, metadata={"help": help})


@dataclass
class Data:
    """The scenes, and how they become samples."""

    root: str = setting("folder of scenes, written by tools/prepare.py")
    train: list[str] = setting("splits to train on; those of `test` are left out")
    test: list[str] = setting("splits to evaluate on")
    voxel_size: float = setting("meters; for point clouds", 0.0)
    features: list[Any] = setting(
        "input features of a voxel, in order: names, or {name: ..., radius: ...}", factory=list
    )
    images: dict[str, Any] | None = setting("for pictures: {scale: ..., mean: [...], std: [...]}; null: clouds", None)
    label_folder: str = setting("folder of the label files")
    crop: dict[str, Any] | None = setting("the part of a scene that makes a sample, null: all of it", None)
    max_sample: int | None = setting("largest sample in training, in voxels, null: any", None)
    spread_voxel_size: float | None = setting(
        "meters (pictures: pixels) of the graph that labels spread over; null: voxel_size (pictures: 2 as seen)", None
    )
    classes: Any = setting("auto: as the scenes say; s3dis; scannet20; a classes.yaml; or a list of names", "auto")


@dataclass
class Labels:
    """The label budget."""

    file: str | None = setting("file written by tools/draw_labels.py; null: every label", None)
    unlabeled: bool = setting("read no label at all, for methods that learn from clouds alone", False)
    seed: int = setting("number of the draw of the labels", 0)
    tags: str | None = setting("file of the classes in each scene; labels: those of its labels; null: none", None)


@dataclass
class Augment:
    """Changes of a scene, drawn anew each time it becomes a sample."""

    transforms: dict[str, Any] = setting("objects of pcseg.feeding.transforms, or .pictures, by any name, in order")
    strong: dict[str, Any] = setting("the same for views that are to be strongly augmented", factory=dict)
    mix: float = setting("probability that another scene is merged in (Mix3D); for RandomSampler only", 0.0)
    rare: float = setting(
        "share of samples centered on a labeled point, rare classes first; for RandomSampler only", 0.0
    )


@dataclass
class Optim:
    """Optimizer and the schedule of its rate."""

    optimizer: dict[str, Any] = setting("a torch optimizer")
    schedule: dict[str, Any] = setting("one of pcseg.schedules")


@dataclass
class Player:
    """Optimizer and schedule of one player of a method."""

    optimizer: dict[str, Any] = setting("a torch optimizer, {}: that of `optim`", factory=dict)
    schedule: dict[str, Any] = setting("one of pcseg.schedules, {}: that of `optim`", factory=dict)


@dataclass
class Part:
    """A stage of a recipe."""

    method: dict[str, Any] = setting("one of pcseg.methods")
    steps: float = setting("share of `steps`", 1.0)
    rate: float = setting("factor on the learning rates", 1.0)
    sampler: dict[str, Any] = setting("one of pcseg.feeding.samplers, {}: RandomSampler, augment.mix", factory=dict)
    only_labeled: bool = setting("without a sampler, draw only scenes that have a label", False)
    matched_sampler: bool = setting("runs that match this method draw its batches; false: labeled scenes alone", True)
    optimizers: dict[str, Player] = setting("by the method's players, where not `optim`", factory=dict)
    before: dict[str, Any] = setting("a pass over the data as the stage begins, {}: none", factory=dict)
    widen: float = setting("factor on how far above 1 the largest random scale is (Scale, WindowCrop)", 1.0)
    cost: float = setting("time of a step in steps of supervised training, by python -m benchmarks.cost", 1.0)


@dataclass
class Recipe:
    """The stages of a method, to be matched in time."""

    stages: dict[str, Part] = setting("stages in order", factory=dict)


@dataclass
class Train:
    """Train a network on scene folders from a label budget, and evaluate it.

    python tools/train.py experiment=simulated labels=1pct method=dense_propagation
    python tools/train.py experiment=s3dis labels=1pct method=supervised match=dense_propagation seed=1
    torchrun --nproc-per-node 4 tools/train.py experiment=scannet data.root=/disk/scannet network=minkunet18a

    Leaves in `output`: metrics.json, last.safetensors, best.safetensors, config.yaml, train.log, curve.jsonl.
    With match=<method> it trains for as long as that method computes, on the same kinds of batches.
    """

    output: str = setting("folder of the run, by default named from the choices")
    data: Data = setting("the scenes, and how they become samples")
    labels: Labels = setting("the label budget")
    network: dict[str, Any] = setting(
        "name of one of pcseg.networks and its arguments; weights: a file for the encoder"
    )
    augment: Augment = setting("transforms of the scenes")
    optim: Optim = setting("optimizer and schedule")
    stages: dict[str, Part] = setting("the recipe: stages in order, networks carry over")
    match: Recipe | None = setting("method whose stages, samplers and compute are matched, null: none", None)
    steps: int = setting("optimizer steps of a stage of share 1; each takes stages.<name>.steps times as many")
    batch_size: int = setting("scenes a batch, over all processes")
    accumulate: int = setting("batches whose gradients are added up for one step", 1)
    clip: float | None = setting("largest gradient norm, null: any", 10.0)
    seed: int = setting("of weights, batches and augmentation", 0)
    evaluate_every: int = setting("steps between evaluations, 0: at the end only", 0)
    checkpoint_every: int = setting("steps between checkpoints", 200)
    votes: int = setting("rotated views averaged in evaluation", 1)
    smooth: float = setting("evaluation evens probabilities out over surfaces: 0 none, 0.003 for rooms", 0.0)
    max_voxels: int = setting("largest tile in evaluation, in voxels or pixels", 300000)
    device: str = setting("auto, cpu or cuda", "auto")
    precision: str = setting("32-true, bf16-mixed or 16-mixed", "32-true")
    threads: int | None = setting("CPU threads, null: all", None)
    workers: int = setting("processes that load data, 0: none", 1)
    weights: str | None = setting(
        "checkpoint or run folder whose weights to begin with (fine-tuning), null: none", None
    )
    tune: dict[str, Any] | None = setting("one of pcseg.model.tuning: what of `weights` is trained, null: all", None)
    resume: bool = setting("go on from the last checkpoint in `output`", False)
    overwrite: bool = setting("start over where `output` holds a run", False)
    tensorboard: bool = setting("write TensorBoard events", True)
    wandb: str | None = setting("project on Weights & Biases, null: none", None)


VOLATILE = (
    "output", "evaluate_every", "checkpoint_every", "device", "threads", "workers", "resume", "overwrite",
    "tensorboard", "wandb", "network.activation_checkpointing", "steps",
)  # fmt: skip
"""Settings in which a resumed run may differ from the run it goes on from; of `steps` the engine takes care."""


def recipe(config: Train) -> dict[str, Part]:
    """Return the stages to train, by name.

    With ``match`` they are those of the matched method, of the same sampler (where it names one, and means it for its
    control too) and rate, of as many steps as take the same time by the stages' costs, each with the method that the
    config names. Raises
    InputError where that has several stages.
    """
    if config.match is None:
        return config.stages
    if len(config.stages) != 1:
        raise InputError(
            f"match: takes a method of one stage, this one has {', '.join(config.stages)}; choose method=supervised"
        )
    (own,) = config.stages.values()
    return {
        name: replace(
            own,
            sampler=(part.matched_sampler and part.sampler) or own.sampler,
            only_labeled=own.only_labeled or not part.matched_sampler,
            rate=part.rate,
            steps=part.steps * part.cost / own.cost,
        )
        for name, part in config.match.stages.items()
    }


def run_name(choices: dict[str, str]) -> str:
    """Return the name of a run from its choices by group, such as ``s3dis_1pct_dense_propagation``."""
    experiment = choices.get("experiment", "own")
    parts = [("match_" if group == "match" else "") + choices[group] for group in GROUPS[1:] if group in choices]
    return "_".join([experiment, *parts])
