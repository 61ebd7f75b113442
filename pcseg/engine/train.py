"""The training loop: stages one after the other, each with its method, its optimizers and its share of the steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import Any

import lightning_fabric
import torch
from torch import Tensor
from tqdm import tqdm

from pcseg.engine.folder import RunFolder
from pcseg.engine.run import Outcome, Run, Settings
from pcseg.engine.seeds import derive
from pcseg.engine.state import State
from pcseg.errors import InputError
from pcseg.feeding.batch import Batch
from pcseg.feeding.loading import plain, plain_errors
from pcseg.methods.base import Method, ParameterGroup
from pcseg.metrics import ConfusionMatrix
from pcseg.model.model import Model
from pcseg.schedules import Constant

REMEDIES = {
    "pairs": "batches of pairs (sampler PairSampler)",
    "matches": "several views of a scene (sampler ViewSampler)",
    "domain": "labeled and unlabeled samples (sampler MixedSampler)",
    "tags": "the classes present in each scene (labels.tags)",
    "weights": "weighted labels, as a round of pseudo labels leaves them",
    "voxels": "point clouds (data.images=null)",
    "labels": "a label budget (labels.file), or a method that learns without (method=scene_contrast)",
}
"""The remedy for each need of a method that the data lacks."""


@dataclass(frozen=True)
class Optimizer:
    """``make`` takes parameter groups; ``schedule`` turns progress in [0, 1] into a factor on its rates."""

    make: Callable[[list[dict[str, Any]]], torch.optim.Optimizer]
    schedule: Callable[[float], float] = field(default_factory=Constant)


@dataclass(frozen=True)
class Stage:
    """One part of a recipe. Stages share the networks of the model; everything else is made anew for each.

    ``method`` wraps the model; ``batches`` gives the batches from step ``start`` on, ``accumulate`` of them a step, of
    the model as it then is; ``optimizers`` by the names of the method's players, those without one taking that of
    "main". ``before`` is a pass over the data as the stage begins: relabel, cluster, extend the classes. It runs on
    every process and may leave files in the run folder; after a kill within the stage's first steps it runs again, so
    let it keep finished work. ``offers``: what the batches hold beyond labels; ``labeled``: whether they hold these.
    """

    name: str
    steps: int
    method: Callable[[Model], Method]
    batches: Callable[[Model, int], Iterable[Batch]]
    optimizers: Mapping[str, Optimizer]
    before: Callable[[Model, RunFolder, lightning_fabric.Fabric], None] | None = None
    offers: frozenset[str] = frozenset()
    labeled: bool = True

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise InputError(f"stages.{self.name}: has {self.steps} steps; raise steps or stages.{self.name}.steps")

    def players(self, method: Method) -> dict[str, tuple[torch.optim.Optimizer, list[float]]]:
        """Return the optimizer of each player of ``method``, and the rates of its groups at factor 1."""
        return {name: self._player(name, groups) for name, groups in method.players().items()}

    def check(self, model: Model) -> None:
        """Raise InputError where the method or its optimizers cannot be made, or the data lacks what it needs.

        Networks that the method makes are left in ``model``, as the stage would leave them.
        """
        method = self.method(model)
        players = self.players(method)
        unknown = sorted(self.optimizers.keys() - players.keys() - {"main"})
        if unknown:
            raise InputError(f"stages.{self.name}.optimizers: no player '{unknown[0]}'; it has {', '.join(players)}")
        if method.deployed not in model.networks:
            known = ", ".join(model.networks)
            raise InputError(f"stages.{self.name}: no network '{method.deployed}' to be deployed; there is {known}")
        lacking = sorted(method.needs - self.offers) + ["labels"] * (method.reads_labels and not self.labeled)
        if lacking:
            wanted = ", ".join(f"{name}: {REMEDIES.get(name, 'batches that hold it')}" for name in lacking)
            raise InputError(f"stages.{self.name}: {type(method).__name__} needs what its batches lack; give {wanted}")

    def _player(self, name: str, groups: list[ParameterGroup]) -> tuple[torch.optim.Optimizer, list[float]]:
        chosen = self.optimizers.get(name, self.optimizers.get("main"))
        if chosen is None or not groups:
            raise InputError(f"stages.{self.name}.optimizers: player '{name}' has no optimizer or nothing to train")
        optimizer = chosen.make([{"params": list(group.parameters)} for group in groups])
        for made, group in zip(optimizer.param_groups, groups, strict=True):
            made["lr"] *= group.rate
        return optimizer, [group["lr"] for group in optimizer.param_groups]

    def schedule(self, player: str) -> Callable[[float], float]:
        """Return the schedule of a player."""
        return self.optimizers.get(player, self.optimizers.get("main", Optimizer(torch.optim.SGD))).schedule


def train(
    fabric: lightning_fabric.Fabric,
    model: Model,
    stages: list[Stage],
    folder: RunFolder,
    settings: Settings,
    evaluate: Callable[[], ConfusionMatrix],
    resume: bool = False,
) -> Outcome:
    """Train the networks of ``model`` in place, leaving the loss curve and checkpoints in ``folder``; score at the end.

    ``evaluate`` scores the model as it stands; it is also called every ``evaluate_every`` steps. With ``resume`` the
    run goes on from the checkpoint in ``folder``, on a CPU to the same bits as if it had never stopped. Raises
    InputError where a stage cannot begin (before the first step), and where a loss or a gradient is not finite; the
    last checkpoint then stays as it was. (With 16-mixed precision a step whose gradient is not finite is left out
    instead, as the gradient scaler does by itself.)
    """
    run = Run(fabric, model, folder, settings, evaluate)
    state = run.read() if resume else None
    folder.begin(run.step)
    trial = replace(model, networks=model.networks.scratch())
    for stage in stages:
        stage.check(trial)
    del trial
    total = sum(stage.steps for stage in stages)
    with tqdm(total=total, initial=run.step, unit="step", disable=not fabric.is_global_zero) as bar, plain_errors():
        first = 0
        for stage in stages:
            last = first + stage.steps
            # A checkpoint made at the end of a stage still belongs to it: that stage is restored and has no step left.
            if run.step < last or (run.step == last and state is not None):
                bar.set_description(stage.name)
                _train_stage(run, stage, first, total, state, bar)
                state = None
            first = last
    return run.outcome()


def _train_stage(run: Run, stage: Stage, first: int, total: int, state: State | None, bar: tqdm[Any]) -> None:
    """Do the steps left of ``stage``, whose first step is step ``first`` of the run."""
    fabric, settings, model = run.fabric, run.settings, run.model
    if stage.before is not None and state is None:
        run.share_buffers(model.networks)
        stage.before(model, run.folder, fabric)
        fabric.barrier()
    run.note_labels(stage.name)
    torch.manual_seed(derive(settings.seed, first))
    method = stage.method(model).to(fabric.device)  # its own parts too: Fabric warns where devices differ
    model.deployed = method.deployed
    players = stage.players(method)
    method, *wrapped = fabric.setup(method, *(optimizer for optimizer, _ in players.values()))
    optimizers = dict(zip(players, wrapped, strict=True))
    method.mark_forward_method("losses")
    if state is not None:
        run.restore(state, method, optimizers)
    run.to_training(method)
    batches = plain(stage.batches(model, run.step - first))
    while run.step < first + stage.steps:
        fetched = list(islice(batches, settings.accumulate))
        progress = (run.step - first) / stage.steps
        values: dict[str, float] = {}
        for turn, (player, optimizer) in enumerate(optimizers.items()):
            factor = stage.schedule(player)(progress)
            for group, rate in zip(optimizer.param_groups, players[player][1], strict=True):
                group["lr"] = rate * factor
            # The first player's draws have no number of their own, so that a second one changes nothing about them.
            seed = partial(derive, settings.seed, run.step, 1 + fabric.global_rank, *[turn] * (turn > 0))
            losses = _backward(fabric, method, fetched, progress, player, seed)
            norm = _clipped(fabric, method, optimizer, settings.clip)
            found = _checked(losses, run.step, stage.name)
            _checked(norm, run.step, stage.name)
            optimizer.step()
            method.zero_grad()  # of all players: a loss may reach the parameters of another
            values |= found if turn == 0 else {f"{player}/{name}": value for name, value in found.items()}
        method.after_step(run.step)
        run.step += 1
        rate = next(iter(optimizers.values())).param_groups[0]["lr"]
        run.folder.step(run.step, {"stage": stage.name, "lr": rate, **values})
        bar.set_postfix(loss=f"{values['loss']:.3f}", refresh=False)
        bar.update()
        if _due(run.step, settings.evaluate_every) and run.step < total:
            run.score()
            run.to_training(method)
        if _due(run.step, settings.checkpoint_every) or run.step == first + stage.steps:
            run.save(method, optimizers)


def _backward(
    fabric: lightning_fabric.Fabric,
    method: Any,
    batches: list[Batch],
    progress: float,
    player: str,
    seed: Callable[[int], int],
) -> dict[str, Tensor]:
    """Add the gradients of some batches; return the losses, mean over the batches and processes, and their sum.

    Batch i draws from ``seed(i)``: on step and batch alone, not on where the run was interrupted.
    """
    sums: dict[str, Tensor] = {}
    for i, batch in enumerate(batches):
        torch.manual_seed(seed(i))
        with fabric.no_backward_sync(method, enabled=i + 1 < len(batches)), fabric.autocast():
            losses = method.losses(batch.to(fabric.device), progress, player)
            losses["loss"] = torch.stack(list(losses.values())).sum()
            fabric.backward(losses["loss"] / len(batches))
        for name, value in losses.items():
            sums[name] = sums.get(name, 0) + value.detach() / len(batches)
    means = fabric.all_reduce(torch.stack(list(sums.values())), reduce_op="mean")
    return dict(zip(sums, means, strict=True))


def _clipped(fabric: lightning_fabric.Fabric, method: Any, optimizer: Any, largest: float | None) -> dict[str, Tensor]:
    """Shorten the gradient to the norm ``largest``; return the norm it had, by the name that a message gives it.

    Nothing is returned under a gradient scaler: its gradients may overflow, and it leaves out such a step by itself.
    """
    scaled = getattr(fabric.strategy.precision, "scaler", None) is not None
    if scaled and largest is None:
        return {}
    # An infinite limit multiplies by 1.
    limit = math.inf if largest is None else largest
    norm = fabric.clip_gradients(method, optimizer, max_norm=limit, error_if_nonfinite=False)
    return {} if scaled or norm is None else {"the gradient norm": norm}


def _checked(losses: dict[str, Tensor], step: int, stage: str) -> dict[str, float]:
    values = {name: float(value) for name, value in losses.items()}
    for name, value in values.items():
        if not math.isfinite(value):
            raise InputError(
                f"step {step} of stage {stage}: {name} is {value}; lower optim.optimizer.lr (the last checkpoint stays)"
            )
    return values


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0
