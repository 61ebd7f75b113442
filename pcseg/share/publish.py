"""Write a trained network as a folder that Hugging Face's hub takes as it is, and pcseg.load reads."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import torch

from pcseg.errors import InputError, cut
from pcseg.files import atomic_path, read_json, write_json
from pcseg.model.checkpoint import load_model, save_model
from pcseg.model.model import Model
from pcseg.model.places import PUBLISHED, checkpoint_file
from pcseg.share.card import card
from pcseg.version import __version__

FILES = (PUBLISHED, "config.json", "README.md")
"""What a published folder holds."""


def publish(
    run: str | os.PathLike[str],
    output: str | os.PathLike[str],
    name: str = "",
    license: str = "unknown",
    metrics: str | os.PathLike[str] | None = None,
    notes: str = "",
    overwrite: bool = False,
    half: bool = False,
) -> Path:
    """Write ``output``/{model.safetensors, config.json, README.md}, whole or not at all, and return that folder.

    ``run`` is a run folder (its last weights) or a checkpoint. ``name``: "owner/name" on the hub, by default the name
    of the folder; ``license``: one of the hub's, such as mit or cc-by-4.0. ``metrics``: a metrics.json of
    tools/evaluate.py or of a run, by default that in the run folder; only figures of weights trained from the same
    labels are taken. ``notes``: what else the reader should know, Markdown. ``half`` rounds weights to 16 bits.
    Absolute paths in the record of the training are cut to their last name. Raises InputError for a checkpoint that
    cannot be read, a license or name that the hub does not take, figures of other weights, and an ``output`` that is
    there, unless it holds nothing but an earlier publication and ``overwrite``.
    """
    output = Path(output)
    name = name or output.resolve().name
    if not re.fullmatch(r"([\w.-]+/)?[\w.-]+", name, re.ASCII):
        raise InputError(f"name={cut(name, 60)}: give name or owner/name, of letters, digits and _ . -")
    if not re.fullmatch(r"[a-z0-9]+([.-][a-z0-9]+)*", license):
        raise InputError(f"license={cut(license, 60)}: write it as the hub does, such as mit, apache-2.0 or cc-by-4.0")
    _check_place(output, overwrite)
    source = checkpoint_file(run)
    model = load_model(source)
    figures = _figures(model, run, metrics)
    model = replace(model, record={**_without_places(model.record), "published_with": __version__})
    if half:
        for weight in model.network.parameters():
            weight.data = weight.data.half().float()

    def check(written: Path) -> None:
        _check_same(model, load_model(written))

    with atomic_path(output, check) as temporary:
        temporary.mkdir()
        save_model(temporary / PUBLISHED, model, half)
        write_json(temporary / "config.json", _config(model))
        (temporary / "README.md").write_text(card(model, name, license, figures, notes), encoding="utf-8")
    return output


def _check_place(output: Path, overwrite: bool) -> None:
    """Raise InputError where something is at ``output`` that must not be replaced."""
    if not os.path.lexists(output):
        return
    if not output.is_dir():
        raise InputError(f"output={output}: is a file; give the name of a folder")
    held = sorted(path.name for path in output.iterdir())
    foreign = [name for name in held if name not in FILES]
    if foreign:
        raise InputError(f"output={output}: holds {cut(foreign[0], 60)}, which would be lost; give a new folder")
    if held and not overwrite:
        raise InputError(f"output={output}: is there already; choose another name, or overwrite=true")


def _figures(
    model: Model, run: str | os.PathLike[str], metrics: str | os.PathLike[str] | None
) -> Mapping[str, Any] | None:
    """Return the content of a metrics.json of these weights; None where there is none."""
    path = Path(run) / "metrics.json" if metrics is None else Path(metrics)
    if metrics is None and not path.is_file():
        return None
    found = read_json(path)
    if not isinstance(found, dict) or "miou" not in found or not isinstance(found.get("iou"), dict):
        raise InputError(f"{path}: holds no figures; give a metrics.json of tools/evaluate.py or tools/train.py")
    if found.get("labels") != model.record.get("labels") or set(found["iou"]) != set(model.classes.names):
        raise InputError(f"{path}: is of weights trained from other labels than {run}; give the figures of this one")
    return found


def _without_places(value: Any) -> Any:
    """Return a record in which absolute paths, which tell about the machine, are cut to their last name."""
    if isinstance(value, dict):
        return {key: _without_places(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_places(inner) for inner in value]
    if isinstance(value, str):
        for kind in (PurePosixPath, PureWindowsPath):
            if kind(value).is_absolute() or value.startswith("~/"):
                return kind(value).name
    return value


def _config(model: Model) -> dict[str, Any]:
    """Return what the hub shows of the model: the description that its checkpoint holds, too."""
    return {
        "library_name": "pcseg",
        "pcseg_version": __version__,
        "architecture": model.spec.name,
        "arguments": json.loads(json.dumps(model.spec.arguments)),
        "classes": model.classes.to_json(),
        "inputs": model.inputs.to_json(),
        "labels": model.record.get("labels"),
        "trained_on": model.record.get("trained_on"),
    }


def _check_same(wanted: Model, found: Model) -> None:
    """Raise ValueError unless two models have the same weights, to the last bit."""
    state = found.network.state_dict()
    for name, tensor in wanted.network.state_dict().items():
        if not torch.equal(tensor, state[name]):
            raise ValueError(f"weight {name} differs")
