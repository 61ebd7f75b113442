"""The named networks of a run, kept from stage to stage, and how each is rebuilt."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

import pcseg.networks
from pcseg.errors import InputError

MAIN = "main"
"""Name of the network that every run has."""


@dataclass(frozen=True)
class NetworkSpec:
    """Name and arguments that a network is rebuilt from.

    ``name`` is one of ``pcseg.networks.__all__``, or any name where ``constructor`` is given (a network of your own).
    ``source``: checkpoint of another run that the weights come from, if any. ``pretrained``: file of public weights
    that fresh encoders of pictures begin with, if any.
    """

    name: str
    arguments: dict[str, Any]
    constructor: Callable[..., nn.Module] | None = None
    source: str = ""
    pretrained: str = ""

    def build(self) -> nn.Module:
        """Return a network with fresh weights; raises InputError for an unknown name or arguments it does not take."""
        if self.constructor is None and self.name not in pcseg.networks.__all__:
            raise InputError(f"network '{self.name}' is not one of: {', '.join(sorted(pcseg.networks.__all__))}")
        try:
            network = (self.constructor or getattr(pcseg.networks, self.name))(**self.arguments)
        except InputError:
            raise
        except (TypeError, ValueError, RuntimeError, OverflowError) as error:
            raise InputError(f"network {self.name}: {error}; correct its arguments") from error
        if not isinstance(network, nn.Module):
            raise InputError(f"network '{self.name}' does not build a network; name a constructor such as minkunet18a")
        if self.pretrained:
            load = getattr(network, "load_backbone", None)
            if load is None:
                raise InputError(f"network.weights={self.pretrained}: {self.name} takes none; leave it out")
            load(self.pretrained)
        return network


class Networks:
    """Networks by name. ``main`` is there from the start; methods add others, which later stages find again.

    Each network is of the classes and inputs of the model it belongs to. ``seed`` decides the weights of those that are
    added; adding one leaves the global random generator as it was.
    """

    def __init__(self, main: nn.Module, spec: NetworkSpec | None = None, seed: int = 0) -> None:
        self._modules = {MAIN: main}
        self.specs = {MAIN: spec or NetworkSpec(type(main).__name__, {})}
        self.seed = seed

    @classmethod
    def build(cls, spec: NetworkSpec, seed: int = 0) -> Networks:
        """Return networks of which ``main`` has fresh weights, drawn from ``seed``."""
        torch.manual_seed(seed)
        return cls(spec.build(), spec, seed)

    def __getitem__(self, name: str) -> nn.Module:
        if name not in self._modules:
            raise InputError(f"network '{name}': the run has {', '.join(self._modules)}; let an earlier stage make it")
        return self._modules[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, name: str) -> bool:
        return name in self._modules

    def items(self) -> Iterator[tuple[str, nn.Module]]:
        """Yield names and networks."""
        yield from self._modules.items()

    def make(self, name: str, spec: NetworkSpec | None = None) -> nn.Module:
        """Return the network ``name`` that an earlier stage made; the first time one with an initialization of its own.

        Without ``spec`` it is of the same kind as ``main``. Raises InputError where an earlier stage made another kind.
        """
        if name not in self._modules:
            self._modules[name] = self._placed(self._fresh(name, spec or self.specs[MAIN]))
            self.specs[name] = spec or self.specs[MAIN]
        elif spec is not None and _arguments(self.specs[name]) != _arguments(spec):
            raise InputError(
                f"network '{name}': an earlier stage made {_arguments(self.specs[name])}, this one wants "
                f"{_arguments(spec)}; give it another name"
            )
        return self._modules[name]

    def copy(self, name: str, of: str = MAIN) -> nn.Module:
        """Return a copy of the network ``of``, without gradients: a teacher. A network of that name is replaced."""
        self.specs[name] = self.specs[of]
        self._modules[name] = copy.deepcopy(self[of]).requires_grad_(False)
        return self._modules[name]

    def add(self, name: str, network: nn.Module, spec: NetworkSpec) -> nn.Module:
        """Keep ``network`` under a name, such as a frozen teacher of another run, and return it."""
        self.specs[name], self._modules[name] = spec, self._placed(network)
        return network

    def scratch(self) -> Networks:
        """Return copies of all networks, for trying what methods would add, replace or freeze."""
        other = Networks(self[MAIN], self.specs[MAIN], self.seed)
        other._modules, other.specs = copy.deepcopy(self._modules), dict(self.specs)
        return other

    def resize(self, rows: list[int | None]) -> None:
        """Rebuild every network for ``len(rows)`` classes; class i keeps the weights of class ``rows[i]``, if any.

        A weight counts as the classifier's where the rebuilt network differs in its first size alone. Raises InputError
        for a network whose constructor takes no ``n_classes``.
        """
        kept = torch.tensor([i for i, old in enumerate(rows) if old is not None])
        taken = torch.tensor([old for old in rows if old is not None])
        for name, network in list(self._modules.items()):
            spec = self.specs[name]
            if "n_classes" not in spec.arguments:
                raise InputError(f"network '{name}': {spec.name} takes no n_classes; its classes cannot change")
            self.specs[name] = replace(spec, arguments={**spec.arguments, "n_classes": len(rows)})
            grown = self._fresh(name, self.specs[name])
            state = network.state_dict()
            for key, value in grown.state_dict().items():
                old = state[key].to(value.device)
                if old.shape == value.shape:
                    value.copy_(old)
                else:
                    value[kept] = old[taken]
            for new, old in zip(grown.parameters(), network.parameters(), strict=True):
                new.requires_grad_(old.requires_grad)
            self._modules[name] = self._placed(grown)

    def restore(self, specs: Mapping[str, NetworkSpec]) -> None:
        """Make the list of networks that of ``specs``, with fresh weights where one is not here or of another spec.

        One of a class of your own, which no file can name, is left to the method that makes it.
        """
        own = {spec.name: spec.constructor for spec in self.specs.values()}
        for name, spec in specs.items():
            if name not in self or _arguments(self.specs[name]) != _arguments(spec):
                spec = replace(spec, constructor=own.get(spec.name))
                if spec.constructor is None and spec.name not in pcseg.networks.__all__ and name != MAIN:
                    continue
                with torch.random.fork_rng():
                    self.add(name, spec.build(), spec)
        for name in [name for name in self if name not in specs]:
            del self._modules[name], self.specs[name]

    def _fresh(self, name: str, spec: NetworkSpec) -> nn.Module:
        """A network with weights that the seed and its name decide."""
        digest = hashlib.sha256(f"{self.seed} {name}".encode()).digest()
        with torch.random.fork_rng():
            torch.manual_seed(int.from_bytes(digest[:7], "little"))
            return spec.build()

    def _placed(self, network: nn.Module) -> nn.Module:
        """``network`` on the device of ``main``."""
        weight = next(self[MAIN].parameters(), None)
        return network if weight is None else network.to(weight.device)


def _arguments(spec: NetworkSpec) -> str:
    """Arguments as a file holds them."""
    return json.dumps([spec.name, spec.arguments], sort_keys=True)
