"""Begin a run from the weights of an earlier one: what of its network fits is taken, the rest stays fresh, and both are said."""

from __future__ import annotations

import os

import torch

from pcseg.errors import InputError
from pcseg.model.checkpoint import Model, load_model

STEM, HEAD = "stem.conv.", "head."
"""Names of the weights that read the input features, and of those that give the scores of the classes."""


def start_from(model: Model, path: str | os.PathLike[str]) -> list[str]:
    """Take into ``model``, which has fresh weights, those of the checkpoint or run folder ``path``; say what was done.

    A weight is taken where name and shape are the same. The first convolution stays fresh where the input features are
    others, the classifier where the classes are others; the same classes in another order are put in order. Raises
    InputError for what is no checkpoint, or where nothing between these two fits.
    """
    source = load_model(path)
    state, theirs = model.network.state_dict(), source.network.state_dict()
    classes, features = source.classes.names, _channels(source.features)
    lines = [f"weights: from {path} ({source!r})"]
    if set(classes) == set(model.classes.names):
        order = torch.tensor([classes.index(name) for name in model.classes.names])
        theirs |= {name: value[order] for name, value in theirs.items() if name.startswith(HEAD)}
    else:
        theirs = {name: value for name, value in theirs.items() if not name.startswith(HEAD)}
        lines.append(
            f"  the classifier is made anew: it told {', '.join(classes)}; now {', '.join(model.classes.names)}"
        )
    if features != _channels(model.features):
        theirs = {name: value for name, value in theirs.items() if not name.startswith(STEM)}
        found = f"it read {', '.join(source.features)}; now {', '.join(model.features)}"
        lines.append(f"  the first convolution is made anew: {found}")
    if source.voxel_size != model.voxel_size:
        lines.append(
            f"  its voxels were of {source.voxel_size:g} m, now {model.voxel_size:g} m: all sizes look different to it"
        )
    taken = {name: value for name, value in theirs.items() if name in state and value.shape == state[name].shape}
    if not any(not name.startswith((STEM, HEAD)) for name in taken):
        raise InputError(
            f"weights={path}: nothing of its {source.spec.name} {source.spec.arguments} fits the {model.spec.name} here; "
            "choose the same network (network=...)"
        )
    left = [name for name in state if name not in taken and not name.startswith((STEM, HEAD))]
    if left:
        lines.append(
            f"  {len(left)} of {len(state)} do not fit and are made anew: {', '.join(left[:3])}{', ...' * (len(left) > 3)}"
        )
    model.network.load_state_dict({**state, **taken})
    return lines


def _channels(features: tuple[str, ...]) -> tuple[str, ...]:
    """What the input channels mean: colors mean the same where they may be absent."""
    return tuple(name.removeprefix("optional_") for name in features)
