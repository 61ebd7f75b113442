"""The training loop: stages one after the other, each with its method, its optimizer and its share of the steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

import lightning_fabric
import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from pcseg.engine.folder import RunFolder
from pcseg.engine.run import Outcome, Run, Settings, State
from pcseg.errors import InputError
from pcseg.feeding.batch import Batch
from pcseg.feeding.loading import plain, plain_errors
from pcseg.methods.base import Method
from pcseg.metrics import ConfusionMatrix
from pcseg.model.checkpoint import Model


@dataclass(frozen=True)
class Stage:
    """One part of a recipe. Stages share the network; everything else is made anew for each.

    ``method`` wraps the network; ``optimizer`` takes the parameters; ``schedule`` turns progress in [0, 1] into a factor
    on the optimizer's rate; ``batches`` gives the batches from step ``start`` on, ``accumulate`` of them a step.
    """

    name: str
    steps: int
    method: Callable[[nn.Module], Method]
    optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]
    schedule: Callable[[float], float]
    batches: Callable[[int], Iterable[Batch]]

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise InputError(f"stages.{self.name}: has {self.steps} steps; raise steps or stages.{self.name}.steps")


def train(
    fabric: lightning_fabric.Fabric,
    model: Model,
    stages: list[Stage],
    folder: RunFolder,
    settings: Settings,
    evaluate: Callable[[], ConfusionMatrix],
    resume: bool = False,
) -> Outcome:
    """Train ``model.network`` in place, leaving the loss curve and checkpoints in ``folder``, and score it at the end.

    ``evaluate`` scores the network as it stands; it is also called every ``evaluate_every`` steps. With ``resume`` the
    run goes on from the checkpoint in ``folder``, on a CPU to the same bits as if it had never stopped. Raises
    InputError where a loss or a gradient is not finite; the last checkpoint then stays as it was. (With 16-mixed precision a
    step whose gradient is not finite is left out instead, as the gradient scaler does by itself.)
    """
    run = Run(fabric, model, folder, settings, evaluate)
    state = run.read() if resume else None
    folder.begin(run.step)
    for stage in stages:  # made once before the first step: a mistake in the last stage should not wait for its turn
        stage.optimizer(stage.method(model.network).parameters())
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
    """Do what is left of ``stage``, whose first step is step ``first`` of the run."""
    fabric, settings = run.fabric, run.settings
    torch.manual_seed(derive(settings.seed, first))
    method = stage.method(run.model.network)
    optimizer = stage.optimizer([p for p in method.parameters() if p.requires_grad])
    peak = [group["lr"] for group in optimizer.param_groups]
    method, optimizer = fabric.setup(method, optimizer)
    method.mark_forward_method("losses")
    if state is not None:
        run.restore(state, method, optimizer)
    method.train()
    batches = plain(stage.batches(run.step - first))
    while run.step < first + stage.steps:
        fetched = list(islice(batches, settings.accumulate))
        progress = (run.step - first) / stage.steps
        for group, rate in zip(optimizer.param_groups, peak, strict=True):
            group["lr"] = rate * stage.schedule(progress)
        losses = _backward(
            fabric, method, fetched, progress, partial(derive, settings.seed, run.step, 1 + fabric.global_rank)
        )
        norm = _clipped(fabric, method, optimizer, settings.clip)
        values = _checked(losses, run.step, stage.name)
        _checked(norm, run.step, stage.name)
        optimizer.step()
        optimizer.zero_grad()
        method.after_step(run.step)
        run.step += 1
        run.folder.step(run.step, {"stage": stage.name, "lr": optimizer.param_groups[0]["lr"], **values})
        bar.set_postfix(loss=f"{values['loss']:.3f}", refresh=False)
        bar.update()
        if _due(run.step, settings.evaluate_every) and run.step < total:
            run.score()
            method.train()
        if _due(run.step, settings.checkpoint_every) or run.step == first + stage.steps:
            run.save(method, optimizer)


def _backward(
    fabric: lightning_fabric.Fabric, method: Any, batches: list[Batch], progress: float, seed: Callable[[int], int]
) -> dict[str, Tensor]:
    """Add the gradients of some batches; return the losses, mean over the batches and processes, and their sum.

    Batch i draws from ``seed(i)``: on step and batch alone, not on where the run was interrupted.
    """
    sums: dict[str, Tensor] = {}
    for i, batch in enumerate(batches):
        torch.manual_seed(seed(i))
        with fabric.no_backward_sync(method, enabled=i + 1 < len(batches)), fabric.autocast():
            losses = method.losses(batch.to(fabric.device), progress)
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
                f"step {step} of stage {stage}: {name} is {value}; lower optim.optimizer.lr (the last checkpoint stands)"
            )
    return values


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0


def derive(*numbers: int) -> int:
    """A seed for torch from several numbers, such that neighbors have nothing in common."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)
