"""Checkpoints: one safetensors file with JSON in its header; reading one never runs code that the file names."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from pcseg.classes import NO_LABELS, Classes
from pcseg.errors import InputError, cut
from pcseg.model.inputs import Inputs, read_inputs
from pcseg.model.model import Model
from pcseg.model.networks import Networks, NetworkSpec
from pcseg.model.places import checkpoint_file
from pcseg.model.tensor_file import Shapes, read_tensors, write_tensors
from pcseg.nn.lora import merged_state

MOST_CHANNELS = 2**20
"""The largest number among a network's arguments."""


def save_model(path: str | os.PathLike[str], model: Model, half: bool = False) -> None:
    """Write the network's weights and what is needed to use them to one file, atomically.

    Low-rank updates are added to the weights. ``half``: weights, not running statistics, are rounded to 16 bits, of
    which float32 is made again in loading. Raises InputError where a weight is NaN or infinite, and leaves the old
    file.
    """
    state = merged_state(model.network)
    if half:
        learned = dict(model.network.named_parameters())
        state = {name: value.half() if name in learned else value for name, value in state.items()}
    _check_values(state, path)
    header = {
        "network": {"name": model.spec.name, "arguments": model.spec.arguments},
        "classes": model.classes.to_json(),
        "inputs": model.inputs.to_json(),
        "record": model.record,
    }
    write_tensors(path, "model", state, header)


def load_model(
    path: str | os.PathLike[str], constructors: Mapping[str, Callable[..., nn.Module]] | None = None
) -> Model:
    """Rebuild a network from its checkpoint alone, at any place that ``checkpoint_file`` knows, such as a run folder.

    ``constructors`` are those of your own networks, by the name in their NetworkSpec. Every field is checked by type
    and range before anything is built, and the shapes of all weights before any of them is read. Raises InputError for
    a file that is missing, truncated, foreign, of another format, whose weights do not fit the network it names, are
    NaN or infinite.
    """
    path = checkpoint_file(path)

    def described(header: Mapping[str, Any], shapes: Shapes) -> tuple[NetworkSpec, Classes, Inputs]:
        spec, classes, inputs = _described(header, shapes, path)
        return replace(spec, constructor=(constructors or {}).get(spec.name)), classes, inputs

    def fits(header: dict[str, Any], shapes: Shapes) -> None:
        spec, *_ = described(header, shapes)
        try:
            with torch.device("meta"):  # takes no memory, whatever the header asks for
                network = spec.build()
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        _check_shapes(network, shapes, path)

    tensors, header = read_tensors(path, "model", fits)
    spec, classes, inputs = described(header, {})
    _check_values(tensors, path)
    network = spec.build()
    restore(network, tensors, path)
    n_outputs, n_inputs = (spec.arguments.get(name) for name in ("n_classes", "in_channels"))
    if n_outputs != len(classes):
        raise InputError(f"{path}: {n_outputs} outputs but {len(classes)} class names; train or copy it again")
    if n_inputs != inputs.width:
        raise InputError(f"{path}: {n_inputs} input channels but features of {inputs.width}; train or copy it again")
    return Model(Networks(network.eval(), spec), classes, inputs, header["record"])


def load_labeler(path: str | os.PathLike[str]) -> Model:
    """Return ``load_model(path)``, to label with; raises InputError where it was trained without labels, too."""
    model = load_model(path)
    if model.classes.names == (NO_LABELS,):
        raise InputError(f"{path}: was trained without labels and knows no class; begin from it: weights={path}")
    return model


def add_teacher(model: Model, name: str, path: str | os.PathLike[str]) -> nn.Module:
    """Add the trained network of another run to ``model.networks``, frozen and in eval mode; of any width or kind.

    A network that is there under this name is replaced, unless it came from the same ``path``.
    Raises InputError where it is of other classes or inputs than ``model``.
    """
    if name in model.networks and model.networks.specs[name].source == str(path):  # kept from an earlier stage
        return model.networks[name]
    other = load_model(path)
    if other.classes.names != model.classes.names or other.inputs != model.inputs:
        raise InputError(
            f"{path}: was trained for {other.inputs} and the classes {', '.join(other.classes.names)}; a teacher needs "
            f"the run's: {model.inputs}, {', '.join(model.classes.names)}"
        )
    spec = replace(other.spec, source=str(path))
    return model.networks.add(name, other.network.eval().requires_grad_(False), spec)


def restore(module: nn.Module, tensors: Mapping[str, Tensor], path: str | os.PathLike[str]) -> None:
    """Load weights that must fit exactly; raises InputError naming ``path`` and the first that does not."""
    _check_shapes(module, {name: tuple(tensor.shape) for name, tensor in tensors.items()}, path)
    for name, expected in module.state_dict().items():
        if tensors[name].is_floating_point() != expected.is_floating_point() or tensors[name].is_complex():
            raise InputError(f"{path}: weight {name} is of {tensors[name].dtype}, the network's of {expected.dtype}")
    module.load_state_dict(dict(tensors))


def _described(
    header: Mapping[str, Any], shapes: Shapes, path: str | os.PathLike[str]
) -> tuple[NetworkSpec, Classes, Inputs]:
    """Return the network, classes and inputs that a header names; ``shapes``, if any, bound what it may ask for."""
    try:
        spec = read_spec(header["network"], len(shapes))
        classes = Classes.from_json(header["classes"])
        # Format 1 has the fields of the inputs beside the others.
        return spec, classes, read_inputs(header.get("inputs", header))
    except Exception as error:  # a stranger may write anything there
        found = error if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
        raise InputError(f"{path}: its description is damaged ({found}); train or copy it again") from error


def read_spec(value: Mapping[str, Any], most_tensors: int = 0) -> NetworkSpec:
    """Rebuild a NetworkSpec from its name and arguments; raises TypeError or ValueError for arguments no network takes.

    ``most_tensors``, if any, bounds how many layers they may ask for.
    """
    spec = NetworkSpec(**value)
    if not isinstance(spec.name, str):
        raise TypeError(f"the network {cut(repr(spec.name), 60)} is not one of the known ones")
    for name, argument in spec.arguments.items():
        _check_argument(name, argument, most_tensors)
    return spec


def _check_argument(name: str, value: Any, tensors: int) -> None:
    """Raise TypeError or ValueError for what no network takes: the description comes from whoever made the file."""
    if value is None:  # the network's own choice
        return
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
            raise InputError(
                f"{path}: weight {cut(name, 100)} is {here}, the network has {wanted}; use the matching checkpoint"
            )


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
