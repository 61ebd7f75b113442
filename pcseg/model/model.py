"""A model: networks with their classes and inputs, of which one is deployed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import nn

from pcseg.classes import Classes
from pcseg.errors import InputError, cut
from pcseg.model.inputs import Inputs
from pcseg.model.networks import MAIN, Networks, NetworkSpec
from pcseg.model.trained_on import trained_on


@dataclass
class Model:
    """Networks and all that inference with them needs.

    ``deployed`` names the network that is scored and saved for inference; a stage's method chooses it. ``record`` says
    where the weights come from (configuration, git hash, label hash, step, ...) and changes nothing about their use.
    """

    networks: Networks
    classes: Classes
    inputs: Inputs
    record: dict[str, Any] = field(default_factory=dict)
    deployed: str = MAIN

    @property
    def network(self) -> nn.Module:
        """The deployed network."""
        return self.networks[self.deployed]

    @property
    def spec(self) -> NetworkSpec:
        """Name and arguments of the deployed network."""
        return self.networks.specs[self.deployed]

    def extend(self, classes: Classes) -> None:
        """Give every network a score for each of ``classes``; classes it had before keep their weights, by name.

        Raises InputError where a class of before is missing.
        """
        lost = [name for name in self.classes.names if name not in classes.names]
        if lost:
            raise InputError(f"classes: {', '.join(lost)} would be lost; list them too")
        known = self.classes.names
        self.networks.resize([known.index(name) if name in known else None for name in classes.names])
        self.classes = classes

    def __repr__(self) -> str:
        weights = sum(weight.numel() for weight in self.network.parameters())
        names = cut(", ".join(self.classes.names), 200)
        return (
            f"{self.spec.name} of {weights:,} weights, {len(self.classes)} classes ({names}), {self.inputs}, "
            f"{self._origin()}"
        )

    def _origin(self) -> str:
        """Return the origin of the weights, in a few words."""
        scenes = trained_on(self.record)
        if scenes is None or "step" not in self.record:
            return "of unknown training"
        return cut(f"trained on {', '.join(scenes.train)} of {scenes.root} for {self.record['step']} steps", 200)
