"""The state of a run: its step, its best score, and the checkpoints it writes and resumes from."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import lightning_fabric
import torch

from pcseg.engine.folder import RunFolder
from pcseg.engine.memory import peak_memory
from pcseg.engine.rounds import label_file
from pcseg.engine.state import State, read_state, restore_state, write_state
from pcseg.errors import InputError
from pcseg.metrics import ConfusionMatrix
from pcseg.model.checkpoint import (
    Model,
    save_model,
)


@dataclass(frozen=True)
class Settings:
    """Settings of the loop: ``clip`` is the largest gradient norm (None: any); intervals are in steps (0: never)."""

    seed: int = 0
    accumulate: int = 1
    clip: float | None = 10.0
    checkpoint_every: int = 500
    evaluate_every: int = 0

    def __post_init__(self) -> None:
        if self.accumulate < 1 or self.seed < 0 or (self.clip is not None and self.clip <= 0):
            raise InputError(
                f"accumulate={self.accumulate}, seed={self.seed}, clip={self.clip}: must be at least 1, at least 0, "
                "above 0"
            )
        if self.checkpoint_every < 0 or self.evaluate_every < 0:
            raise InputError(
                f"checkpoint_every={self.checkpoint_every}, evaluate_every={self.evaluate_every}: must be 0 or more"
            )


@dataclass(frozen=True)
class Outcome:
    """The result of a run: ``matrix`` is that of the last weights.

    ``best`` holds step and mIoU of the weights that scored highest, None where no evaluation found a label to score on.
    """

    matrix: ConfusionMatrix
    seconds: float
    step: int
    best: dict[str, Any] | None


class Run:
    """A run in progress, and its checkpoints."""

    def __init__(
        self,
        fabric: lightning_fabric.Fabric,
        model: Model,
        folder: RunFolder,
        settings: Settings,
        evaluate: Callable[[], ConfusionMatrix],
    ) -> None:
        self.fabric, self.model, self.folder, self.settings = fabric, model, folder, settings
        self.step = 0
        self.best: dict[str, Any] | None = None
        self._evaluate = evaluate
        self._labels: dict[str, str] = {}
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Time spent on the run, in all its parts."""
        return time.monotonic() - self._started

    def share_buffers(self, names: Iterable[str]) -> None:
        """Give all processes the first one's buffers of some networks: each has running statistics of its own batches.

        To be called before they are used at test time, so that all processes use the same network.
        """
        if self.fabric.world_size > 1:
            for name in names:
                for buffer in self.model.networks[name].buffers():
                    torch.distributed.broadcast(buffer, 0)

    def score(self) -> ConfusionMatrix:
        """Evaluate, report, and keep the weights if they are the best so far."""
        self.share_buffers([self.model.deployed])
        matrix = self._evaluate()
        table = matrix.table(self.model.classes.names) if matrix.counts.sum() else "nothing to score on"
        self.folder.log(f"step {self.step}, evaluation:\n{table}")
        self.folder.scalars(self.step, {"test/miou": matrix.miou, "test/accuracy": matrix.accuracy})
        if matrix.miou > (self.best["miou"] if self.best else -1.0):  # NaN, where nothing was scored, is not
            self.best = {"step": self.step, "miou": matrix.miou}
            if self.fabric.is_global_zero:
                save_model(self.folder.best, self._stamped())
        return matrix

    def to_training(self, method: Any) -> None:
        """Put all modules into training mode but those without a gradient: a teacher and frozen layers answer as at
        test time."""
        method.train()
        for _, network in self.model.networks.items():  # noqa: PERF102 (it is no dict)
            for module in network.modules():
                wanted = [parameter.requires_grad for parameter in module.parameters()]
                if wanted and not any(wanted):
                    module.eval()

    def note_labels(self, stage: str) -> None:
        """Take note of the label file that the pass before ``stage`` left, if any."""
        path = label_file(self.folder.path, stage)
        self._labels = {path.name: hashlib.sha256(path.read_bytes()).hexdigest()} if path.is_file() else {}

    def save(self, method: Any, optimizers: Mapping[str, Any]) -> None:
        """Write the newest weights and what resuming needs. Each file is whole at any moment."""
        if self.fabric.is_global_zero:
            progress = {
                "step": self.step,
                "seconds": self.seconds,
                "best": self.best,
                "label_files": self._labels,
                "precision": self.fabric.strategy.precision.state_dict(),
            }
            # In this order: a run killed between the two resumes from the older state and writes both again.
            save_model(self.folder.last, self._stamped())
            write_state(self.folder.state, self.model, method.module, optimizers, progress)
        self.fabric.barrier()

    def read(self) -> State | None:
        """Return the state to resume from, or None where the run had not come to its first checkpoint.

        The networks and classes of the model become those of the state. Raises InputError where it is damaged.
        """
        if not self.folder.state.is_file():
            return None
        tensors, header = read_state(self.folder.state, self.model)
        self.step, self.best = header["step"], header["best"]
        if self.step < 0 or (
            self.best and not all(isinstance(self.best.get(k), (int, float)) for k in ("step", "miou"))
        ):
            raise InputError(
                f"{self.folder.state}: its step {self.step} or best score {self.best} is damaged; start over with "
                "overwrite=true"
            )
        self._started -= float(header["seconds"])
        return tensors, header

    def restore(self, state: State, method: Any, optimizers: Mapping[str, Any]) -> None:
        """Put networks, method, optimizers and precision back to where ``save`` saw them."""
        saved = state[1].get("label_files", {})
        if saved != self._labels:
            name = next(iter({**self._labels, **saved}))
            raise InputError(
                f"resume: {self.folder.path}: labels/{name} is not as this stage began with; put it back, or start "
                "over with overwrite=true"
            )
        restore_state(self.folder.state, state, self.model, method.module, optimizers)
        self.fabric.strategy.precision.load_state_dict(state[1]["precision"])

    def outcome(self) -> Outcome:
        """Score the final weights and report the memory that the run took."""
        matrix = self.score()
        self.folder.log(
            "peak memory: " + ", ".join(f"{size:.2f} GiB {device}" for device, size in peak_memory().items())
        )
        return Outcome(matrix, self.seconds, self.step, self.best)

    def _stamped(self) -> Model:
        return replace(self.model, record={**self.model.record, "step": self.step})
