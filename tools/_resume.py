"""What tools/train.py does about a run that stands in the output folder: refuse, go on from it, or start over."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import torch

import pcseg
from _schema import VOLATILE, Train
from pcseg.errors import InputError
from pcseg.model.checkpoint import read_tensors
from pcseg.schedules import Constant


def check_folder(config: Train, output: Path) -> None:
    """Neither start over where a run stands, nor resume one that was another."""
    state = output / "resume.safetensors"
    if not state.exists():
        return
    if config.overwrite and not config.resume:
        return
    if not config.resume:
        raise InputError(
            f"output={output}: holds a run; go on with resume=true, start over with overwrite=true, or move"
        )
    before = flat(read_tensors(state, "state")[1]["record"].get("config", {}))
    now = flat(record_of(config)["config"])
    if before.get("steps") != now["steps"]:
        check_longer(config, output, before.get("steps"))
        before["steps"] = now["steps"]
    for key in sorted(before.keys() | now.keys()):
        if not {key, key.partition(".")[0]} & set(VOLATILE) and before.get(key) != now.get(key):
            raise InputError(f"resume: {key} is {now.get(key)}, but the run in {output} has {before.get(key)}")


def check_longer(config: Train, output: Path, before: Any) -> None:
    """See that a run may be resumed for more steps than it was planned for: such as if these had been planned."""
    schedule = str(config.optim.schedule.get("_target_")).rpartition(".")[2]
    reason = ""
    if not isinstance(before, int) or config.steps < before:
        reason = "a run can only become longer"
    elif len(config.stages) > 1:
        reason = f"its {len(config.stages)} stages share the steps"
    elif schedule != Constant.__name__:
        reason = f"its rate follows {schedule} to its end there (only that of {Constant.__name__} may go on)"
    if reason:
        raise InputError(
            f"resume: steps is {config.steps}, but the run in {output} has {before}, and {reason}; for a new run from its "
            f"weights: weights={output / 'last.safetensors'} output=..."
        )


def check_labels(output: Path, spent: dict[str, Any]) -> None:
    """See that a run is resumed on the labels that it began with, whatever their file is called."""
    state = output / "resume.safetensors"
    before = read_tensors(state, "state")[1]["record"].get("labels") if state.exists() else spent
    began = str(before.get("sha256")) if isinstance(before, dict) else "none"
    if began != spent["sha256"]:
        raise InputError(
            f"resume: the labels have sha256 {spent['sha256'][:12]}, those of the run in {output} {began[:12]}; "
            "give the label file it began with"
        )


def start_over(output: Path) -> None:
    """Remove what an earlier run left in ``output``."""
    for name in ("resume", "last", "best"):
        (output / f"{name}.safetensors").unlink(missing_ok=True)
    for name in ("curve.jsonl", "train.log", "metrics.json"):
        (output / name).unlink(missing_ok=True)
    shutil.rmtree(output / "tensorboard", ignore_errors=True)


def flat(value: Any, path: str = "") -> dict[str, Any]:
    """``{"a": {"b": 1}}`` as ``{"a.b": 1}``."""
    if not isinstance(value, dict):
        return {path: value}
    return {k: v for key, part in value.items() for k, v in flat(part, f"{path}.{key}" if path else key).items()}


def record_of(config: Train) -> dict[str, Any]:
    return {"config": dataclasses.asdict(config), "pcseg": pcseg.__version__, "torch": torch.__version__}
