"""Build the objects of a run from its settings, and start it."""

from __future__ import annotations

from pcseg.command_line import check_output  # before torch: pcseg chooses how the threads wait

# isort: split

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import lightning_fabric

from _hydra import build, job_folder, target
from _schema import BY_NAME, VOLATILE, Part, Train, recipe
from pcseg.budgets.tags import Tags
from pcseg.budgets.weak_labels import WeakLabels
from pcseg.checks import above_zero
from pcseg.classes import NO_LABELS, Classes
from pcseg.datasets import choose_classes
from pcseg.device import set_threads
from pcseg.engine.processes import launch
from pcseg.engine.rounds import label_file
from pcseg.engine.run import Settings
from pcseg.engine.seeds import derive
from pcseg.engine.start import Job, start
from pcseg.engine.train import Optimizer, Stage
from pcseg.errors import InputError
from pcseg.feeding.dataset import TrainDataset
from pcseg.feeding.features import Features
from pcseg.feeding.kinds import check_takes
from pcseg.feeding.loading import loader
from pcseg.feeding.pictures import PictureDataset
from pcseg.feeding.samplers import Plan, StepSampler
from pcseg.feeding.transforms import Compose
from pcseg.feeding.widen import widened
from pcseg.model.inputs import ImageInputs, VoxelInputs
from pcseg.model.kinds import check_network
from pcseg.model.model import Model
from pcseg.model.networks import MAIN, Networks, NetworkSpec
from pcseg.model.trained_on import TrainedOn, training_splits
from pcseg.scenes.listing import list_scenes
from pcseg.scenes.scene import read_scene

NOTHING = Classes((NO_LABELS,))
"""The one class of networks that read no label, since each has a classifier."""

HELD_BACK = "'data.test=[...]', where [] holds none back"
"""How the splits to score on are chosen."""

FUSED = ("torch.optim.Adam", "torch.optim.AdamW")
"""Optimizers that can update all weights in one pass, in a quarter of the time.

SGD can, too, but fails where a weight has its first gradient in a later step than others.
"""

HALF = ("16-mixed", "16")
"""Precisions with a gradient scaler, which refuses to clip for such an optimizer."""


def train(config: Train) -> None:
    """Build the objects of a run and start it."""
    if config.workers < 0:
        raise InputError(f"workers={config.workers}: give 0 (no process beside this one) or more")
    if config.threads is not None:
        set_threads(config.threads)
    output = job_folder(config.output)
    check_output(str(output), folder=True)
    fabric = launch(config.device, config.precision)
    splits, held_back = training_splits(config.data.train, config.data.test), tuple(config.data.test)
    if not splits:
        raise InputError(f"data.train={config.data.train}: nothing is left beside data.test={config.data.test}")
    folders, unlabeled = list_scenes(config.data.root, splits, "'data.train=[...]'"), config.labels.unlabeled
    classes = NOTHING if unlabeled else choose_classes(config.data.classes, folders[0])
    data = make_dataset(config, folders, classes, make_labels(config, folders))
    job = Job(
        folder=output,
        model=make_model(config, data),
        data=data,
        test=[] if unlabeled else list_scenes(config.data.root, held_back, HELD_BACK),
        stages=[make_stage(config, i, *part, data, output, fabric) for i, part in enumerate(recipe(config).items())],
        scenes=TrainedOn(config.data.root, splits, held_back),
        config=asdict(config),
        settings=Settings(config.seed, config.accumulate, config.clip, config.checkpoint_every, config.evaluate_every),
        volatile=VOLATILE,
        weights=config.weights,
        tune=build(config.tune, "tune") if config.tune else None,
        resume=config.resume,
        overwrite=config.overwrite,
        votes=config.votes,
        smooth=config.smooth,
        max_voxels=config.max_voxels,
        tensorboard=config.tensorboard,
        wandb=config.wandb,
    )
    start(job, fabric)


def make_labels(config: Train, folders: list[Path]) -> WeakLabels | None:
    """Return the label budget, None where all labels are known; with ``labels.unlabeled`` one of no label."""
    if not config.labels.unlabeled:
        return WeakLabels.load(config.labels.file) if config.labels.file else None
    if config.labels.file or config.labels.tags:
        raise InputError("labels.unlabeled=true: no label is read; leave labels.file and labels.tags out")
    return WeakLabels.none((read_scene(folder, NOTHING, with_labels=False) for folder in folders), NOTHING)


def make_dataset(
    config: Train,
    folders: list[Path],
    classes: Classes,
    labels: WeakLabels | None,
    widen: float = 1.0,
    tagged: bool = True,
) -> TrainDataset | PictureDataset:
    """Return the training set of ``folders``, labeled by ``labels`` (None: by all labels), at scales of ``widen``.

    It has the tags of the configuration if it is to be ``tagged``: samples then end where their tags do.
    """
    data, augment = config.data, config.augment

    def change(node: dict[str, Any], where: str) -> Any:
        made = build(node, where)
        check_takes(where, made, pictures=data.images is not None)
        return widened(made, widen)

    usual, strong = (
        [change(node, f"augment.{group}.{name}") for name, node in getattr(augment, group).items()]
        for group in ("transforms", "strong")
    )
    crop = change(data.crop, "data.crop") if data.crop else None
    tags = tags_of(config.labels.tags, labels) if tagged else None
    if data.images is not None:
        seen = image_inputs(data.images)
        return PictureDataset(
            folders, classes, labels, seen.mean, seen.std, seen.scale, crop, usual, strong or None, tags
        )
    return TrainDataset(
        folders,
        classes,
        labels,
        Features(data.features),
        data.voxel_size,
        Compose(usual),
        crop,
        data.max_sample,
        Compose(strong) if strong else None,
        tags,
    )


def image_inputs(images: dict[str, Any]) -> ImageInputs:
    """Return the settings by which networks see pictures."""
    listed = {name: tuple(value) if isinstance(value, list) else value for name, value in images.items()}
    made: ImageInputs = build({"_target_": "pcseg.model.inputs.ImageInputs", **listed}, "data.images")
    return made


def tags_of(choice: str | None, labels: WeakLabels | None) -> Tags | None:
    """Return the tags of the scenes; None without tags."""
    if choice is None:
        return None
    if choice == "labels" and labels is None:
        raise InputError("labels.tags=labels: every label is known here; draw a label budget, or give a tag file")
    return Tags.from_labels(labels) if choice == "labels" and labels is not None else Tags.load(choice)


def make_model(config: Train, data: TrainDataset | PictureDataset) -> Model:
    """Return a model of fresh weights."""
    arguments = dict(config.network)
    pretrained = arguments.pop("weights", None) or ""
    if "_target_" in arguments or not isinstance(arguments.get("name"), str):
        raise InputError(BY_NAME)
    name = arguments.pop("name")
    inputs: VoxelInputs | ImageInputs
    if isinstance(data, PictureDataset):
        inputs = ImageInputs(data.mean, data.std, data.scale)
    else:
        inputs = VoxelInputs(data.voxel_size, data.features)
    arguments |= {"in_channels": inputs.width, "n_classes": len(data.classes)}
    networks = Networks.build(NetworkSpec(name, arguments, pretrained=pretrained), config.seed)
    check_network(name, networks[MAIN], inputs)
    return Model(networks, data.classes, inputs)


def make_stage(
    config: Train,
    index: int,
    name: str,
    part: Part,
    data: TrainDataset | PictureDataset,
    output: Path,
    fabric: lightning_fabric.Fabric,
) -> Stage:
    """Return stage number ``index`` of a recipe."""
    above_zero(**{f"stages.{name}.widen": part.widen})
    steps = round(part.steps * config.steps)
    last, where = steps * config.accumulate, (fabric.global_rank, fabric.world_size)
    default = {
        "_target_": "pcseg.feeding.samplers.RandomSampler",
        "mix": config.augment.mix,
        "labeled": part.only_labeled,
        "rare": config.augment.rare,
    }

    method = target(part.method)
    tagged = data.tags is not None and (getattr(method, "reads_tags", True) or "tags" in method.needs)

    def sample(source: TrainDataset | PictureDataset, first: int) -> StepSampler:
        plan = Plan(config.batch_size, last, derive(config.seed, index), first, *where)
        sampler: StepSampler = build(part.sampler or default, f"stages.{name}.sampler", source, plan)
        return sampler

    def batches(model: Model, first: int) -> Any:
        source, labels = data, label_file(output, name)
        left = part.before and labels.is_file()  # by the pass before this stage
        if left or part.widen != 1 or tagged != (data.tags is not None):
            budget = WeakLabels.load(labels) if left else data.labels
            source = make_dataset(config, list(data.folders), model.classes, budget, part.widen, tagged)
        return loader(source, sample(source, first * config.accumulate), config.workers)

    return Stage(
        name,
        steps,
        partial(build, part.method, f"stages.{name}.method"),
        batches,
        {player: make_optimizer(config, name, part, player) for player in ("main", *part.optimizers)},
        build(part.before, f"stages.{name}.before", data, name) if part.before else None,
        data.offers | sample(data, 0).offers | (frozenset({"weights"}) if part.before else frozenset()),
        not config.labels.unlabeled,
    )


def make_optimizer(config: Train, stage: str, part: Part, player: str) -> Optimizer:
    """Return the optimizer of a player: its own where the stage has one, else that of all."""
    own = part.optimizers.get(player)
    where = f"stages.{stage}.optimizers.{player}" if own else "optim"
    node = dict((own and own.optimizer) or config.optim.optimizer)
    rate = node.get("lr", 0.001)
    if not isinstance(rate, (int, float)):
        raise InputError(f"{where}.optimizer.lr={rate}: is not a number; give one above 0")
    if node.get("_target_") in FUSED and "foreach" not in node and config.precision not in HALF:
        node.setdefault("fused", True)
    schedule = (own and own.schedule) or config.optim.schedule
    make = partial(build, {**node, "lr": rate * part.rate}, f"{where}.optimizer")
    return Optimizer(make, build(schedule, f"{where}.schedule"))
