"""Do a whole training run: check its folder, data and labels, train, score, and leave metrics.json."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning_fabric
import torch
import yaml
from torch import nn

from pcseg.device import threads_summary
from pcseg.engine.evaluate import check_scenes, evaluate
from pcseg.engine.folder import RunFolder
from pcseg.engine.predictors import make_predictor
from pcseg.engine.report import budget, git_hash, metrics
from pcseg.engine.resume import check_labels, check_new, check_resumable, holds_run, record_of, start_over
from pcseg.engine.run import Outcome, Settings
from pcseg.engine.train import Stage, train
from pcseg.errors import InputError
from pcseg.feeding.training_set import TrainingSet
from pcseg.files import atomic_path, write_json
from pcseg.model.model import Model
from pcseg.model.tensor_file import check_name
from pcseg.model.trained_on import TrainedOn, seen
from pcseg.model.weights import start_from
from pcseg.version import __version__


@dataclass(frozen=True)
class Job:
    """A training run: its objects, and how it stands to what is in its folder.

    ``scenes`` names the splits of ``data`` and of ``test``, the scenes to score on. ``config`` (JSON) is the
    configuration that checkpoints keep; a run is resumed with the same, except for the settings named in ``volatile``.
    ``weights``: a checkpoint or run folder whose weights to begin with; ``tune`` sets what of them is trained (None:
    all), as those of :mod:`pcseg.model.tuning` do. ``votes``, ``smooth`` and ``max_voxels`` as in Predictor.
    """

    folder: Path
    model: Model
    data: TrainingSet[Any]
    test: Sequence[Path]
    stages: list[Stage]
    scenes: TrainedOn
    config: dict[str, Any]
    settings: Settings = field(default_factory=Settings)
    volatile: Collection[str] = ()
    weights: str | None = None
    tune: Callable[[nn.Module], None] | None = None
    resume: bool = False
    overwrite: bool = False
    votes: int = 1
    smooth: float = 0.0
    max_voxels: int = 300_000
    tensorboard: bool = False
    wandb: str | None = None


def start(job: Job, fabric: lightning_fabric.Fabric) -> Outcome:
    """Do a run, in this process and those beside it, or go on with it; return its outcome.

    Raises InputError before the first step for a folder that holds another run, for data or labels that do not fit, and
    for what ``train`` refuses; an earlier run in the folder then stays as it was.
    """
    check_name(job.folder)
    if job.tune and not job.weights:
        raise InputError("tune: trains a part of given weights; give them (weights=<checkpoint>), or tune=null")
    if job.resume:
        check_resumable(job.folder, job.config, job.volatile, job.stages)
    else:
        check_new(job.folder, job.overwrite)
    spent = budget(job.data, any(stage.labeled for stage in job.stages))
    predictor = make_predictor(job.model, fabric.device, job.votes, job.max_voxels, job.smooth)
    check_scenes(predictor, job.test)
    if job.resume:
        check_labels(job.folder, spent["sha256"])
    job.model.record = _record(job, spent)
    taken: list[str] = []
    if job.resume and holds_run(job.folder):
        job.model.record |= {key: value for key, value in record_of(job.folder).items() if key == "began_from"}
    elif job.weights:
        taken = start_from(job.model, job.weights, whole=job.tune is not None)
        if job.tune:
            job.tune(job.model.network)
    if job.overwrite and not job.resume and fabric.is_global_zero:
        start_over(job.folder)
    fabric.barrier()
    folder = RunFolder(job.folder, writes=fabric.is_global_zero, tensorboard=job.tensorboard, wandb=job.wandb)
    if folder.writes:
        with atomic_path(job.folder / "config.yaml") as temporary:
            text = yaml.safe_dump(job.config, sort_keys=False, allow_unicode=True, default_flow_style=False)
            temporary.write_text(text, encoding="utf-8")
    protocol = f"{len(job.test)} scenes of {', '.join(job.scenes.test)}; {predictor.protocol()}; last weights"
    if before := seen(job.model.record, job.scenes.test, job.scenes.root):
        protocol += f"; the weights it began from were TRAINED on {', '.join(before)}"
    _announce(job, folder, fabric, spent, taken, protocol)
    outcome = train(
        fabric, job.model, job.stages, folder, job.settings, lambda: evaluate(predictor, job.test, fabric), job.resume
    )
    if folder.writes:
        _report(job, folder, outcome, spent, protocol)
    folder.close()
    fabric.barrier()  # so that no process leaves while another still talks to it
    return outcome


def _record(job: Job, spent: dict[str, Any]) -> dict[str, Any]:
    """Return the record that the checkpoints carry."""
    return {
        **job.model.record,
        "config": job.config,
        "pcseg": __version__,
        "torch": torch.__version__,
        "trained_on": job.scenes.to_json(),
        "stages": {stage.name: stage.steps for stage in job.stages},
        "labels": spent,
        "tags": None if job.data.tags is None else job.data.tags.sha256,
        "colored": job.data.colored,
        "git": git_hash(),
    }


def _announce(
    job: Job,
    folder: RunFolder,
    fabric: lightning_fabric.Fabric,
    spent: dict[str, Any],
    taken: list[str],
    protocol: str,
) -> None:
    """Log the data, labels, weights, stages and threads of the run."""
    splits, labels = ", ".join(job.scenes.train), job.data.labels
    folder.log(f"training {len(job.data)} scenes of {splits} into {job.folder} on {fabric.device}")
    if not any(stage.labeled for stage in job.stages):
        folder.log(f"labels: none, no label is read; sha256 of the clouds {spent['sha256']}")
    else:
        in_scenes = f"in {int(job.data.labeled().sum())} of {len(job.data)} scenes"
        all_there = f"labels: all {spent['count']:,}, {in_scenes}, sha256 {spent['sha256']}"
        folder.log(labels.summary() if labels else all_there)
    if job.data.tags is not None:
        folder.log(job.data.tags.summary())
    for line in taken:
        folder.log(line)
    folder.log("stages: " + ", ".join(f"{stage.name} {stage.steps:,} steps" for stage in job.stages))
    reason = "nothing is scored here" if job.scenes.test else "data.test holds back no split"
    folder.log(f"evaluation: {protocol if job.test else f'none, since {reason}'}")
    folder.log(threads_summary())


def _report(job: Job, folder: RunFolder, outcome: Outcome, spent: dict[str, Any], protocol: str) -> None:
    """Write metrics.json and log the score."""
    figures = metrics(outcome.matrix, job.model.classes, protocol, outcome.seconds)
    best = outcome.best and {**outcome.best, "chosen_on": list(job.scenes.test)}
    write_json(job.folder / "metrics.json", {**figures, "labels": spent, "steps": outcome.step, "best": best})
    scored = outcome.matrix.counts.sum() > 0
    nothing = "nothing to score on (no labels in data.test)," if job.test else "not scored,"
    score = f"mIoU {100 * outcome.matrix.miou:.2f} %" if scored else nothing
    folder.log(f"{score} after {outcome.seconds:.0f} s; written to {job.folder}")
