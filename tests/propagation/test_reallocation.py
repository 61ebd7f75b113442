"""Reallocated features against explicit matrices, and the properties that hold for any input."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pcseg.errors import InputError
from pcseg.propagation import BilinearAffinity, CrossSampleReallocation, IntraSampleRedistribution
from tests.oracles import propagation as oracle

C = 6
PAIR = torch.tensor([1, 0])


def scans(*sizes: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Return random float64 features (N, C) and the sample of each row."""
    feats = torch.randn(sum(sizes), C, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return feats, torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))


def with_random_weights(module: torch.nn.Module) -> torch.nn.Module:
    generator = torch.Generator().manual_seed(1)
    for parameter in module.double().parameters():
        torch.nn.init.normal_(parameter, std=0.5, generator=generator)
    return module


@pytest.mark.parametrize("rank", [None, 3])
@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_cross_equals_the_explicit_matrices_in_both_directions(rank, temperature):
    module = with_random_weights(CrossSampleReallocation(C, rank=rank, temperature=temperature))
    feats, sample = scans(7, 5)
    out = module(feats, sample, PAIR).detach().numpy()
    weight = module.affinity.weight.detach().numpy() / temperature
    first, second = feats[:7].numpy(), feats[7:].numpy()
    np.testing.assert_allclose(out[:7], oracle.reallocate(first, second, weight), atol=1e-12)
    np.testing.assert_allclose(out[7:], oracle.reallocate(second, first, weight.T), atol=1e-12)


def test_intra_equals_the_explicit_matrix_transposed():
    module = with_random_weights(IntraSampleRedistribution(C))
    feats, sample = scans(7, 5)
    out = module(feats, sample).detach().numpy()
    weight = module.affinity.weight.detach().numpy()
    for rows in (slice(0, 7), slice(7, 12)):
        part = feats[rows].numpy()
        np.testing.assert_allclose(out[rows], oracle.reallocate(part, part, weight.T), atol=1e-12)


def test_gradients_equal_the_derived_formulas():
    """Only the first scan's rows carry a loss, which separates the two paths of the gradient."""
    module = with_random_weights(CrossSampleReallocation(C))
    feats, sample = scans(7, 5)
    feats.requires_grad_()
    gradient = torch.randn(7, C, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    module(feats, sample, PAIR)[:7].backward(gradient)
    both, weight = feats.detach().numpy(), module.affinity.weight
    expected = oracle.gradients(both[:7], both[7:], weight.detach().numpy(), gradient.numpy())
    assert feats.grad is not None
    assert weight.grad is not None
    for found, wanted in zip((feats.grad[:7], feats.grad[7:], weight.grad), expected, strict=True):
        np.testing.assert_allclose(found.numpy(), wanted, atol=1e-10)


def test_the_reverse_direction_uses_the_same_matrix_transposed():
    """The derivative of both directions in W: that of the reverse direction is transposed."""
    module = with_random_weights(CrossSampleReallocation(C))
    feats, sample = scans(4, 6)
    gradient = torch.randn(10, C, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    module(feats, sample, PAIR).backward(gradient)
    both, weight, g = feats.numpy(), module.affinity.weight, gradient.numpy()
    forward = oracle.gradients(both[:4], both[4:], weight.detach().numpy(), g[:4])[2]
    reverse = oracle.gradients(both[4:], both[:4], weight.detach().numpy().T, g[4:])[2]
    assert weight.grad is not None
    np.testing.assert_allclose(weight.grad.numpy(), forward + reverse.T, atol=1e-10)


def test_gradcheck():
    module = with_random_weights(CrossSampleReallocation(C, rank=2))
    feats, sample = scans(3, 2)
    feats.requires_grad_()
    assert torch.autograd.gradcheck(lambda f, *_: module(f, sample, PAIR), (feats, *module.parameters()))


def test_one_labeled_row_reaches_every_node_of_the_partner():
    module = CrossSampleReallocation(C).double()
    feats, sample = scans(9, 30)
    feats.requires_grad_()
    module(feats, sample, PAIR)[4].sum().backward()
    assert feats.grad is not None
    assert (feats.grad[9:].abs().sum(dim=1) > 0).all()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 12), min_size=2, max_size=4), st.integers(0, 1000), st.sampled_from([None, 1, 4]))
def test_rows_are_convex_combinations_of_the_partners_rows(sizes, seed, max_nodes):
    feats, sample = scans(*sizes, seed=seed)
    partner = torch.tensor(sizes).argsort()  # any map of samples to samples will do
    out = with_random_weights(CrossSampleReallocation(C, max_nodes=max_nodes))(feats, sample, partner)
    assert out.shape == feats.shape
    for b, p in enumerate(partner.tolist()):
        source = feats[sample == p]
        if len(source) == 0:
            assert torch.equal(out[sample == b], feats[sample == b])
            continue
        assert (out[sample == b] >= source.min(dim=0).values - 1e-9).all()
        assert (out[sample == b] <= source.max(dim=0).values + 1e-9).all()


@pytest.mark.parametrize("intra", [False, True])
def test_row_order_does_not_matter(intra):
    """Rows may come in any order, samples interleaved: the output moves with them."""
    module = with_random_weights(IntraSampleRedistribution(C) if intra else CrossSampleReallocation(C))
    rest = () if intra else (PAIR,)
    feats, sample = scans(8, 5)
    order = torch.randperm(13, generator=torch.Generator().manual_seed(4))
    torch.testing.assert_close(
        module(feats[order], sample[order], *rest), module(feats, sample, *rest)[order], rtol=0, atol=1e-12
    )


def test_a_sample_may_be_its_own_partner_and_may_have_one_node():
    module = CrossSampleReallocation(C).double()
    feats, sample = scans(1, 5)
    alone = module(feats, sample, torch.tensor([0, 1]))
    torch.testing.assert_close(alone[0], feats[0])
    crossed = module(feats, sample, PAIR)
    torch.testing.assert_close(crossed[1:], feats[:1].expand(5, C))


def test_nothing_in_nothing_out():
    assert CrossSampleReallocation(C)(torch.zeros(0, C), torch.zeros(0, dtype=torch.long), PAIR).shape == (0, C)
    assert IntraSampleRedistribution(C)(torch.zeros(0, C), torch.zeros(0, dtype=torch.long)).shape == (0, C)


def test_the_cap_limits_the_sources_and_keeps_every_query():
    module = CrossSampleReallocation(C, max_nodes=4).double()
    feats, sample = scans(20, 30)
    feats.requires_grad_()
    out = module(feats, sample, PAIR, torch.Generator().manual_seed(0))
    out[:20].square().sum().backward()
    assert feats.grad is not None
    assert int((feats.grad[20:].abs().sum(dim=1) > 0).sum()) == 4
    again = module(feats, sample, PAIR, torch.Generator().manual_seed(0))
    other = module(feats, sample, PAIR, torch.Generator().manual_seed(1))
    assert torch.equal(out, again)
    assert not torch.equal(out, other)


def test_the_draw_uses_the_generator_it_is_given_and_none_where_all_nodes_fit():
    feats, sample = scans(20, 30)
    before = torch.get_rng_state()
    CrossSampleReallocation(C, max_nodes=4).double()(feats, sample, PAIR, torch.Generator().manual_seed(0))
    CrossSampleReallocation(C, rank=2).double()(feats, sample, PAIR)
    assert torch.equal(before, torch.get_rng_state()), "the global generator must not move"


def test_the_first_affinity_is_scaled_dot_product_attention():
    torch.testing.assert_close(BilinearAffinity(C).weight, torch.eye(C) / C**0.5)
    basis = BilinearAffinity(C, rank=C).weight  # a full basis is no factorisation error at all
    torch.testing.assert_close(basis, torch.eye(C) / C**0.5)
    low = BilinearAffinity(64, rank=16).weight
    assert torch.linalg.matrix_rank(low) == 16
    torch.testing.assert_close(low.trace(), torch.tensor(64**0.5))


def test_half_precision_features_are_attended_in_float32():
    module = CrossSampleReallocation(C)
    feats, sample = scans(40, 50)
    half = feats.bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = module(half, sample, PAIR)
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out, module(half.float(), sample, PAIR).bfloat16(), rtol=0, atol=0)


def test_profile_equals_the_oracle_and_knows_the_extremes():
    module = with_random_weights(CrossSampleReallocation(C))
    feats, sample = scans(1500, 40)  # more rows than one block
    entropy, usage = module.profile(feats, sample, PAIR)
    weight = module.affinity.weight.detach().numpy()
    first, second = feats[:1500].numpy(), feats[1500:].numpy()
    expected = [
        oracle.profile(oracle.affinity(first, second, weight)),
        oracle.profile(oracle.affinity(second, first, weight.T)),
    ]
    np.testing.assert_allclose(torch.stack([entropy, usage], 1).numpy(), expected, rtol=1e-9)
    same = torch.ones(6, C, dtype=torch.float64)
    entropy, usage = module.profile(same, torch.zeros(6, dtype=torch.long), torch.tensor([0]))
    assert entropy.item() == pytest.approx(1)
    assert usage.item() == pytest.approx(1)
    entropy, usage = module.profile(*scans(1), torch.tensor([0]))
    assert entropy.isnan().all()
    assert usage.isnan().all()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: CrossSampleReallocation(0), "channels=0"),
        (lambda: CrossSampleReallocation(4, max_nodes=0), "max_nodes=0"),
        (lambda: CrossSampleReallocation(4, rank=5), "rank=5"),
        (lambda: CrossSampleReallocation(4, temperature=0.0), "temperature=0"),
        (lambda: CrossSampleReallocation(4)(torch.zeros(3, 5), torch.zeros(3, dtype=torch.long), PAIR), "(3, 5)"),
        (lambda: CrossSampleReallocation(C)(*scans(1, 1, 1), PAIR), "sample 2 has no partner"),
        (lambda: CrossSampleReallocation(C)(*scans(1, 1), torch.tensor([1, 2])), "partner 2"),
    ],
)
def test_wrong_use_is_one_line(call, said):
    with pytest.raises(InputError, match=said.replace("(", r"\(").replace(")", r"\)")) as caught:
        call()
    assert "\n" not in str(caught.value)
