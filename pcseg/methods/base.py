"""The contract between a method and the training loop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from pcseg.elements import Elements
from pcseg.errors import InputError
from pcseg.feeding.batch import Batch
from pcseg.model.model import Model
from pcseg.model.networks import MAIN
from pcseg.pseudo import MeanTeacher


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters that share a rate: ``rate`` times that of their player's optimizer."""

    parameters: tuple[nn.Parameter, ...]
    rate: float = 1.0


class Method(nn.Module):
    """A way to train networks from batches; the loop owns optimizers, logging and files.

    A subclass wires networks, losses and pseudo labels, and holds no formula. It may change these:

    ``needs``: what its batches must hold beyond labels, any of "tags", "matches", "domain", "weights", "pairs", and
    "voxels" where it takes no pictures; a run whose data lacks one is refused before its first step. ``reads_labels``:
    False for one that learns from the clouds alone, which takes data without labels. ``reads_tags``: True for one that
    reads tags, which may be those of a sub-cloud: its samples then end where that does. ``deployed``: the network that
    is scored and saved for inference. ``players``: who is stepped in turn within a step, each with an optimizer of its
    own.

    Networks come from ``model.networks`` and outlive the stage: ``make`` adds one with weights of its own, ``copy`` a
    teacher; :func:`pcseg.model.checkpoint.add_teacher` a frozen one of another run. Assign each to an attribute, so
    that it is moved and trained with the method. Labels come with the batch and are never changed.
    """

    needs: frozenset[str] = frozenset()
    reads_labels: bool = True
    reads_tags: bool = False
    deployed: str = MAIN
    network: Any  # an nn.Module; some methods also need its encode, decode and channels_at (see pcseg.networks)

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.network = model.networks[MAIN]

    def losses(self, batch: Batch, progress: float, player: str = "main") -> dict[str, Tensor]:
        """Return named scalars, already weighted, that the loop sums and ``player`` minimizes.

        ``progress`` in [0, 1] is the share of the stage that is done.
        """
        raise NotImplementedError

    def players(self) -> dict[str, list[ParameterGroup]]:
        """Return the parameters of each player, in the order they are stepped; by default all that want a gradient."""
        return {"main": groups(self.named_parameters())}

    def predict(self, batch: Batch, network: nn.Module | None = None) -> Elements:
        """Return one plain pass of the main network, or of another ``network``.

        The caller chooses eval mode and whether gradients are kept.
        """
        seen = self.network if network is None else network
        elements: Elements = seen(batch.inputs, position=batch.position, color=batch.color)
        return elements

    def after_step(self, step: int) -> None:
        """Update what is not learned by gradient; called after each step."""


def running_mean(model: Model, decay: float) -> tuple[nn.Module, MeanTeacher]:
    """Return the network "teacher", the running mean of the main one that a stage makes and later ones go on with.

    Beside it what moves it after each step (:class:`pcseg.pseudo.MeanTeacher`).
    """
    begun = "teacher" in model.networks
    mean = model.networks["teacher"] if begun else model.networks.copy("teacher")
    return mean, MeanTeacher(mean, model.networks[MAIN], decay, begun)


def groups(named: Iterable[tuple[str, nn.Parameter]], rates: Mapping[str, float] | None = None) -> list[ParameterGroup]:
    """Sort the trainable ones of named parameters into groups: those below a module in ``rates`` have its rate, others
    1.

    ``groups(self.named_parameters(), {"network.head": 10.0})`` trains the classifier at ten times the rate. Raises
    InputError for a module in ``rates`` that has no parameter.
    """
    rates, found = rates or {}, set()
    sorted_in: dict[float, list[nn.Parameter]] = {1.0: []}
    for name, parameter in named:
        module = next((prefix for prefix in rates if f"{name}.".startswith(f"{prefix}.")), None)
        found.add(module)
        if parameter.requires_grad:
            sorted_in.setdefault(1.0 if module is None else rates[module], []).append(parameter)
    lost = sorted(rates.keys() - found)
    if lost:
        raise InputError(f"rates: no parameter is below '{lost[0]}'; name a module of the method, such as network.head")
    return [ParameterGroup(tuple(parameters), rate) for rate, parameters in sorted_in.items() if parameters]
