"""The folder of a run: its log, loss curve, TensorBoard events and checkpoints, written by one process only."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tqdm import tqdm

from pcseg.errors import InputError
from pcseg.files import sweep


class RunFolder:
    """The files of a run: log, loss curve, TensorBoard events and checkpoints.

    ``curve.jsonl`` holds one line a step. After a crash it is cut back to the step of the checkpoint, so that a resumed
    run leaves the same curve as an uninterrupted one. With ``writes=False`` (every process but the first) nothing is
    written. Raises InputError where the place cannot be written.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, writes: bool = True, tensorboard: bool = False, wandb: str | None = None
    ) -> None:
        self.path = Path(path)
        self.writes = writes
        self._tensorboard: Any = None
        self._wandb: Any = None
        if not writes:
            return
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            sweep(self.path)
        except OSError as error:
            raise self._unwritable(error) from error
        self._append("train.log", "")
        self._use_tensorboard = tensorboard
        if wandb:
            try:
                import wandb as client
            except ImportError as error:
                raise InputError("wandb: the package is not installed; pip install wandb, or wandb=null") from error
            # The same folder is the same run there too, when it is resumed.
            number = hashlib.sha256(os.fsencode(self.path.resolve())).hexdigest()[:16]
            self._wandb = client.init(project=wandb, id=number, dir=str(self.path), name=self.path.name, resume="allow")

    @property
    def state(self) -> Path:
        """The file that a run resumes from."""
        return self.path / "resume.safetensors"

    @property
    def last(self) -> Path:
        """The newest weights."""
        return self.path / "last.safetensors"

    @property
    def best(self) -> Path:
        """The weights of the evaluation with the highest mIoU."""
        return self.path / "best.safetensors"

    def log(self, text: str) -> None:
        """Print a message above the progress bar and keep it in ``train.log``."""
        if self.writes:
            tqdm.write(text)
            stamp = time.strftime("%Y-%m-%d %H:%M:%S")
            self._append("train.log", "".join(f"{stamp} {line}\n" for line in text.splitlines()))

    def step(self, step: int, values: Mapping[str, float | str]) -> None:
        """Add the values of one step to the loss curve and to TensorBoard."""
        if self.writes:
            self._append("curve.jsonl", json.dumps({"step": step, **values}) + "\n")
            self.scalars(step, {f"train/{k}": v for k, v in values.items() if not isinstance(v, str)})

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Send values to TensorBoard and wandb, where they are on."""
        if self._tensorboard is not None:
            for name, value in values.items():
                self._tensorboard.add_scalar(name, value, step)
        if self._wandb is not None:
            self._wandb.log(dict(values), step=step)

    def begin(self, steps: int) -> None:
        """Go on after ``steps`` steps; later entries of the loss curve and TensorBoard are dropped."""
        if not self.writes:
            return
        if self._use_tensorboard:
            from torch.utils.tensorboard import SummaryWriter  # a second to import, not needed by every run

            self._tensorboard = SummaryWriter(str(self.path / "tensorboard"), purge_step=steps + 1 if steps else None)
        curve = self.path / "curve.jsonl"
        with suppress(FileNotFoundError):
            lines = curve.read_bytes().splitlines(keepends=True)
            os.truncate(curve, sum(len(line) for line in lines[:steps]))

    def close(self) -> None:
        """Write out what is still in memory."""
        if self._tensorboard is not None:
            self._tensorboard.close()
        if self._wandb is not None:
            self._wandb.finish()

    def _append(self, name: str, text: str) -> None:
        try:
            with open(self.path / name, "a", encoding="utf-8", errors="backslashreplace") as stream:
                stream.write(text)
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> InputError:
        return InputError(
            f"output {self.path}: cannot write ({error.strerror or error}); free space or choose another place"
        )
