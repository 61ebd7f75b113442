"""Networks are told from their inputs."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import pcseg.networks
from pcseg.errors import InputError
from pcseg.model.inputs import ImageInputs, VoxelInputs
from pcseg.model.kinds import check_network
from tests.methods.kinds import Pixels, Points

INPUTS = {False: VoxelInputs(0.1, ("color",)), True: ImageInputs()}


def kinds() -> list[tuple[nn.Module, bool]]:
    """A network of every name, and two that are not among these, with whether they take pictures."""
    with torch.device("meta"):
        named = [(name, getattr(pcseg.networks, name)(in_channels=3, n_classes=2)) for name in pcseg.networks.__all__]
    return [(n, name in ("P2AT", "DeepLab")) for name, n in named] + [(Points(3, 2), False), (Pixels(3, 2), True)]


def test_a_network_of_the_other_kind_is_refused() -> None:
    for network, pictures in kinds():
        check_network("net", network, INPUTS[pictures])
        with pytest.raises(InputError, match=r"network\.name=net: takes .*, but the data are .*; choose network="):
            check_network("net", network, INPUTS[not pictures])


def test_a_network_without_types_is_taken_as_it_is() -> None:
    class Untyped(nn.Module):
        def forward(self, inputs, position=None, color=None):  # type: ignore[no-untyped-def]
            return inputs

    for inputs in INPUTS.values():
        check_network("net", Untyped(), inputs)
