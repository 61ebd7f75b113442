"""The file a run resumes from: all networks, the method's own tensors and the optimizers, at one step."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from pcseg.classes import Classes
from pcseg.errors import InputError
from pcseg.model.checkpoint import read_spec, restore
from pcseg.model.model import Model
from pcseg.model.optimizer_state import optimizer_tensors, restore_optimizer
from pcseg.model.tensor_file import read_tensors, write_tensors
from pcseg.nn.lora import add_saved_low_rank

State = tuple[dict[str, Tensor], dict[str, Any]]
"""Tensors and header of the file."""


def write_state(
    path: str | os.PathLike[str],
    model: Model,
    method: nn.Module,
    optimizers: Mapping[str, Any],
    progress: dict[str, Any],
) -> None:
    """Write all that a run needs to go on, atomically; ``progress`` is JSON (step, seconds, best score, ...)."""
    tensors = {f"networks.{name}.{k}": v for name, n in model.networks.items() for k, v in n.state_dict().items()}
    tensors |= {f"method.{name}": value for name, value in own_tensors(method, model).items()}
    rest = {}
    for player, optimizer in optimizers.items():
        moments, rest[player] = optimizer_tensors(optimizer.optimizer)
        tensors |= {f"optimizers.{player}.{name}": value for name, value in moments.items()}
    header = {
        **progress,
        "optimizers": rest,
        "networks": {name: _description(model, name) for name in model.networks},
        "classes": model.classes.to_json(),
        "record": model.record,
    }
    write_tensors(path, "state", tensors, header)


def read_state(path: str | os.PathLike[str], model: Model) -> State:
    """Read what ``write_state`` wrote, and give ``model`` the classes and networks of the kinds that it had then.

    Raises InputError where the file is damaged.
    """
    tensors, header = read_tensors(path, "state")
    try:
        frozen = {name: set(value.pop("frozen")) for name, value in header["networks"].items()}
        specs = {name: read_spec(value, len(tensors)) for name, value in header["networks"].items()}
        model.classes = Classes.from_json(header["classes"])
        model.networks.restore(specs)
        for name, network in model.networks.items():
            add_saved_low_rank(network, _below(f"networks.{name}.", tensors))
            for weight, parameter in network.named_parameters():
                parameter.requires_grad_(weight not in frozen[name])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: its networks are damaged ({error}); start over with overwrite=true") from error
    return tensors, header


def restore_state(
    path: str | os.PathLike[str], state: State, model: Model, method: nn.Module, optimizers: Mapping[str, Any]
) -> None:
    """Put networks, the method's own tensors and the optimizers back; raises InputError where one does not fit."""
    tensors, header = state
    lost = sorted(header["networks"].keys() - set(model.networks))
    if lost:
        raise InputError(
            f"{path}: network '{lost[0]}' is {header['networks'][lost[0]]['name']}, not one of pcseg.networks, and "
            "this stage does not make it; let its method make it too"
        )
    for name, network in model.networks.items():
        restore(network, _below(f"networks.{name}.", tensors), path)
    own, saved = own_tensors(method, model), _below("method.", tensors)
    differ = sorted(own.keys() ^ saved.keys()) or [n for n, value in own.items() if value.shape != saved[n].shape]
    players = sorted(optimizers.keys() ^ header["optimizers"].keys())
    if differ or players:
        raise InputError(
            f"{path}: {(differ or players)[0]} of the method does not fit; resume with the method and version it began "
            "with"
        )
    with torch.no_grad():
        for name, value in own.items():
            value.copy_(saved[name])
    for player, optimizer in optimizers.items():
        restore_optimizer(optimizer.optimizer, _below(f"optimizers.{player}.", tensors), header["optimizers"][player])


def _description(model: Model, name: str) -> dict[str, Any]:
    """Return what a network is rebuilt from."""
    spec = model.networks.specs[name]
    frozen = [weight for weight, p in model.networks[name].named_parameters() if not p.requires_grad]
    return {"name": spec.name, "arguments": spec.arguments, "source": spec.source, "frozen": frozen}


def own_tensors(method: nn.Module, model: Model) -> dict[str, Tensor]:
    """Return the parameters and buffers of ``method`` by name, without those of the model's networks."""
    networks = [network for _, network in model.networks.items()]
    theirs = [
        f"{name}."
        for name, module in method.named_modules(remove_duplicate=False)
        if any(module is network for network in networks)
    ]
    return {name: value for name, value in method.state_dict().items() if not _starts(name, theirs)}


def _starts(name: str, prefixes: Iterable[str]) -> bool:
    return name.startswith(tuple(prefixes))


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
