"""Propagation at the stride of the exchange: which losses act, when, and what they reach."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from pcseg.classes import IGNORE
from pcseg.errors import InputError
from pcseg.feeding.batch import Batch
from pcseg.losses import pair_affinity, squared_probability_distance
from pcseg.methods import CoarsePropagation, Supervised
from pcseg.propagation import histogram_cross_entropy, label_histogram, main_label
from tests.methods.tiny_network import TinyNetwork, make_batch, model_of

STRIDE = 2
PARTS = ("weight", "label_weight", "coarse_weight", "affinity")
NONE = dict.fromkeys(PARTS, 0.0)
both_ways = pytest.mark.parametrize("across", [False, True])


def made(dropout: float = 0.0, **options: Any) -> CoarsePropagation:
    torch.manual_seed(0)
    network = TinyNetwork(dropout=dropout)
    method = CoarsePropagation(model_of(network), **{"stride": STRIDE, "warmup": 0.0, "ramp": 0.0} | options)
    return method.train()


def weighted() -> Batch:
    batch = make_batch(n_labels=10)
    return replace(batch, weights=torch.rand(len(batch.labels), generator=torch.Generator().manual_seed(1)))


@both_ways
@pytest.mark.parametrize("batch", [weighted(), make_batch()], ids=["weights", "none"])
def test_with_weights_of_zero_it_is_the_baseline_bit_for_bit(batch: Batch, across: bool) -> None:
    """Losses, gradients, statistics and all that is drawn, from the making of the method on."""
    torch.manual_seed(0)
    plain = Supervised(model_of(TinyNetwork(dropout=0.3)), lovasz=0.5).train()
    state = torch.get_rng_state()
    method = made(dropout=0.3, across=across, lovasz=0.5, **NONE)
    assert torch.equal(torch.get_rng_state(), state), "making the method moved the global generator"
    wanted = plain.losses(batch, 1.0)
    torch.set_rng_state(state)
    found = method.losses(batch, 1.0)
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)
    for losses in (wanted, found):
        torch.stack([*losses.values()]).sum().backward()
    for (name, one), other in zip(plain.network.named_parameters(), method.network.parameters(), strict=True):
        assert torch.equal(one.grad, other.grad), name
    for (name, one), other in zip(plain.network.named_buffers(), method.network.buffers(), strict=True):
        assert torch.equal(one, other), name


@both_ways
def test_the_network_s_own_loss_and_draws_are_the_baseline_s_with_all_parts_on(across: bool) -> None:
    results = []
    for options in (NONE, {"affinity": 0.1}):
        method = made(dropout=0.3, across=across, max_nodes=4, **options)
        torch.manual_seed(7)
        results.append((method.losses(weighted(), 1.0), torch.get_rng_state()))
    (alone, state), (all_parts, other) = results
    assert len(alone) == 1
    assert len(all_parts) == 5
    assert torch.equal(alone["cross_entropy"], all_parts["cross_entropy"])
    assert torch.equal(state, other)


@both_ways
@pytest.mark.parametrize("batch", [weighted(), make_batch()], ids=["weights", "none"])
def test_each_part_is_its_loss_at_its_weight_on_its_ramp(batch: Batch, across: bool) -> None:
    method = made(across=across, weight=0.2, label_weight=0.3, coarse_weight=0.4, affinity=0.5, warmup=0.2, ramp=0.4)
    found = method.losses(batch, 0.4)  # half of the ramp
    level = method.network.encode(batch.voxels, STRIDE)[-1]
    partner = [torch.tensor([1, 0, 3, 2])] if across else []
    own = method.coarse_head(level.feats)
    moved = method.coarse_head(method.propagation(level.feats, level.sample, *partner))
    histogram = label_histogram(batch.voxels.coords, level.coords, STRIDE, batch.labels, 3, batch.weights)
    (label, share), pair = main_label(histogram), torch.cat(method.propagation.affinity.project(level.feats))
    wanted = {
        "coarse_cross_entropy": 0.5 * 0.4 * histogram_cross_entropy(own, histogram),
        "propagated_cross_entropy": 0.5 * 0.3 * histogram_cross_entropy(moved, histogram),
        "consistency": 0.5 * 0.2 * squared_probability_distance(own, moved),
        "affinity": 0.5 * 0.5 * pair_affinity(pair, torch.cat([label, label]), torch.cat([share, share])),
    }
    assert found.keys() == {"cross_entropy", *wanted}
    torch.testing.assert_close({name: found[name] for name in wanted}, wanted)
    assert method.losses(batch, 0.2).keys() == {"cross_entropy"}


@pytest.mark.parametrize("part", PARTS)
def test_each_part_acts_alone(part: str) -> None:
    name = {
        "weight": "consistency",
        "label_weight": "propagated_cross_entropy",
        "coarse_weight": "coarse_cross_entropy",
    }
    assert made(**NONE | {part: 0.1}).losses(weighted(), 1.0).keys() == {"cross_entropy", name.get(part, part)}


@both_ways
def test_labels_of_a_scan_reach_each_node_of_it_or_of_its_partner(across: bool) -> None:
    """Only sample 0 has labels: their gradient at the features, by sample."""
    batch = make_batch()
    batch = replace(batch, labels=torch.where(batch.sample == 0, batch.labels, IGNORE))
    method = made(across=across, **NONE | {"label_weight": 1.0}).eval()
    kept: list[Any] = []
    encode = method.network.encode

    def keep(*arguments: Any) -> Any:
        kept[:] = encode(*arguments)
        return tuple(kept)

    method.network.encode = keep
    loss = method.losses(batch, 1.0)["propagated_cross_entropy"]
    gradient: Tensor = torch.autograd.grad(loss, kept[-1].feats)[0].abs().sum(1)
    reached = [bool((gradient[kept[-1].sample == sample] > 0).all()) for sample in range(4)]
    assert reached == ([False, True, False, False] if across else [True, False, False, False])
    assert not gradient[kept[-1].sample > 1].any()


def test_node_draws_change_with_the_global_seed() -> None:
    method, values = made(max_nodes=4), []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        values.append(float(method.losses(make_batch(), 1.0)["consistency"].detach()))
    assert values[0] == values[1] != values[2]


def test_it_asks_for_pairs_across_scans_alone() -> None:
    assert (made().needs, made(across=True).needs) == ({"voxels"}, {"pairs", "voxels"})
    made().losses(make_batch(n_samples=3), 1.0)
    with pytest.raises(InputError, match="batch of 3 samples"):
        made(across=True).losses(make_batch(n_samples=3), 1.0)


@pytest.mark.parametrize("option", [*PARTS, "warmup", "ramp", "lovasz"])
def test_negative_settings_are_one_line(option: str) -> None:
    with pytest.raises(InputError, match=f"{option}=-0.5: give 0 or more"):
        made(**{option: -0.5})


def test_under_bfloat16_losses_stay_float32_and_close() -> None:
    method = made().eval()
    exact = method.losses(weighted(), 1.0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = method.losses(weighted(), 1.0)
    for name in exact:
        assert rounded[name].dtype == torch.float32
        torch.testing.assert_close(rounded[name], exact[name], rtol=0.05, atol=0.01)
    feats = torch.randn(5, 8)
    plain = method.propagation.affinity.project(feats)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert all(map(torch.equal, method.propagation.affinity.project(feats), plain))
