"""The averaged network that dense propagation may take its target from."""

from __future__ import annotations

import pytest
import torch

from pcseg.errors import InputError
from pcseg.losses import squared_probability_distance
from pcseg.methods import CrossSamplePropagation, IntraSamplePropagation
from tests.methods.tiny_network import TinyNetwork, make_batch, model_of

STAGES = [CrossSamplePropagation, IntraSamplePropagation]


def method_of(kind, **options):
    torch.manual_seed(0)
    return kind(model_of(TinyNetwork()), stride=2, warmup=0.0, ramp=0.0, **options)


@pytest.mark.parametrize("kind", STAGES)
def test_the_teacher_is_the_running_mean_of_the_weights(kind):
    """Against the recursion written out: the first update copies, each later one moves by 1 - decay."""
    method = method_of(kind, teacher=0.75)
    wanted = None
    for step in range(4):
        with torch.no_grad():
            for tensor in [*method.network.parameters(), *method.network.buffers()]:
                if tensor.is_floating_point():
                    tensor.add_(torch.rand_like(tensor))
        method.after_step(step)
        now = {k: v.clone() for k, v in method.network.state_dict().items() if v.is_floating_point()}
        wanted = now if wanted is None else {k: 0.75 * wanted[k] + 0.25 * now[k] for k in now}
    found = method.mean.state_dict()
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value)


@pytest.mark.parametrize("kind", STAGES)
def test_its_plain_prediction_is_the_target_and_gets_no_gradient(kind):
    method = method_of(kind, teacher=0.9)
    with torch.no_grad():
        for weight in method.mean.parameters():
            weight.mul_(1.5)
    batch = make_batch()
    before = {name: value.clone() for name, value in method.mean.state_dict().items()}
    consistency = method.train().losses(batch, 0.5)["consistency"]
    consistency.backward()
    assert all(weight.grad is None for weight in method.mean.parameters())
    assert all(torch.equal(value, before[name]) for name, value in method.mean.state_dict().items())
    assert any(bool(weight.grad.any()) for weight in method.network.parameters() if weight.grad is not None)
    with torch.no_grad():
        target = method.mean.eval()(batch.inputs).logits
        levels = method.network.encode(batch.inputs, 2)
        moved = method.reallocate(levels[-1], batch.n_samples, torch.Generator())
        other = method.network.decode((*levels[:-1], levels[-1].replace(moved)))
    torch.testing.assert_close(consistency.detach(), squared_probability_distance(target, other.logits))


@pytest.mark.parametrize("kind", STAGES)
def test_without_a_teacher_both_sides_of_the_distance_pull(kind):
    method = method_of(kind)
    assert method.teacher is None
    decode, seen = method.network.decode, []

    def keep(levels, position=None, color=None):
        elements = decode(levels, position, color)
        elements.logits.retain_grad()
        seen.append(elements.logits)
        return elements

    method.network.decode = keep
    method.losses(make_batch(), 0.5)["consistency"].backward()
    assert all(bool(logits.grad.any()) for logits in seen)
    assert len(seen) == 2


@pytest.mark.parametrize("kind", STAGES)
def test_the_teacher_is_not_trained(kind):
    method = method_of(kind, teacher=0.9)
    trained = {name for name, weight in method.named_parameters() if weight.requires_grad}
    assert not any(name.startswith("mean") for name in trained)


def test_a_method_that_is_put_back_teaches_on():
    """Its mean, and how many weights that mean is of, come with its state."""
    first = method_of(CrossSamplePropagation, teacher=0.9)
    first.after_step(0)
    second = method_of(CrossSamplePropagation, teacher=0.9)
    second.load_state_dict(first.state_dict())
    for method in (first, second):
        with torch.no_grad():
            for weight in method.network.parameters():
                weight.add_(1)
        method.after_step(1)
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name


@pytest.mark.parametrize("decay", [-0.1, 1.0])
def test_a_decay_outside_its_range(decay):
    with pytest.raises(InputError, match="teacher="):
        method_of(CrossSamplePropagation, teacher=decay)
