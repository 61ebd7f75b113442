"""Probabilities and cross-entropies: against float64 formulas of NumPy, for any number of elements and classes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pcseg.classes import IGNORE
from pcseg.exact import cross_entropies, log_softmax, softmax


def logarithms(logits: torch.Tensor) -> np.ndarray:
    wide = logits.detach().double().numpy()
    wide = wide - wide.max(axis=1, keepdims=True)
    return np.asarray(wide - np.log(np.exp(wide).sum(axis=1, keepdims=True)))


@given(
    elements=st.integers(0, 40), classes=st.integers(1, 20), size=st.sampled_from([0.1, 10.0, 1e4]),
    dtype=st.sampled_from([torch.float16, torch.bfloat16, torch.float32, torch.float64]), seed=st.integers(0, 10**6),
)  # fmt: skip
def test_equal_the_formula_in_a_type_wide_enough(
    elements: int, classes: int, size: float, dtype: torch.dtype, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = (size * torch.randn(elements, classes, generator=generator)).to(dtype)
    labels = torch.randint(-1, classes, (elements,), generator=generator)
    labels[labels < 0] = IGNORE
    wanted = logarithms(logits)
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    for found, expected in ((softmax(logits), np.exp(wanted)), (log_softmax(logits), wanted)):
        assert (found.dtype, found.shape) == (wide, logits.shape)
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5, atol=1e-6 * max(size, 1))
    losses = cross_entropies(logits, labels)
    chosen = -wanted[np.arange(elements), labels.clamp(min=0).numpy()]
    assert losses.dtype == wide
    np.testing.assert_allclose(
        losses.numpy(), np.where(labels == IGNORE, 0, chosen), rtol=1e-5, atol=1e-6 * max(size, 1)
    )


@pytest.mark.parametrize("function", [softmax, log_softmax, lambda x: cross_entropies(x, torch.tensor([2, IGNORE, 0]))])
def test_gradients(function: object) -> None:
    logits = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(function, (logits,))  # type: ignore[arg-type]


def test_a_number_that_is_none_stays_visible() -> None:
    logits = torch.zeros(3, 2)
    logits[1, 0] = torch.nan
    assert softmax(logits).isnan().any(dim=1).tolist() == [False, True, False]
