"""Checkpoints: one safetensors file with JSON in its header; reading one never runs code that the file names."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

import pcseg.networks
from pcseg.errors import InputError, cut
from pcseg.files import atomic_path
from pcseg.labels import Classes

FORMAT = 1
"""Number of the layout written here; a file of another layout is refused by name."""


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
        except TypeError as error:
            raise InputError(f"network {self.name}: {error}; correct its arguments") from error
        if not isinstance(network, nn.Module):
            raise InputError(f"network '{self.name}' does not build a network; name a constructor such as minkunet18a")
        return network


@dataclass(frozen=True)
class Model:
    """A network and all that inference with it needs.

    ``voxel_size`` in metres; ``features`` the declared input features, in order; ``record`` says where the weights
    come from (configuration, git hash, label hash, step, ...) and changes nothing about how they are used.
    """

    spec: NetworkSpec
    network: nn.Module
    classes: Classes
    voxel_size: float
    features: tuple[str, ...]
    record: dict[str, Any] = field(default_factory=dict)

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
    """Write the network's weights and what is needed to use them to one file, atomically."""
    header = {
        "network": {"name": model.spec.name, "arguments": model.spec.arguments},
        "classes": {"names": model.classes.names, "colors": model.classes.colors},
        "voxel_size": model.voxel_size,
        "features": model.features,
        "record": model.record,
    }
    write_tensors(path, "model", model.network.state_dict(), header)


def load_model(path: str | os.PathLike[str]) -> Model:
    """Rebuild a network from its checkpoint alone; a run folder stands for its ``last.safetensors``.

    Raises InputError for a file that is missing, truncated, foreign, of another format, or whose weights do not fit
    the network it names.
    """
    path = Path(path)
    path = path / "last.safetensors" if path.is_dir() else path
    tensors, header = read_tensors(path, "model")
    try:
        spec = NetworkSpec(**header["network"])
        colors = tuple((int(r), int(g), int(b)) for r, g, b in header["classes"]["colors"])
        classes = Classes(tuple(header["classes"]["names"]), colors)
        voxel_size, features = float(header["voxel_size"]), tuple(header["features"])
        record = dict(header["record"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: its description is damaged ({error!r}); train or copy it again") from error
    network = spec.build()
    restore(network, tensors, path)
    outputs = spec.arguments.get("n_classes", len(classes))
    if outputs != len(classes):
        raise InputError(f"{path}: {outputs} outputs but {len(classes)} class names; train or copy it again")
    return Model(spec, network.eval(), classes, voxel_size, features, record)


def restore(module: nn.Module, tensors: Mapping[str, Tensor], path: str | os.PathLike[str]) -> None:
    """Load weights that must fit exactly; raises InputError naming ``path`` and the first that does not."""
    expected = module.state_dict()
    for name in sorted(expected.keys() | tensors.keys()):
        here = tuple(tensors[name].shape) if name in tensors else "absent"
        wanted = tuple(expected[name].shape) if name in expected else "absent"
        if here != wanted:
            raise InputError(f"{path}: weight {name} is {here}, the network has {wanted}; use the matching checkpoint")
    module.load_state_dict(dict(tensors))


def write_tensors(path: str | os.PathLike[str], kind: str, tensors: Mapping[str, Tensor], header: Any) -> None:
    """Write tensors and a JSON header that says what kind of file this is, atomically."""
    text = json.dumps({"format": FORMAT, "kind": kind, **header}, allow_nan=False)
    # Cloned: safetensors refuses tensors that share memory, and views drag their whole storage along.
    copies = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}
    data = safetensors.torch.save(copies, {"pcseg": text})
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def read_tensors(path: str | os.PathLike[str], kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what ``write_tensors`` wrote: the tensors, on the CPU, and the header.

    Raises InputError for anything else: no such file, a pickle, a truncated file, another program's safetensors, a
    file of another kind or format.
    """
    if not Path(path).is_file():
        raise InputError(f"{path}: no such checkpoint")
    if str(path).lower().endswith((".pth", ".pt")):
        raise InputError(f"{path}: is no checkpoint of pcseg; turn it into one with tools/convert_checkpoint.py")
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get("pcseg", "null"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (safetensors.SafetensorError, OSError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"{path}: not a whole safetensors file ({reason}); give a checkpoint written by tools/train.py"
        ) from error
    if not isinstance(header, dict) or "format" not in header:
        raise InputError(
            f"{path}: holds tensors but no description by pcseg; give a checkpoint written by tools/train.py"
        )
    if header["format"] != FORMAT:
        raise InputError(
            f"{path}: checkpoint format {header['format']}, this version reads {FORMAT}; use the pcseg that wrote it"
        )
    if header.get("kind") != kind:
        raise InputError(f"{path}: a '{header.get('kind')}' file where a '{kind}' file is needed")
    return tensors, header


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Split an optimiser's state into tensors named ``<parameter>.<key>`` and the JSON-able rest."""
    state = optimizer.state_dict()
    tensors = {f"{i}.{k}": v for i, entry in state["state"].items() for k, v in entry.items() if isinstance(v, Tensor)}
    values = {
        f"{i}.{k}": v for i, entry in state["state"].items() for k, v in entry.items() if not isinstance(v, Tensor)
    }
    return tensors, {"values": values, "groups": state["param_groups"]}


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], rest: Mapping[str, Any]) -> None:
    """The inverse of ``optimizer_tensors``."""
    state: dict[int, dict[str, Any]] = {}
    for name, value in {**rest["values"], **tensors}.items():
        index, _, key = name.partition(".")
        state.setdefault(int(index), {})[key] = value
    optimizer.load_state_dict({"state": state, "param_groups": rest["groups"]})
