"""Checkpoints: one safetensors file with JSON in its header; reading one never runs code that the file names."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import pcseg.networks
from pcseg.classes import Classes
from pcseg.errors import InputError, cut, reason
from pcseg.feeding.features import Features
from pcseg.model.tensor_file import Shapes, read_tensors, write_tensors

VOXEL_SIZES = (1e-4, 1e3)
"""The smallest and the largest edge of voxels, in meters, that a network is used with."""

MOST_CHANNELS = 2**20
"""The largest number among a network's arguments."""


@dataclass(frozen=True)
class NetworkSpec:
    """What a network is rebuilt from: a name among ``pcseg.networks.__all__`` and the arguments of that constructor."""

    name: str
    arguments: dict[str, Any]

    def build(self) -> nn.Module:
        """A network with fresh weights; raises InputError for an unknown name or arguments it does not take."""
        if self.name not in pcseg.networks.__all__:
            raise InputError(f"network '{self.name}' is not one of: {', '.join(sorted(pcseg.networks.__all__))}")
        try:
            network = getattr(pcseg.networks, self.name)(**self.arguments)
        except InputError:
            raise
        except (TypeError, ValueError, RuntimeError, OverflowError) as error:
            raise InputError(f"network {self.name}: {error}; correct its arguments") from error
        if not isinstance(network, nn.Module):
            raise InputError(f"network '{self.name}' does not build a network; name a constructor such as minkunet18a")
        return network


@dataclass(frozen=True)
class Model:
    """A network and all that inference with it needs.

    ``voxel_size`` in meters; ``features`` the declared input features, in order; ``record`` says where the weights
    come from (configuration, git hash, label hash, step, ...) and changes nothing about how they are used.
    """

    spec: NetworkSpec
    network: nn.Module
    classes: Classes
    voxel_size: float
    features: tuple[str, ...]
    record: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        low, high = VOXEL_SIZES
        if not low <= self.voxel_size <= high:
            raise InputError(f"voxel_size={self.voxel_size:g}: must be {low:g} to {high:g}, in meters")

    def __repr__(self) -> str:
        weights = sum(weight.numel() for weight in self.network.parameters())
        return (
            f"{self.spec.name} of {weights:,} weights, {len(self.classes)} classes ({cut(', '.join(self.classes.names), 200)}), "
            f"voxels of {self.voxel_size:g} m, features {', '.join(self.features)}, {self._origin()}"
        )

    def _origin(self) -> str:
        """Where the weights come from, in a few words."""
        try:
            data = self.record["config"]["data"]
            trained = [split for split in data["train"] if split not in data["test"]]
            return cut(f"trained on {', '.join(trained)} of {data['root']} for {self.record['step']} steps", 200)
        except (KeyError, TypeError):
            return "of unknown training"


def save_model(path: str | os.PathLike[str], model: Model) -> None:
    """Write the network's weights and what is needed to use them to one file, atomically.

    Raises InputError where a weight is NaN or infinite, and leaves the old file.
    """
    _check_values(model.network.state_dict(), path)
    header = {
        "network": {"name": model.spec.name, "arguments": model.spec.arguments},
        "classes": {"names": model.classes.names, "colors": model.classes.colors, "codes": model.classes.codes},
        "voxel_size": model.voxel_size,
        "features": model.features,
        "record": model.record,
    }
    write_tensors(path, "model", model.network.state_dict(), header)


def load_model(path: str | os.PathLike[str]) -> Model:
    """Rebuild a network from its checkpoint alone; a run folder stands for its ``last.safetensors``.

    Every field is checked by type and range before anything is built, and the shapes of all weights before any of them
    is read. Raises InputError for a file that is missing, truncated, foreign, of another format, whose weights do not
    fit the network it names, are NaN or infinite.
    """
    path = Path(path)
    path = path / "last.safetensors" if path.is_dir() else path

    def fits(header: dict[str, Any], shapes: Shapes) -> None:
        spec, _ = _described(header, shapes, path)
        try:
            with torch.device("meta"):  # takes no memory, whatever the header asks for
                network = spec.build()
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        _check_shapes(network, shapes, path)

    tensors, header = read_tensors(path, "model", fits)
    spec, about = _described(header, {}, path)
    _check_values(tensors, path)
    network = spec.build()
    restore(network, tensors, path)
    outputs, inputs = (spec.arguments.get(name) for name in ("n_classes", "in_channels"))
    width = Features(about["features"]).width
    if outputs != len(about["classes"]):
        raise InputError(f"{path}: {outputs} outputs but {len(about['classes'])} class names; train or copy it again")
    if inputs != width:
        raise InputError(f"{path}: {inputs} input channels but features of {width}; train or copy it again")
    return Model(spec, network.eval(), **about)


def restore(module: nn.Module, tensors: Mapping[str, Tensor], path: str | os.PathLike[str]) -> None:
    """Load weights that must fit exactly; raises InputError naming ``path`` and the first that does not."""
    _check_shapes(module, {name: tuple(tensor.shape) for name, tensor in tensors.items()}, path)
    for name, expected in module.state_dict().items():
        if tensors[name].is_floating_point() != expected.is_floating_point() or tensors[name].is_complex():
            raise InputError(f"{path}: weight {name} is of {tensors[name].dtype}, the network's of {expected.dtype}")
    module.load_state_dict(dict(tensors))


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Split an optimizer's state into tensors named ``<parameter>.<key>`` and the JSON-able rest."""
    state = optimizer.state_dict()
    tensors = {f"{i}.{k}": v for i, entry in state["state"].items() for k, v in entry.items() if isinstance(v, Tensor)}
    values = {
        f"{i}.{k}": v for i, entry in state["state"].items() for k, v in entry.items() if not isinstance(v, Tensor)
    }
    return tensors, {"values": values, "groups": state["param_groups"]}


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], rest: Mapping[str, Any]) -> None:
    """The inverse of ``optimizer_tensors``."""
    try:
        state: dict[int, dict[str, Any]] = {}
        for name, value in {**rest["values"], **tensors}.items():
            index, _, key = name.partition(".")
            state.setdefault(int(index), {})[key] = value
        optimizer.load_state_dict({"state": state, "param_groups": rest["groups"]})
    except Exception as error:  # what is not as optimizer_tensors gives it fails in several ways
        raise InputError(
            f"resume: the optimizer's state does not fit ({type(error).__name__}: {reason(error)}); start over with "
            "overwrite=true"
        ) from error


def _described(
    header: Mapping[str, Any], shapes: Shapes, path: str | os.PathLike[str]
) -> tuple[NetworkSpec, dict[str, Any]]:
    """The network a header names, and the other fields of Model; ``shapes``, if any, bound what it may ask for."""
    try:
        spec = NetworkSpec(**header["network"])
        for name, value in spec.arguments.items():
            _check_argument(name, value, len(shapes))
        classes, features, size = header["classes"], header["features"], header["voxel_size"]
        lists = {key: classes.get(key, []) for key in ("names", "colors", "codes")}
        for key, value in {**lists, "features": features}.items():
            if not isinstance(value, list):
                raise TypeError(f"{key} are {cut(repr(value), 60)}, no list")
        if isinstance(size, bool) or not isinstance(size, (int, float)):
            raise TypeError(f"voxel_size is {cut(repr(size), 60)}, no number")
        about: dict[str, Any] = {
            "classes": Classes(**{key: tuple(value) for key, value in lists.items()}),
            "voxel_size": float(size),
            "features": Features(tuple(map(str, features))).names,
            "record": header["record"],
        }
        Model(spec, nn.Identity(), **about)  # checks what it checks, before the weights are read
    except Exception as error:  # of odd kinds and keys; what a stranger writes there has no end
        told = error if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
        raise InputError(f"{path}: its description is damaged ({told}); train or copy it again") from error
    return spec, about


def _check_argument(name: str, value: Any, tensors: int) -> None:
    """Raise TypeError or ValueError for what no network takes: the description comes from whoever made the file."""
    numbers = value if isinstance(value, list) else [value]
    if not all(isinstance(number, (bool, int, str)) and len(str(number)) < 100 for number in numbers):
        raise TypeError(f"{name} is {cut(repr(value), 60)}, no number, word or list of numbers")
    whole = [number for number in numbers if isinstance(number, int)]
    if max(whole, default=0) > MOST_CHANNELS:
        raise ValueError(f"{name} is {cut(repr(value), 60)}, but {MOST_CHANNELS:,} is the most")
    if isinstance(value, list) and tensors and (len(value) > tensors or (name == "blocks" and sum(whole) > tensors)):
        raise ValueError(f"{name} is {cut(repr(value), 60)}, for which {tensors} tensors are too few")


def _check_shapes(module: nn.Module, shapes: Shapes, path: str | os.PathLike[str]) -> None:
    expected = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    for name in sorted(expected.keys() | shapes.keys()):
        here, wanted = shapes.get(name, "absent"), expected.get(name, "absent")
        if here != wanted:
            shown = cut(name, 100)
            raise InputError(f"{path}: weight {shown} is {here}, the network has {wanted}; use the matching checkpoint")


def _check_values(tensors: Mapping[str, Tensor], path: str | os.PathLike[str]) -> None:
    for name, tensor in tensors.items():
        if not tensor.is_floating_point():
            continue
        values = tensor.float()
        if not torch.isfinite(values.sum()) and not torch.isfinite(values).all():  # of finite ones a sum may overflow
            raise InputError(
                f"{path}: weight {name} holds NaN or infinite numbers; use a checkpoint of an earlier step"
            )
        if name.endswith("running_var") and (values < 0).any():
            raise InputError(f"{path}: weight {name} holds variances below 0; it is damaged, copy it again")
