"""The methods on a real network: sparse convolutions and batch norms, strides and caches shared by two decodings."""

from __future__ import annotations

import pytest
import torch

from pcseg.errors import InputError
from pcseg.methods import CrossSamplePropagation, IntraSamplePropagation, Method, Supervised
from pcseg.networks import minkunet_small
from tests.methods.tiny_network import make_batch, model_of

STAGES = [CrossSamplePropagation, IntraSamplePropagation]


def made(kind: type[Method], **options: float) -> Method:
    torch.manual_seed(0)
    return kind(model_of(minkunet_small(4, 3)), **options)


def step(method: Method, optimizer: torch.optim.Optimizer) -> dict[str, float]:
    torch.manual_seed(1)
    losses = method.losses(make_batch(n=300, n_labels=20), 1.0)
    optimizer.zero_grad()
    sum(losses.values()).backward()
    optimizer.step()
    return {name: float(value.detach()) for name, value in losses.items()}


@pytest.mark.parametrize("kind", STAGES)
def test_they_learn_and_export_the_network_alone(kind):
    method = made(kind, max_nodes=16)
    optimizer = torch.optim.Adam(method.parameters(), lr=1e-2)
    before = [p.detach().clone() for p in method.propagation.parameters()]
    curve = [step(method, optimizer) for _ in range(8)]
    assert curve[-1]["cross_entropy"] < 0.8 * curve[0]["cross_entropy"]
    assert all(not torch.equal(p, old) for p, old in zip(method.propagation.parameters(), before, strict=True))
    fresh = minkunet_small(4, 3)
    fresh.load_state_dict(method.network.state_dict())
    batch = make_batch(n=300, seed=1)
    assert torch.equal(fresh.eval()(batch.inputs).logits, method.eval().predict(batch).logits)


@pytest.mark.parametrize("kind", STAGES)
def test_weight_zero_is_the_baseline_bit_for_bit(kind):
    plain = made(Supervised)
    options = {"label_weight": 0.0} if kind is IntraSamplePropagation else {}
    idle = made(kind, weight=0.0, **options)
    for method in (plain, idle):
        optimizer = torch.optim.SGD(method.parameters(), lr=0.1, momentum=0.9)
        for _ in range(2):
            step(method, optimizer)
    for name, wanted in plain.network.state_dict().items():
        assert torch.equal(wanted, idle.network.state_dict()[name]), name


def test_a_stride_the_network_lacks_is_one_line():
    with pytest.raises(InputError, match="stride=3: the network has strides 1, 2, 4, 8, 16"):
        made(CrossSamplePropagation, stride=3)
