"""Train a network on scene folders from a label budget; see --help."""

from __future__ import annotations

from pcseg.command_line import check_output  # before torch: pcseg chooses how the threads wait

# isort: split

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import lightning_fabric
import torch
from lightning_fabric.strategies import DDPStrategy
from omegaconf import OmegaConf

from _hydra import build, job_folder, run
from _resume import check_folder, check_labels, record_of, start_over
from _schema import Train, training_splits
from pcseg.budgets.weak_labels import WeakLabels
from pcseg.classes import Classes
from pcseg.datasets import choose_classes
from pcseg.device import choose_device, set_threads, threads_summary
from pcseg.engine.evaluate import check_scenes, evaluate
from pcseg.engine.folder import RunFolder
from pcseg.engine.memory import keep_freed_memory
from pcseg.engine.predict import Predictor
from pcseg.engine.report import budget, git_hash, metrics
from pcseg.engine.run import Settings
from pcseg.engine.train import Optimizer, Stage, derive, train
from pcseg.errors import InputError
from pcseg.feeding.dataset import TrainDataset
from pcseg.feeding.features import Features
from pcseg.feeding.loading import loader
from pcseg.feeding.samplers import PairSampler, Plan, RandomSampler
from pcseg.feeding.transforms import Compose
from pcseg.files import atomic_path, write_json
from pcseg.model.inputs import VoxelInputs
from pcseg.model.model import Model
from pcseg.model.networks import Networks, NetworkSpec
from pcseg.model.tensor_file import check_name
from pcseg.model.weights import start_from
from pcseg.scenes.scene import list_scenes


def main(config: Train) -> None:
    """One run, from its configuration to its metrics."""
    if config.workers < 0:
        raise InputError(f"workers={config.workers}: give 0 (no process beside this one) or more")
    if config.threads is not None:
        set_threads(config.threads)
    output = job_folder(config.output)
    check_output(str(output), folder=True)
    check_name(output)
    check_folder(config, output)
    fabric = make_fabric(config)
    train_in(output, config, fabric)
    fabric.barrier()  # so that none leaves while another still talks to it


def train_in(output: Path, config: Train, fabric: lightning_fabric.Fabric) -> None:
    """The run of this process, one of those of ``fabric``."""
    test = list_scenes(config.data.root, config.data.test)
    classes = choose_classes(config.data.classes, list_scenes(config.data.root, splits_of(config))[0])
    dataset = make_dataset(config, classes)
    spent = budget(dataset)
    check_scenes(test, classes, dataset.features)
    model = make_model(config, classes, dataset, spent)
    begun = config.resume and (output / "resume.safetensors").exists()
    taken = start_from(model, config.weights) if config.weights and not begun else []
    stages = [make_stage(config, name, i, dataset, fabric) for i, name in enumerate(config.stages)]
    if config.resume:
        check_labels(output, spent)
    elif config.overwrite and fabric.is_global_zero:
        start_over(output)
    fabric.barrier()
    folder = RunFolder(output, writes=fabric.is_global_zero, tensorboard=config.tensorboard, wandb=config.wandb)
    if fabric.is_global_zero:
        with atomic_path(output / "config.yaml") as temporary:
            temporary.write_text(OmegaConf.to_yaml(OmegaConf.structured(config)), encoding="utf-8")
    predictor = Predictor(model, fabric.device, config.votes, config.max_voxels)
    protocol = f"{len(test)} scenes of {', '.join(config.data.test)}; {predictor.protocol()}; last weights"
    folder.log(f"training {len(dataset)} scenes of {', '.join(splits_of(config))} into {output} on {fabric.device}")
    folder.log(
        dataset.labels.summary() if dataset.labels else f"labels: all {spent['count']:,}, sha256 {spent['sha256']}"
    )
    for line in taken:
        folder.log(line)
    folder.log("stages: " + ", ".join(f"{stage.name} {stage.steps:,} steps" for stage in stages))
    folder.log(f"evaluation: {protocol if test else 'none, since data.test holds back no split'}")
    folder.log(threads_summary())
    outcome = train(
        fabric,
        model,
        stages,
        folder,
        Settings(config.seed, config.accumulate, config.clip, config.checkpoint_every, config.evaluate_every),
        lambda: evaluate(predictor, test, fabric),
        config.resume,
    )
    if fabric.is_global_zero:
        figures = metrics(outcome.matrix, classes, protocol, outcome.seconds)
        best = outcome.best and {**outcome.best, "chosen_on": config.data.test}
        write_json(output / "metrics.json", {**figures, "labels": spent, "steps": outcome.step, "best": best})
        scored = outcome.matrix.counts.sum() > 0
        score = f"mIoU {100 * outcome.matrix.miou:.2f} %" if scored else "nothing to score on (no labels in data.test),"
        folder.log(f"{score} after {outcome.seconds:.0f} s; written to {output}")
    folder.close()


def make_fabric(config: Train) -> lightning_fabric.Fabric:
    """This process alone, or with those that torchrun has started beside it."""
    world, local = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    # A method may leave some of its weights unused at a step, as propagation does before its ramp begins.
    strategy: Any = DDPStrategy(find_unused_parameters=True) if world > 1 else "auto"
    try:
        fabric = lightning_fabric.Fabric(
            accelerator=choose_device(config.device).type,
            strategy=strategy,
            devices=local,
            num_nodes=world // local,
            precision=config.precision,  # type: ignore[arg-type]
        )
    except ValueError as error:
        raise InputError(f"precision={config.precision}: {str(error).splitlines()[0]}") from error
    fabric.launch()
    if fabric.device.type == "cpu":
        keep_freed_memory()
    return fabric


@contextmanager
def leaving_group() -> Iterator[None]:
    """Leave the other processes, if there are any, when this one ends: a group left open may abort the interpreter then.

    Not after each job of a ``--multirun``, since torchrun's processes meet only once; nor after an unforeseen error,
    which might leave a message on its way that would be waited for.
    """
    try:
        yield
    except SystemExit:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
        raise


def splits_of(config: Train) -> list[str]:
    """The splits to train on: those not held back for the evaluation."""
    splits = training_splits(config.data.train, config.data.test)
    if not splits:
        raise InputError(f"data.train={config.data.train}: nothing is left beside data.test={config.data.test}")
    return splits


def make_dataset(config: Train, classes: Classes) -> TrainDataset:
    data = config.data
    transforms = [build(node, f"augment.transforms.{name}") for name, node in config.augment.transforms.items()]
    return TrainDataset(
        list_scenes(data.root, splits_of(config)),
        classes,
        WeakLabels.load(config.labels.file) if config.labels.file else None,
        Features(data.features),
        data.voxel_size,
        Compose(transforms),
        build(data.crop, "data.crop") if data.crop else None,
        data.max_sample,
    )


def make_model(config: Train, classes: Classes, dataset: TrainDataset, labels: dict[str, Any]) -> Model:
    """A network with fresh weights and the record that its checkpoints carry."""
    arguments = {key: value for key, value in config.network.items() if key != "_target_"}
    features = dataset.features
    arguments |= {"in_channels": features.width, "n_classes": len(classes)}
    # By its name alone, so that what can be trained can be loaded again.
    spec = NetworkSpec(str(config.network.get("_target_", "")).rpartition(".")[2], arguments)
    record = {**record_of(config), "labels": labels, "colored": dataset.colored, "git": git_hash()}
    inputs = VoxelInputs(config.data.voxel_size, features)
    return Model(Networks.build(spec, config.seed), classes, inputs, record)


def make_stage(config: Train, name: str, index: int, dataset: TrainDataset, fabric: lightning_fabric.Fabric) -> Stage:
    part = config.stages[name]
    steps = round(part.steps * config.steps)
    rate = config.optim.optimizer.get("lr", 0.001)
    if not isinstance(rate, (int, float)):
        raise InputError(f"optim.optimizer.lr={rate}: is not a number; give one above 0")
    where = (fabric.global_rank, fabric.world_size)

    def batches(model: Model, start: int) -> Any:
        seed, first, last = derive(config.seed, index), start * config.accumulate, steps * config.accumulate
        plan = Plan(config.batch_size, last, seed, first, *where)
        sampler = PairSampler(dataset, plan) if part.pairs else RandomSampler(dataset, plan, mix=config.augment.mix)
        return loader(dataset, sampler, config.workers)

    make = partial(build, {**config.optim.optimizer, "lr": rate * part.rate}, "optim.optimizer")
    return Stage(
        name,
        steps,
        partial(build, part.method, f"stages.{name}.method"),
        batches,
        {"main": Optimizer(make, build(config.optim.schedule, "optim.schedule"))},
        offers=dataset.offers | (PairSampler.offers if part.pairs else frozenset()),
    )


if __name__ == "__main__":
    with leaving_group():
        run(main, Train, "train")
