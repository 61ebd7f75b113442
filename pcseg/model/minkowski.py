"""Weights of MinkowskiEngine's MinkUNets (``examples/minkunet.py`` there) as weights of ours.

MinkowskiEngine 0.5 stores a convolution as ``kernel`` (K, Cin, Cout), offsets in the order of
:func:`pcseg.sparse.kernel_offsets`, one of kernel size 1 as (Cin, Cout), and a batch norm under a further name ``bn``.
chrischoy/SpatioTemporalSegmentation's Res16UNet has the same names.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pcseg.archives import load_tensors
from pcseg.errors import InputError, cut, reason
from pcseg.networks.unet import MinkUNet

DEEPEST = 10
"""Tables within each other that a checkpoint may have."""

FIRST = "conv0p1s1.kernel"
"""The weight every MinkUNet has; what stands before its name in a checkpoint is a prefix of all names."""


def read_minkowski(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """Return the weights in a ``.pth`` file under MinkowskiEngine's names; only tensors and numbers are unpickled.

    Looks into ``state_dict`` and the like, and drops prefixes such as ``module.`` and ``model.``. Raises InputError
    for a file that is missing, damaged, holds other objects or no MinkUNet.
    """
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file")
    try:
        content = load_tensors(path)
    except Exception as error:  # a damaged file can fail anywhere in zip, pickle or torch
        raise InputError(
            f"{path}: not a file of plain tensors ({type(error).__name__}); save its weights alone, "
            "torch.save(model.state_dict(), path), where it was trained"
        ) from error
    weights = find_weights(content, str(path))
    _check_weights(weights, path)
    return weights


def _check_weights(weights: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """Raise InputError unless all are dense tensors of finite numbers that take no more memory than the file."""
    for name, value in weights.items():
        if not isinstance(value, Tensor) or value.layout != torch.strided or value.device.type != "cpu":
            raise InputError(f"{path}: {cut(name, 100)} is no plain tensor; give a checkpoint of MinkowskiEngine")
    if sum(value.numel() * value.element_size() for value in weights.values()) > Path(path).stat().st_size:
        raise InputError(f"{path}: its weights are larger than the file; give a checkpoint of MinkowskiEngine")
    for name, value in weights.items():
        if value.is_complex() or (value.is_floating_point() and not torch.isfinite(value.float()).all()):
            raise InputError(f"{path}: {cut(name, 100)} holds NaN, infinite or complex numbers; use an earlier one")


def find_weights(content: Any, where: str) -> dict[str, Tensor]:
    """The MinkUNet weights in what was loaded, however nested and prefixed; ``where`` is for error messages."""
    for _ in range(DEEPEST):
        if not isinstance(content, Mapping):
            raise InputError(f"{where}: holds a {type(content).__name__}, not a state_dict; give a MinkUNet checkpoint")
        inner = [(name, v) for name, v in content.items() if isinstance(v, Mapping) and any(map(_is_first, v))]
        if not inner:
            break
        where, content = f"{where}: {cut(str(inner[0][0]), 100)}", inner[0][1]
    else:
        raise InputError(f"{cut(where, 200)}: more than {DEEPEST} tables within tables; give a MinkUNet checkpoint")
    prefixes = [name[: -len(FIRST)] for name in map(str, content) if name.endswith(FIRST)]
    if len(prefixes) != 1:
        found = f"{len(prefixes)} weights called {FIRST}"
        raise InputError(f"{where}: holds {found}; give a MinkUNet checkpoint of MinkowskiEngine")
    foreign = [str(name) for name in content if not str(name).startswith(prefixes[0])]
    if foreign:
        raise InputError(
            f"{where}: {cut(foreign[0], 100)} is not part of the network '{prefixes[0]}'; remove it from the file"
        )
    return {str(name)[len(prefixes[0]) :]: value for name, value in content.items()}


def _is_first(name: Any) -> bool:
    return str(name).endswith(FIRST)


def convert_minkowski(weights: Mapping[str, Tensor], where: str = "checkpoint") -> tuple[dict[str, Any], MinkUNet]:
    """The network that MinkowskiEngine's weights belong to, in eval mode, and the arguments that build it.

    Channels, blocks and kernel of the stem are read off the shapes; then every weight must be there with its shape,
    and none may be left over. Raises InputError that begins with ``where`` otherwise.
    """
    arguments = _arguments(weights, where)
    try:
        with torch.device("meta"):  # takes no memory before all shapes are known to be those of the file
            network = MinkUNet(**arguments)
    except (InputError, RuntimeError) as error:
        raise InputError(f"{where}: its shapes are those of no MinkUNet ({reason(error)})") from error
    state, used = {}, set()
    for name, ours in network.state_dict().items():
        theirs = minkowski_name(name, len(network.down), arguments["block"])
        used.add(theirs)
        value = _get(weights, theirs, where)
        if theirs.endswith(".kernel") and ours.dim() == 2:  # (Cin, Cout), (1, Cin, Cout) in old versions
            value = value.reshape(value.shape[-2:]).T if value.shape[:-2] in ((), (1,)) else value
        elif theirs == "final.bias":
            value = value.reshape(-1)
        if value.shape != ours.shape:
            found, wanted = tuple(weights[theirs].shape), tuple(ours.shape)
            raise InputError(f"{where}: {theirs} is {found}, does not fit {name} {wanted}; is it another network?")
        state[name] = value.to(ours.dtype)
    left = sorted(weights.keys() - used)
    if left:
        raise InputError(f"{where}: {left[0]} has no place in a MinkUNet; is it another network?")
    network = MinkUNet(**arguments)
    network.load_state_dict(state)
    return arguments, network.eval()


def minkowski_name(name: str, depth: int, block: str) -> str:
    """Return MinkowskiEngine's name of a weight of our MinkUNet with ``depth`` halvings.

    ``block`` is "basic" or "bottleneck".
    """
    part, *rest = name.split(".")
    if part == "head":
        return "final.kernel" if rest[0] == "weight" else "final.bias"
    if part == "stem":
        return _layer("conv0p1s1", "bn0", rest)
    level, rest = int(rest[0]), rest[1:]
    if part == "up":
        i = depth + level
        return _layer(f"convtr{i}p{2 ** (depth - level)}s2", f"bntr{i}", rest)
    if part == "down" and rest[0] == "0":
        return _layer(f"conv{level + 1}p{2**level}s2", f"bn{level + 1}", rest[1:])
    i, index = (level + 1, int(rest[0]) - 1) if part == "down" else (depth + level + 1, int(rest[0]))
    inner = {"basic": {}, "bottleneck": {"reduce": "conv1", "conv": "conv2", "expand": "conv3"}}[block]
    layer = ".".join(rest[1:-1])
    layer = {"shortcut.linear": "downsample.0", "shortcut.norm": "downsample.1"}.get(layer) or inner.get(layer, layer)
    if re.match(r"conv|downsample\.0", layer):
        return f"block{i}.{index}.{layer}.kernel"
    return f"block{i}.{index}.{layer}.bn.{rest[-1]}"


def _layer(conv: str, norm: str, rest: list[str]) -> str:
    return f"{conv}.kernel" if rest[0] == "conv" else f"{norm}.bn.{rest[1]}"


def _arguments(weights: Mapping[str, Tensor], where: str) -> dict[str, Any]:
    """The arguments of MinkUNet, read off names and shapes."""
    depth = sum(re.fullmatch(r"conv\d+p\d+s2\.kernel", name) is not None for name in weights)
    kind = "bottleneck" if "block1.0.conv3.kernel" in weights else "basic"
    channels, blocks = [], []
    for i in range(1, 2 * depth + 1):
        channels.append(_kernel(weights, f"block{i}.0.conv1.kernel", where)[-1])
        blocks.append(sum(re.fullmatch(rf"block{i}\.\d+\.conv1\.kernel", name) is not None for name in weights))
    stem, final = _kernel(weights, FIRST, where), _kernel(weights, "final.kernel", where)
    size = round(stem[0] ** (1 / 3))
    if len(stem) != 3 or size**3 != stem[0] or not depth:
        raise InputError(f"{where}: {FIRST} is {stem} with {depth} halvings; not a cubic 3D MinkUNet")
    return {
        "in_channels": stem[1],
        "n_classes": final[-1],
        "channels": channels,
        "blocks": blocks,
        "norm": "batch",
        "block": kind,
        "stem_channels": stem[2],
        "stem_kernel": size,
    }


def _kernel(weights: Mapping[str, Tensor], name: str, where: str) -> tuple[int, ...]:
    """The shape of a convolution's weight, of two or three dimensions."""
    shape = tuple(_get(weights, name, where).shape)
    if len(shape) not in (2, 3):
        raise InputError(f"{where}: {name} is {shape}, no kernel; is it another network?")
    return shape


def _get(weights: Mapping[str, Tensor], name: str, where: str) -> Tensor:
    value = weights.get(name)
    if not isinstance(value, Tensor) or not value.numel():
        raise InputError(f"{where}: weight {name} is absent or empty; is it a MinkUNet of MinkowskiEngine, whole?")
    return value
