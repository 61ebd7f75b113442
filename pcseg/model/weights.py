"""Begin a run from the weights of an earlier one: weights that fit are taken, others stay fresh."""

from __future__ import annotations

import os

import torch

from pcseg.errors import InputError
from pcseg.model.checkpoint import load_model
from pcseg.model.inputs import Inputs, VoxelInputs
from pcseg.model.model import Model
from pcseg.model.trained_on import began_from, trained_on

STEM, HEAD = "stem.conv.", "head."
"""Names of the weights that read the input features, and of those that give the scores of the classes."""


def start_from(model: Model, path: str | os.PathLike[str], whole: bool = False) -> list[str]:
    """Take into ``model``, which has fresh weights, those of the checkpoint or run folder ``path``; return lines for
    the log.

    A weight is taken where name and shape are the same. The first convolution stays fresh where the input features are
    others, the classifier where the classes are others; the same classes in another order are put in order. The record
    of ``model`` says from then on which scenes the weights have seen (:func:`pcseg.model.trained_on.began_from`).
    Raises InputError for what is no checkpoint, where nothing between these two fits, and with ``whole`` where anything
    but the classifier does not.
    """
    source = load_model(path)
    state, theirs = model.network.state_dict(), source.network.state_dict()
    classes = source.classes.names
    lines = [f"weights: from {path} ({source!r})"]
    if set(classes) == set(model.classes.names):
        order = torch.tensor([classes.index(name) for name in model.classes.names])
        theirs |= {name: value[order] for name, value in theirs.items() if name.startswith(HEAD)}
    else:
        theirs = {name: value for name, value in theirs.items() if not name.startswith(HEAD)}
        lines.append(
            f"  the classifier is re-initialized: it was trained on {', '.join(classes)}; "
            f"now {', '.join(model.classes.names)}"
        )
    if _channels(source.inputs) != _channels(model.inputs):
        theirs = {name: value for name, value in theirs.items() if not name.startswith(STEM)}
        lines.append(
            f"  the first convolution is re-initialized: it was trained on {_features(source)}; now {_features(model)}"
        )
    sizes = [_voxel_size(inputs) for inputs in (source.inputs, model.inputs)]
    if sizes[0] != sizes[1]:
        lines.append(f"  its voxels were of {sizes[0]:g} m, now {sizes[1]:g} m: all sizes look different to it")
    taken = {name: value for name, value in theirs.items() if name in state and value.shape == state[name].shape}
    if not any(not name.startswith((STEM, HEAD)) for name in taken):
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
    left = [name for name in left if not name.startswith(STEM)]
    if left:
        lines.append(
            f"  {len(left)} of {len(state)} do not fit and are re-initialized: "
            f"{', '.join(left[:3])}{', ...' * (len(left) > 3)}"
        )
    model.network.load_state_dict({**state, **taken})
    seen = [*began_from(source.record), trained_on(source.record)]
    model.record["began_from"] = [scenes and scenes.to_json() for scenes in seen]
    return lines


def _features(model: Model) -> str:
    return ", ".join(model.inputs.features.names) if isinstance(model.inputs, VoxelInputs) else str(model.inputs)


def _channels(inputs: Inputs) -> tuple[str, ...]:
    """The meaning of the input channels: colors mean the same where they may be absent."""
    names = inputs.features.names if isinstance(inputs, VoxelInputs) else ("image",)
    return tuple(name.removeprefix("optional_") for name in names)


def _voxel_size(inputs: Inputs) -> float:
    return inputs.voxel_size if isinstance(inputs, VoxelInputs) else 0.0
