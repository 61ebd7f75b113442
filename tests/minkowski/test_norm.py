"""Norms, activations and dropout against their formulas."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from pcseg import minkowski as ME
from tests.minkowski import oracle
from tests.minkowski.shapes import DIMENSIONS, few, gradients_agree, make, rows


@pytest.mark.parametrize("dimension", DIMENSIONS)
@pytest.mark.parametrize(("kind", "floor"), [(ME.MinkowskiInstanceNorm, 1e-8), (ME.MinkowskiStableInstanceNorm, 1e-6)])
def test_instance_norm_is_of_each_sample_and_channel(dimension: int, kind: type, floor: float) -> None:
    x = make(dimension)
    x = x.with_features(x.F * torch.tensor([1e-3, 1, 50.0], dtype=torch.float64))
    layer = kind(3).double()
    nn.init.normal_(layer.weight)
    nn.init.normal_(layer.bias)
    y = layer(x)
    for coord, feats in rows(x).items():
        there = torch.stack(oracle.samples(rows(x))[coord[0]])
        variance = there.var(0, unbiased=False)
        wanted = (feats - there.mean(0)) / (variance + floor).sqrt() * layer.weight[0] + layer.bias[0]
        assert torch.allclose(rows(y)[coord], wanted.detach(), atol=1e-9)
    assert gradients_agree(layer, few(dimension, 3))


def test_batch_norm_is_torchs() -> None:
    x = make(3)
    ours, theirs = ME.MinkowskiBatchNorm(3, momentum=0.3).double(), nn.BatchNorm1d(3, momentum=0.3).double()
    assert torch.equal(ours(x).F, theirs(x.F))
    assert ours.state_dict().keys() == {f"bn.{name}" for name in theirs.state_dict()}
    assert torch.equal(ours.bn.running_var, theirs.running_var)
    ours.eval(), theirs.eval()
    assert torch.equal(ours(x).F, theirs(x.F))


def test_batch_norms_become_synchronized_ones_with_their_weights() -> None:
    net = nn.Sequential(ME.MinkowskiBatchNorm(3, momentum=0.2), ME.MinkowskiReLU(), nn.BatchNorm1d(3))
    net[0](make(3).float())
    state = {name: value.clone() for name, value in net.state_dict().items()}
    net = ME.MinkowskiSyncBatchNorm.convert_sync_batchnorm(net)
    assert isinstance(net[0], ME.MinkowskiSyncBatchNorm)
    assert isinstance(net[2], nn.SyncBatchNorm)
    assert net[0].bn.momentum == 0.2
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())
    net.eval()
    assert torch.allclose(net[0](make(3).float()).F, nn.functional.batch_norm(
        make(3).F.float(), net[0].bn.running_mean, net[0].bn.running_var, net[0].bn.weight, net[0].bn.bias
    ))  # fmt: skip


def test_activations_are_torchs() -> None:
    x = make(2)
    for name, arguments in [("ReLU", {}), ("LeakyReLU", {"negative_slope": 0.3}), ("Softmax", {"dim": 1}), ("SiLU", {}),
                            ("PReLU", {}), ("Threshold", {"threshold": 0.1, "value": 2.0}), ("Tanh", {})]:  # fmt: skip
        ours, theirs = getattr(ME, f"Minkowski{name}")(**arguments), getattr(nn, name)(**arguments)
        assert torch.equal(ours.double()(x).F, theirs.double()(x.F))
    for name in ("relu", "elu", "sigmoid", "softplus", "gelu"):
        assert torch.equal(getattr(ME.MinkowskiFunctional, name)(x).F, getattr(F, name)(x.F))
    target = torch.randint(3, (len(x),))
    assert torch.equal(ME.MinkowskiFunctional.cross_entropy(x, target), F.cross_entropy(x.F, target))
    layer = ME.MinkowskiSinusoidal(3, 4).double()
    wanted = torch.sin(x.F @ layer.kernel + layer.bias) * layer.coef
    assert torch.equal(layer(x).F, wanted)


def test_dropout_and_linear() -> None:
    x = make(3)
    dropout = ME.MinkowskiDropout(0.5)
    torch.manual_seed(0)
    mine = dropout(x).F
    torch.manual_seed(0)
    assert torch.equal(mine, F.dropout(x.F, 0.5))
    assert torch.equal(dropout.eval()(x).F, x.F)
    linear = ME.MinkowskiLinear(3, 5).double()
    assert torch.equal(linear(x).F, x.F @ linear.linear.weight.T + linear.linear.bias)


def test_layers_of_features_take_fields() -> None:
    field = ME.TensorField(torch.randn(4, 3), torch.rand(4, 4))
    net = nn.Sequential(
        ME.MinkowskiLinear(3, 5), ME.MinkowskiBatchNorm(5), ME.MinkowskiReLU(), ME.MinkowskiInstanceNorm(5)
    )
    found = net(field)
    assert isinstance(found, ME.TensorField)
    assert found.F.shape == (4, 5)
    assert torch.equal(found.C, field.C)
