"""Which kind of scene a network takes: the type of the first argument of its ``forward`` tells."""

from __future__ import annotations

from torch import Tensor, nn

from pcseg.errors import InputError
from pcseg.first_argument import first_type
from pcseg.model.inputs import ImageInputs, Inputs
from pcseg.sparse import SparseTensor


def check_network(name: str, network: nn.Module, inputs: Inputs) -> None:
    """Raise InputError for a ``network`` of voxels where the ``inputs`` are pictures, or the other way round.

    The first argument of its ``forward`` tells: SparseTensor or Tensor; one without a type is taken as it is.
    """
    pictures = isinstance(inputs, ImageInputs)
    takes = {SparseTensor: False, Tensor: True}.get(first_type(network.forward), pictures)
    if takes != pictures:
        kinds, usual = ("point clouds", "pictures"), "deeplab_lite0" if pictures else "minkunet_small"
        raise InputError(
            f"network.name={name}: takes {kinds[takes]}, but the data are {kinds[pictures]}; choose network={usual}"
        )
