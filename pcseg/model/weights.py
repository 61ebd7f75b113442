"""Begin a run from the weights of an earlier one: weights that fit are taken, others stay fresh."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import replace

import torch
from torch import Tensor

from pcseg.errors import InputError
from pcseg.model.checkpoint import load_model
from pcseg.model.inputs import ImageInputs, Inputs, VoxelInputs
from pcseg.model.model import Model
from pcseg.model.networks import NetworkSpec
from pcseg.model.trained_on import began_from, trained_on

HEAD = "head."
"""The names of the weights that give the scores of the classes begin so."""


def start_from(model: Model, path: str | os.PathLike[str], whole: bool = False) -> list[str]:
    """Take into ``model``, which has fresh weights, those of the checkpoint or run folder ``path``; return lines for
    the log.

    A weight is taken where name and shape are the same. The first convolution stays fresh where the input features are
    others; of the classifier the rows of classes of the same name are taken, those of others stay fresh. The record of
    ``model`` says from then on which scenes the weights have seen (:func:`pcseg.model.trained_on.began_from`).
    Raises InputError for what is no checkpoint, where nothing between these two fits, and with ``whole`` where anything
    but the classifier does not.
    """
    source = load_model(path)
    state, theirs = model.network.state_dict(), source.network.state_dict()
    lines = [f"weights: from {path} ({source!r})"]
    lines += _take_rows(state, theirs, model.classes.names, source.classes.names)
    first, told = _first(model.spec), _channels(source.inputs) != _channels(model.inputs)
    if told:
        theirs = {name: value for name, value in theirs.items() if name not in first}
        lines.append(
            f"  the first convolution is re-initialized: it was trained on {_features(source)}; now {_features(model)}"
        )
    lines += _seen_otherwise(source.inputs, model.inputs)
    taken = {name: value for name, value in theirs.items() if name in state and value.shape == state[name].shape}
    if not any(name not in first and not name.startswith(HEAD) for name in taken):
        raise InputError(
            f"weights={path}: nothing of its {source.spec.name} {source.spec.arguments} fits the {model.spec.name} "
            "here; choose the same network (network=...)"
        )
    left = [name for name in state if name not in taken and not name.startswith(HEAD)]
    if left and whole:
        raise InputError(
            f"tune: trains a part of given weights, but {', '.join(left[:3])}{', ...' * (len(left) > 3)} of {path} do "
            "not fit; choose the features and the network they were trained with, or train all: tune=null"
        )
    left = [name for name in left if not (told and name in first)]
    if left:
        lines.append(
            f"  {len(left)} of {len(state)} do not fit and are re-initialized: "
            f"{', '.join(left[:3])}{', ...' * (len(left) > 3)}"
        )
    model.network.load_state_dict({**state, **taken})
    seen = [*began_from(source.record), trained_on(source.record)]
    model.record["began_from"] = [scenes and scenes.to_json() for scenes in seen]
    return lines


def _take_rows(
    state: Mapping[str, Tensor], theirs: dict[str, Tensor], ours: Sequence[str], others: Sequence[str]
) -> list[str]:
    """Make the classifier of ``theirs`` one of the classes ``ours``: fresh rows of ``state``, but for those in
    ``others``. Return lines for the log.
    """
    here = torch.tensor([row for row, name in enumerate(ours) if name in others], dtype=torch.int64)
    there = torch.tensor([others.index(name) for name in ours if name in others], dtype=torch.int64)
    taken = False
    for name in [name for name in theirs if name.startswith(HEAD)]:
        given, now = theirs.pop(name), state.get(name)
        if now is not None and given.dim() and given.shape[1:] == now.shape[1:]:
            if (len(given), len(now)) == (len(others), len(ours)):
                theirs[name] = now.index_copy(0, here, given[there].to(now))
                taken = taken or len(here) > 0
            elif given.shape == now.shape:  # a layer before that of the classes
                theirs[name] = given
    if set(ours) == set(others):
        return []
    fresh = [name for name in ours if name not in others]
    if not taken:
        said = f"is re-initialized: it was trained on {', '.join(others)}; now {', '.join(ours)}"
    else:
        said = f"keeps what it learned of {', '.join(name for name in ours if name in others)}"
        said += f"; re-initialized for {', '.join(fresh)}" if fresh else ""
        lost = [name for name in others if name not in ours]
        said += f"; without {', '.join(lost)}" if lost else ""
    return [f"  the classifier {said}"]


def _first(spec: NetworkSpec) -> Set[str]:
    """Return the names of the weights that read the input: those of another shape where there is one more channel.

    None of a network that takes so many channels and no others.
    """
    if "in_channels" not in spec.arguments:
        return frozenset()
    shapes = []
    with torch.random.fork_rng(), suppress(InputError):
        for more in (0, 1):
            arguments = {**spec.arguments, "in_channels": spec.arguments["in_channels"] + more}
            state = replace(spec, arguments=arguments, pretrained="").build().state_dict()
            shapes.append({name: value.shape for name, value in state.items()})
    return {name for name, shape in shapes[0].items() if shapes[-1].get(name) != shape}


def _features(model: Model) -> str:
    return ", ".join(model.inputs.features.names) if isinstance(model.inputs, VoxelInputs) else str(model.inputs)


def _channels(inputs: Inputs) -> tuple[str, ...]:
    """The meaning of the input channels: colors mean the same where they may be absent."""
    names = inputs.features.names if isinstance(inputs, VoxelInputs) else ("image",)
    return tuple(name.removeprefix("optional_") for name in names)


def _seen_otherwise(theirs: Inputs, ours: Inputs) -> list[str]:
    """Return lines for the log on how the same scene looks different to the weights than when they were trained."""
    if isinstance(theirs, VoxelInputs) and isinstance(ours, VoxelInputs):
        if theirs.voxel_size == ours.voxel_size:
            return []
        sizes = f"its voxels were of {theirs.voxel_size:g} m, now {ours.voxel_size:g} m"
        return [f"  {sizes}: all sizes look different to it"]
    lines = []
    if isinstance(theirs, ImageInputs) and isinstance(ours, ImageInputs):
        if theirs.scale != ours.scale:
            lines.append(f"  its pictures were seen at {theirs.scale:g} of their resolution, now at {ours.scale:g}")
        if (theirs.mean, theirs.std) != (ours.mean, ours.std):
            lines.append(f"  its colors were normalized by {theirs.mean}, {theirs.std}, now by {ours.mean}, {ours.std}")
    return lines
