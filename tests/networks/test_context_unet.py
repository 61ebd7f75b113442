"""MinkUNets with context: what is theirs beside the contract of networks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from pcseg.classes import Classes
from pcseg.errors import InputError
from pcseg.feeding.features import Features
from pcseg.model.checkpoint import load_model, save_model
from pcseg.model.inputs import VoxelInputs
from pcseg.model.model import Model
from pcseg.model.networks import Networks, NetworkSpec
from pcseg.networks import MinkUNet, MinkUNetASPP, MinkUNetAxial, MinkUNetOCR, minkunet_small
from pcseg.sparse import SparseTensor
from tests.networks.test_contract import F, K, build, voxels

CONTEXTS = (MinkUNetOCR, MinkUNetASPP, MinkUNetAxial)


@pytest.mark.parametrize("make", CONTEXTS)
def test_the_weights_of_the_body_fit(make: Callable[..., MinkUNet]) -> None:
    body, network = minkunet_small(F, K).state_dict(), make(F, K)
    found = network.load_state_dict(body, strict=False)
    assert found.unexpected_keys == []
    assert found.missing_keys


def far_gradient(network: MinkUNet) -> float:
    """How strongly the score of one voxel depends on voxels 640 away in the same sample."""
    near = voxels().coords[:200]
    far = near + torch.tensor([0, 640, 0, 0], dtype=torch.int32)
    feats = torch.randn(400, F, requires_grad=True)
    logits = network.eval()(SparseTensor(feats, torch.cat([near, far]))).logits
    (grad,) = torch.autograd.grad(logits[0].square().sum(), feats)
    return float(grad[200:].abs().sum())


def test_context_reaches_what_a_minkunet_does_not() -> None:
    assert far_gradient(build(minkunet_small)) == 0
    assert far_gradient(build(lambda f, k, norm: MinkUNetASPP(f, k, rates=(1, 10), norm=norm))) == 0
    assert far_gradient(build(lambda f, k, norm: MinkUNetASPP(f, k, rates=(1, 40), norm=norm))) > 0
    assert far_gradient(build(lambda f, k, norm: MinkUNetASPP(f, k, rates=(80,), stride=8, norm=norm))) > 0
    assert far_gradient(build(lambda f, k, norm: MinkUNetOCR(f, k, norm=norm))) > 0
    assert far_gradient(build(lambda f, k, norm: MinkUNetAxial(f, k, norm=norm))) > 0


def test_auxiliary_scores_are_a_linear_map_of_each_voxel() -> None:
    """They do not depend on the context, which needs them; the classifier reads features that do."""
    network, x = build(lambda f, k, norm: MinkUNetOCR(f, k, norm=norm)).eval(), voxels(n_samples=2)
    out = network(x)
    assert out.outputs["aux"].shape == (len(x), K)
    plain = build(minkunet_small)
    plain.load_state_dict({name: value for name, value in network.state_dict().items() if name in plain.state_dict()})
    expected = network.head.aux(plain.eval()(x).feats)
    torch.testing.assert_close(out.outputs["aux"], expected, rtol=1e-4, atol=1e-4)
    assert dict(plain(x).outputs) == {}


def test_new_classes_keep_the_rows_of_old_ones() -> None:
    networks = Networks.build(NetworkSpec("MinkUNetOCR", {"in_channels": F, "n_classes": 3}))
    before = networks["main"].state_dict()
    networks.resize([2, None, 0, 1])
    after = networks["main"].state_dict()
    changed = {name for name, value in after.items() if value.shape != before[name].shape}
    assert changed == {"head.weight", "head.bias", "head.aux.weight", "head.aux.bias"}
    for name in changed:
        assert torch.equal(after[name][[2, 3, 0]], before[name])


def test_a_checkpoint_keeps_the_arguments(tmp_path: Path) -> None:
    inputs = VoxelInputs(0.1, Features(["color"]))
    arguments = {"in_channels": inputs.width, "n_classes": 2, "rates": [1, 5], "stride": 8, "norm": "layer"}
    model = Model(Networks.build(NetworkSpec("MinkUNetASPP", arguments)), Classes(("a", "b")), inputs)
    save_model(tmp_path / "model.safetensors", model)
    network = load_model(tmp_path / "model.safetensors").network
    assert [branch.conv.dilation for branch in network.down[2][-1].branches] == [1, 5]


def test_wrong_arguments_are_refused() -> None:
    for action, message in (
        (lambda: MinkUNetOCR(F, K, variant="resnet"), "variant=resnet: must be one of minkunet14a"),
        (lambda: MinkUNetASPP(F, K, stride=1), "stride=1: must be one of 2, 4, 8, 16, or 0"),
        (lambda: MinkUNetAxial(F, K, stride=32), "stride=32"),
        (lambda: MinkUNetASPP(F, K, rates=()), "rates: none given"),
        (lambda: MinkUNetAxial(F, K, heads=0), "heads=0"),
        (lambda: MinkUNetOCR(F, K, norm="none"), "norm=none"),
    ):
        with pytest.raises(InputError, match=message):
            action()
