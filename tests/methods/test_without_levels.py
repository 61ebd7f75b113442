"""Every method of configs/method on a network that has no levels: it trains it, or says in one line that it cannot."""

from __future__ import annotations

import pytest
import torch
from hydra.errors import InstantiationException

from pcseg.classes import Classes
from pcseg.model.inputs import VoxelInputs
from pcseg.model.model import Model
from pcseg.model.networks import Networks, NetworkSpec
from tests.methods.kinds import Points
from tests.methods.test_contract import RECIPES, batch_of, losses, method_of

NEED_THEM = {
    "aux_seg", "aux_seg_rounds", "bas", "cam", "ccvc", "coarse_propagation", "cosa", "dense_propagation", "fickle",
    "group", "mars", "mgd", "mix_reorg", "pseudo_seg", "s4l", "unimatch", "view_consistency", "zero_seg",
}  # fmt: skip


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_network_without_levels(recipe: str) -> None:
    spec = NetworkSpec("Points", {"in_channels": 4, "n_classes": 3}, Points)
    model = Model(Networks.build(spec), Classes(("a", "b", "c")), VoxelInputs(0.1, ("color", "height")))
    stage = next(iter(RECIPES[recipe]))
    if recipe in NEED_THEM:
        with pytest.raises(InstantiationException, match=r"InputError\(.*Points has no levels"):
            method_of(recipe, stage, model)
        return
    method = method_of(recipe, stage, model).train()
    for parts in losses(method, batch_of()).values():
        assert torch.stack(list(parts.values())).isfinite().all()
