"""The acceptance tests of dense supervision propagation, and the rules its methods keep."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from pcseg.classes import IGNORE
from pcseg.errors import InputError
from pcseg.losses import squared_probability_distance
from pcseg.methods import CrossSamplePropagation, IntraSamplePropagation, Method, Supervised
from pcseg.model.model import Model
from tests.methods.tiny_network import TinyNetwork, make_batch, model_of

STAGES = [CrossSamplePropagation, IntraSamplePropagation]
STRIDE = 2


def network_of(seed: int = 0, dropout: float = 0.0) -> TinyNetwork:
    torch.manual_seed(seed)
    return TinyNetwork(dropout=dropout)


def made(seed: int = 0, dropout: float = 0.0) -> Model:
    return model_of(network_of(seed, dropout))


def train(method: Method, steps: int, lr: float = 0.05) -> list[dict[str, Tensor]]:
    """As the loop does it: seeded at each step, losses summed. Returns the losses of each step."""
    method.train()
    optimizer = torch.optim.SGD(method.parameters(), lr=lr, momentum=0.9)
    history = []
    for step in range(steps):
        torch.manual_seed(100 + step)
        losses = method.losses(make_batch(seed=step), step / steps)
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
        history.append({name: value.detach() for name, value in losses.items()})
    return history


def idle(kind: type[Method], model: Model, **options: float) -> Method:
    """The method with every weight of its own at 0."""
    if kind is IntraSamplePropagation:
        options["label_weight"] = 0.0
    return kind(model, stride=STRIDE, weight=0.0, **options)


@pytest.mark.parametrize("kind", STAGES)
@pytest.mark.parametrize("lovasz", [0.0, 0.5])
def test_a_weight_zero_is_the_baseline_bit_for_bit(kind, lovasz):
    """Losses, gradients and, after some steps, weights and batch-norm statistics; dropout draws included."""
    torch.manual_seed(0)
    plain = Supervised(model_of(TinyNetwork(dropout=0.3)), lovasz=lovasz)
    after_plain = torch.get_rng_state()
    torch.manual_seed(0)
    method = idle(kind, model_of(TinyNetwork(dropout=0.3)), lovasz=lovasz)
    assert torch.equal(after_plain, torch.get_rng_state()), "making the method must not move the global generator"
    expected, found = train(plain, 5), train(method, 5)
    assert [*expected[0]] == [*found[0]]
    for before, after in zip(expected, found, strict=True):
        assert all(torch.equal(before[name], after[name]) for name in before)
    for (name, wanted), got in zip(plain.network.named_parameters(), method.network.parameters(), strict=True):
        assert torch.equal(wanted.grad, got.grad), name
    for name, wanted in plain.network.state_dict().items():
        assert torch.equal(wanted, method.network.state_dict()[name]), name


@pytest.mark.parametrize("kind", STAGES)
def test_a_the_propagated_pass_leaves_the_clean_one_alone(kind):
    """With the pass running, the clean loss and the statistics are the baseline's: the second decoding moves none."""
    batch = make_batch()
    plain = Supervised(made(dropout=0.3))
    method = kind(made(dropout=0.3), stride=STRIDE, weight=1e-30, warmup=0.0, max_nodes=4)
    results = []
    for m in (plain, method):
        m.train()
        torch.manual_seed(7)
        results.append(m.losses(batch, 1.0))
    assert len(results[1]) > 1, "the propagated pass did not run"
    assert torch.equal(results[0]["cross_entropy"], results[1]["cross_entropy"])
    for (name, wanted), got in zip(plain.network.named_buffers(), method.network.buffers(), strict=True):
        assert torch.equal(wanted, got), name


@pytest.mark.parametrize("kind", STAGES)
def test_a_node_draws_leave_the_global_generator_alone(kind):
    """A loop that does not seed each step would otherwise give the network other dropout masks."""
    method = kind(made(), stride=STRIDE, warmup=0.0, max_nodes=4)
    before = torch.get_rng_state()
    method.losses(make_batch(), 1.0)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("kind", STAGES)
def test_node_draws_change_with_the_global_seed(kind):
    method = kind(made(), stride=STRIDE, warmup=0.0, max_nodes=4).eval()
    values = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        values.append(float(method.losses(make_batch(), 1.0)["consistency"].detach()))
    assert values[0] == values[1] != values[2]


@pytest.mark.parametrize("kind", STAGES)
def test_warmup_is_the_baseline_too(kind, monkeypatch):
    plain = Supervised(made())
    method = kind(made(), stride=STRIDE, warmup=0.5)
    assert "consistency" in method.losses(make_batch(), 0.7)
    wanted = plain.losses(make_batch(), 0.4)
    monkeypatch.setattr(method, "reallocate", None)  # nor does it cost anything: nothing is reallocated
    torch.testing.assert_close(method.losses(make_batch(), 0.4), wanted, rtol=0, atol=0)


def level_gradient(method: Method, *names: str) -> Tensor:
    """Gradient of the named losses at the features where propagation acts, (N, C)."""
    kept = {}
    encode = method.network.encode

    def keep(x, stride=None):
        levels = encode(x, stride)
        kept["level"] = levels[-1]
        levels[-1].feats.retain_grad()
        return levels

    method.network.encode = keep
    try:
        losses = method.losses(make_batch(n_samples=2, n_labels=1, seed=3), 1.0)
        sum(losses[name] for name in names).backward()
    finally:
        method.network.encode = encode
    return kept["level"].feats.grad


def test_b_a_label_loss_on_redistributed_features_reaches_every_node():
    """In eval mode, where batch-norm cannot couple rows: alone, a label reaches its own cell and a few around it."""
    method = IntraSamplePropagation(made(), stride=STRIDE).eval()
    reached = (level_gradient(method, "propagated_cross_entropy").abs().sum(dim=1) > 0).float().mean()
    plainly = (level_gradient(method, "cross_entropy").abs().sum(dim=1) > 0).float().mean()
    assert reached == 1
    assert plainly < 0.2


def test_b_consistency_reaches_every_node_of_the_partner():
    method = CrossSamplePropagation(made(), stride=STRIDE, teacher=0.9).eval()
    assert (level_gradient(method, "consistency").abs().sum(dim=1) > 0).all()


@pytest.mark.parametrize("kind", STAGES)
@pytest.mark.parametrize("steps", [0, 30])
def test_c_the_affinity_is_neither_uniform_nor_collapsed(kind, steps):
    method = kind(model_of(TinyNetwork(width=32)), stride=STRIDE, warmup=0.0)
    train(method, steps)
    batch = make_batch(n=200)
    level = method.network.encode(batch.inputs, STRIDE)[-1]
    rest = (torch.arange(4) ^ 1,) if kind is CrossSamplePropagation else ()
    entropy, usage = method.propagation.profile(level.feats, level.sample, *rest)
    assert (entropy > 0.2).all(), entropy
    assert (entropy < 0.9).all(), entropy
    assert (usage > 0.2).all(), usage


@pytest.mark.parametrize("kind", STAGES)
def test_d_the_trained_network_holds_nothing_of_the_method(kind):
    method = kind(made(), stride=STRIDE, warmup=0.0)
    train(method, 4)
    assert any("propagation" in name for name, _ in method.named_parameters())
    exported = method.network.state_dict()
    fresh = TinyNetwork()
    assert exported.keys() == fresh.state_dict().keys()
    fresh.load_state_dict(exported)
    batch = make_batch(seed=9)
    assert torch.equal(fresh.eval()(batch.inputs).logits, method.eval().predict(batch).logits)


@pytest.mark.parametrize("kind", STAGES)
def test_e_labels_are_never_changed(kind):
    method = kind(made(), stride=STRIDE, warmup=0.0)
    batch = make_batch()
    before = hashlib.sha256(batch.labels.numpy().tobytes()).hexdigest()
    for progress in (0.0, 0.5, 1.0):
        method.losses(batch, progress)
    assert hashlib.sha256(batch.labels.numpy().tobytes()).hexdigest() == before


@pytest.mark.parametrize("kind", STAGES)
@pytest.mark.parametrize("n_labels", [0, 1])
def test_losses_are_finite_with_no_label_and_with_one(kind, n_labels):
    method = kind(made(), stride=STRIDE, warmup=0.0)
    batch = make_batch(n_labels=0)
    if n_labels:
        batch.labels[5] = 2
    losses = method.losses(batch, 1.0)
    sum(losses.values()).backward()
    assert all(bool(value.isfinite()) for value in losses.values())
    assert all(bool(p.grad.isfinite().all()) for p in method.parameters() if p.grad is not None)
    assert (losses["cross_entropy"] == 0) == (n_labels == 0)


def test_the_consistency_of_stage_1_is_the_weighted_distance_of_the_two_decodings():
    """Put together by hand from the network, with ramp and weight; labels play no part in it."""
    method = CrossSamplePropagation(made(), stride=STRIDE, weight=3.0, warmup=0.2, ramp=0.4)
    batch = make_batch()
    levels = method.network.encode(batch.inputs, STRIDE)
    moved = method.propagation(levels[-1].feats, levels[-1].sample, torch.tensor([1, 0, 3, 2]))
    clean, other = method.network.decode(levels), method.network.decode((*levels[:-1], levels[-1].replace(moved)))
    wanted = 3.0 * 0.5 * squared_probability_distance(clean.logits, other.logits)
    torch.testing.assert_close(method.losses(batch, 0.4)["consistency"], wanted)
    assert wanted > 1e-3, "predictions must differ enough to tell one partner from another"
    unlabeled = replace(batch, labels=torch.full_like(batch.labels, IGNORE))
    torch.testing.assert_close(method.losses(unlabeled, 0.4)["consistency"], wanted)


def test_an_odd_batch_has_no_pairs():
    with pytest.raises(InputError, match="3 samples"):
        CrossSamplePropagation(made(), stride=STRIDE).losses(make_batch(n_samples=3), 0.0)


def test_a_pair_whose_second_scan_came_out_empty_is_borne():
    batch = make_batch(n_samples=3)
    method = CrossSamplePropagation(made(), stride=STRIDE, warmup=0.0)
    losses = method.losses(replace(batch, names=(*batch.names, "empty")), 1.0)
    assert losses["consistency"].isfinite()


@pytest.mark.parametrize("kind", STAGES)
@pytest.mark.parametrize("option", ["weight", "warmup", "ramp", "lovasz"])
def test_negative_settings_are_one_line(kind, option):
    with pytest.raises(InputError, match=f"{option}=-0.5: give 0 or more"):
        kind(made(), stride=STRIDE, **{option: -0.5})


@pytest.mark.parametrize("kind", STAGES)
def test_under_bfloat16_losses_stay_float32_and_close(kind):
    """Loose on purpose: the network itself rounds to 8 bits; what is checked is that nothing breaks or stays half."""
    method = kind(made(), stride=STRIDE, warmup=0.0).eval()
    batch = make_batch()
    exact = method.losses(batch, 1.0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = method.losses(batch, 1.0)
    for name in exact:
        assert rounded[name].dtype == torch.float32
        torch.testing.assert_close(rounded[name], exact[name], rtol=0.05, atol=0.01)
