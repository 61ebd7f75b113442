"""Give an encoder the weights of a file on disk, such as those published for ImageNet."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from pcseg.errors import InputError, reason
from pcseg.networks.encoder import Encoder

PICKLED = (".pth", ".pt")

COUNTER = "num_batches_tracked"
"""Batch norms of files before PyTorch 0.4.1 have no counter of batches; nothing here depends on it."""


def load_pretrained(encoder: Encoder, path: str | os.PathLike[str]) -> None:
    """Load all weights of ``encoder`` from ``path``, a ``.pth`` or ``.pt`` file (torch.save) or ``.safetensors``.

    The file holds tensors by name. Of names ``backbone.<name>`` all others are left out; ``module.`` before every name
    is removed. Classifiers and ``encoder.unused`` weights are left out. Nothing else is adapted: raises InputError,
    naming the first weight, where one is missing, of another shape, not finite or unknown; the encoder is as before.
    """
    found = plain_names(read_weights(path))
    found = {name: value for name, value in found.items() if not name.startswith(("classifier.", *encoder.unused))}
    state = encoder.state_dict()
    kind = type(encoder).__name__
    for name, value in state.items():
        if name not in found:
            if name.endswith(COUNTER):
                found[name] = value
                continue
            first = next(iter(found), "nothing")
            raise InputError(
                f"{path}: has no {name} (it begins with {first}); give the weights of the {kind} that is trained here"
            )
        if found[name].shape != value.shape:
            raise InputError(
                f"{path}: {name} is {tuple(found[name].shape)}, that of the {kind} here {tuple(value.shape)}; give "
                "weights of the same backbone and number of input channels"
            )
        if not found[name].isfinite().all():
            raise InputError(f"{path}: {name} is not finite; the file is damaged, get it again")
    unknown = next((name for name in found if name not in state), None)
    if unknown is not None:
        raise InputError(f"{path}: holds {unknown}, which the {kind} here has not; give weights of the same backbone")
    encoder.load_state_dict(found)


def plain_names(found: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors without the prefixes that wrappers add to their names."""
    for prefix, all_others in (("module.", False), ("backbone.", True)):
        inside = {name.removeprefix(prefix): value for name, value in found.items() if name.startswith(prefix)}
        if len(inside) == len(found) or (all_others and inside):
            found = inside
    return found


def read_weights(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Return the tensors of a file by name; no code in it is run."""
    suffix = Path(path).suffix.lower()
    if suffix not in (*PICKLED, ".safetensors"):
        raise InputError(f"{path}: weights are read from {', '.join(PICKLED)} and .safetensors files")
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file; give a file of weights for the backbone")
    try:
        if suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        found: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # pickle, zip, safetensors and torch have errors of their own; all mean the same
        raise InputError(
            f"{path}: not a whole file of weights alone ({reason(error)}); get it again, or save its state_dict() anew"
        ) from error
    if not isinstance(found, dict):
        raise InputError(f"{path}: holds a {type(found).__name__}, not tensors by name; save its state_dict()")
    for name, value in found.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            kind = type(value).__name__
            raise InputError(f"{path}: {name} is a {kind}, not a tensor by name; save the state_dict() of the backbone")
    return found
