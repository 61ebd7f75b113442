"""Decide about a run that stands in the output folder: refuse, go on from it, or start over."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from pcseg.engine.train import Stage
from pcseg.errors import InputError
from pcseg.model.tensor_file import read_tensors
from pcseg.same_settings import check_same, flat
from pcseg.schedules import Constant

STATE = "resume.safetensors"


def holds_run(folder: Path) -> bool:
    """Return whether a run that can be resumed stands in ``folder``."""
    return (folder / STATE).exists()


def check_new(folder: Path, overwrite: bool) -> None:
    """Raise InputError where a run stands in ``folder`` that is not to be overwritten."""
    if holds_run(folder) and not overwrite:
        raise InputError(
            f"output={folder}: holds a run; go on with resume=true, start over with overwrite=true, or give another "
            "output"
        )


def check_resumable(
    folder: Path, config: Mapping[str, Any], volatile: Collection[str], stages: Sequence[Stage]
) -> None:
    """Raise InputError where the run in ``folder``, if any, is not the one that is to be resumed.

    It must have been begun with the same ``config`` (JSON), except for the settings named in ``volatile``, and with the
    same steps; more steps only where that changes nothing about those done.
    """
    if holds_run(folder):
        record = record_of(folder)
        before, now = (_compared(value, volatile) for value in (record.get("config"), config))
        check_same(f"resume: {folder}", before, now, "resume with the settings it has, or give another output")
        _check_steps(folder, record.get("stages"), stages)


def check_labels(folder: Path, sha256: str) -> None:
    """Raise InputError where the run in ``folder``, if any, began with labels of another hash, whatever their file."""
    if not holds_run(folder):
        return
    labels = record_of(folder).get("labels")
    began = str(labels.get("sha256")) if isinstance(labels, dict) else "none"
    if began != sha256:
        raise InputError(
            f"resume: the labels have sha256 {sha256[:12]}, those of the run in {folder} {began[:12]}; "
            "give the label file it began with"
        )


def start_over(folder: Path) -> None:
    """Remove what an earlier run left in ``folder``."""
    for name in ("resume", "last", "best"):
        (folder / f"{name}.safetensors").unlink(missing_ok=True)
    for name in ("curve.jsonl", "train.log", "metrics.json"):
        (folder / name).unlink(missing_ok=True)
    for name in ("tensorboard", "labels"):
        shutil.rmtree(folder / name, ignore_errors=True)


def record_of(folder: Path) -> dict[str, Any]:
    """Return the record of the run in ``folder``, as its checkpoint keeps it."""
    record: dict[str, Any] = read_tensors(folder / STATE, "state")[1]["record"]
    return record


def _compared(config: Any, volatile: Collection[str]) -> dict[str, Any]:
    """Return the settings that a resumed run must share, flat."""
    found = flat(config) if isinstance(config, dict) else {}
    return {key: value for key, value in found.items() if not {key, key.partition(".")[0]} & set(volatile)}


def _check_steps(folder: Path, before: Any, stages: Sequence[Stage]) -> None:
    """Raise InputError where a run would not have come to the same weights, had it been planned for as many steps."""
    now = {stage.name: stage.steps for stage in stages}
    if before == now:
        return
    schedules = [optimizer.schedule for stage in stages for optimizer in stage.optimizers.values()]
    own = next((type(s).__name__ for s in schedules if not isinstance(s, Constant)), "")
    known = before.values() if isinstance(before, dict) else []
    done = sum(steps for steps in known if isinstance(steps, int))
    planned = sum(now.values())
    reason = ""
    if not done or planned < done:
        reason = "a run can only become longer"
    elif len(stages) > 1:
        reason = f"its {len(stages)} stages share the steps"
    elif own:
        reason = f"its rate follows {own} to its end there (only that of {Constant.__name__} may go on)"
    if reason:
        raise InputError(
            f"resume: the steps are {planned}, but the run in {folder} has {done or 'unknown ones'}, and {reason}; for "
            f"a new run from its weights: weights={folder / 'last.safetensors'} output=..."
        )
