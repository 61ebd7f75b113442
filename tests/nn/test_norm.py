"""Batch norm of tiny batches, and frozen running statistics."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pcseg.errors import InputError
from pcseg.nn import BatchNorm, Bottleneck, frozen_statistics, make_norm


def trained() -> BatchNorm:
    torch.manual_seed(0)
    norm = BatchNorm(3)
    for _ in range(5):
        norm(torch.randn(20, 3) * 2 + 1)
    return norm


def test_it_is_torch_batch_norm() -> None:
    norm, torchs = trained(), nn.BatchNorm1d(3)
    torchs.load_state_dict(norm.state_dict())
    x = torch.randn(8, 3)
    assert torch.equal(norm(x), torchs(x))
    assert torch.equal(norm.running_mean, torchs.running_mean)
    assert torch.equal(norm.eval()(x), torchs.eval()(x))


@pytest.mark.parametrize("rows", [0, 1])
def test_a_batch_without_variance_uses_the_running_statistics(rows: int) -> None:
    norm = trained()
    before = {name: value.clone() for name, value in norm.state_dict().items()}
    x = torch.randn(rows, 3, requires_grad=True)
    out = norm(x)
    out.sum().backward()
    assert torch.equal(out, norm.eval()(x))
    assert all(torch.equal(value, before[name]) for name, value in norm.state_dict().items())
    assert x.grad.shape == (rows, 3)


def test_frozen_statistics_normalize_by_the_batch_and_stay() -> None:
    module = nn.Sequential(nn.Linear(3, 3), trained(), nn.LayerNorm(3), nn.Dropout(0.5))
    norm = module[1]
    before = {name: value.clone() for name, value in module.state_dict().items()}
    x = torch.randn(50, 3) * 7 - 4
    with frozen_statistics(module):
        inside = norm(x)
        assert module.training
    torch.testing.assert_close(inside.mean(0), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(inside.var(0, unbiased=False), torch.ones(3), atol=1e-3, rtol=0)  # eps inside the root
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert torch.equal(inside, norm(x))
    assert not torch.equal(norm.running_mean, before["1.running_mean"]), "updates go on afterwards"


def test_frozen_statistics_leave_eval_mode_alone_and_restore_on_error() -> None:
    norm, never = trained().eval(), nn.BatchNorm1d(3, track_running_stats=False)
    x = torch.randn(50, 3) * 7
    expected = norm(x)
    with frozen_statistics(norm):
        assert torch.equal(norm(x), expected)

    def interrupted() -> None:
        with frozen_statistics(nn.Sequential(norm, never)):
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        interrupted()
    assert norm.track_running_stats
    assert not never.track_running_stats


def test_norms_by_name() -> None:
    assert isinstance(make_norm("batch", 4), BatchNorm)
    assert isinstance(make_norm("layer", 4), nn.LayerNorm)
    with pytest.raises(InputError, match="norm=group: must be one of batch, layer"):
        make_norm("group", 4)


@pytest.mark.parametrize("kind", ["batch", "layer"])
def test_a_norm_without_channels_is_refused(kind: str) -> None:
    with pytest.raises(InputError, match=f"norm={kind}: channels=0; give a whole number, at least 1"):
        make_norm(kind, 0)
    with pytest.raises(InputError, match="Bottleneck: width=-2"):
        Bottleneck(4, -2, kind)
