"""Pseudo labels in the shares of the classes: against other rules, against sorted lists, and where confidences tie."""

from __future__ import annotations

import numpy as np
import pytest

from pcseg.classes import IGNORE
from pcseg.errors import InputError
from pcseg.pseudo.alignment import BINS, Selection, aligned, confidence_bins, sketch_confidence

PRIOR = np.array([0.5, 0.25, 0.13, 0.07, 0.03, 0.02])
K, P = len(PRIOR), 60_000


def network(seed: int = 0, bias: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth, decision and confidence (P,) of a network that prefers frequent classes more than there is of them."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(K, P, p=PRIOR)
    logits = rng.normal(size=(P, K)) * 2 / 3 + bias * np.log(PRIOR)
    logits[np.arange(P), truth] += 2
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    return truth, p.argmax(axis=1), p.max(axis=1).astype(np.float32)


def divergence(labels: np.ndarray) -> float:
    """KL(prior || histogram)."""
    found = np.maximum(np.bincount(labels, minlength=K) / len(labels), 1e-9)
    return float((PRIOR * np.log(PRIOR / found)).sum())


def lots(seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).random(P)


@pytest.mark.parametrize("seed", range(3))
def test_the_classes_of_what_is_kept_have_the_shares_of_the_prior(seed: int) -> None:
    """Seen at equal coverage: divergence 1.5 of a fixed threshold, 0.11 of class-balanced ones, 0.035 of this."""
    truth, labels, confidence = network(seed)
    sketch = sketch_confidence(labels, confidence, K)
    ours = aligned(sketch, PRIOR, 0.4)(labels, confidence, lots())
    balanced = Selection.surest(sketch, 0.4 * sketch.sum(axis=1))(labels, confidence, lots())
    fixed = confidence >= np.sort(confidence)[-ours.sum()]
    assert abs(balanced.sum() / P - 0.4) < 0.005
    assert ours.sum() / P > 0.37  # of two classes fewer are predicted than there are
    assert divergence(labels[fixed]) > 4 * divergence(labels[balanced])
    assert divergence(labels[balanced]) > 2 * divergence(labels[ours])
    assert (labels == truth)[ours].mean() > (labels == truth).mean() + 0.05


def test_numbers_and_thresholds_are_those_of_sorted_lists() -> None:
    _, labels, confidence = network()
    kept = aligned(sketch_confidence(labels, confidence, K), PRIOR, 0.2)(labels, confidence, lots())
    for k in range(K):
        own = np.sort(confidence[labels == k].astype(np.float64))[::-1]
        wanted = min(0.2 * PRIOR[k] * P, len(own))
        assert abs((kept & (labels == k)).sum() - wanted) <= 1 + 0.02 * wanted
        threshold = own[round(wanted) - 1]
        surer = (labels == k) & (1 - confidence < (1 - threshold) * 0.998)
        lower = (labels == k) & (1 - confidence > (1 - threshold) * 1.002)
        assert kept[surer].all()
        assert not kept[lower].any()
    assert (kept & (labels == K - 1)).sum() == (labels == K - 1).sum(), "fewer than wanted: all of them"


def test_equal_confidences_are_drawn_from() -> None:
    """A threshold alone keeps all of a sure network's decisions."""
    _, labels, confidence = network()
    confidence = np.where(confidence > 0.6, np.float32(1), confidence)
    rule = aligned(sketch_confidence(labels, confidence, K), PRIOR, 0.2)
    wanted = 0.2 * PRIOR[:2] * P
    threshold_alone, ours = (
        np.bincount(labels[rule(labels, confidence, lot)], minlength=K)[:2] for lot in (np.zeros(P), lots())
    )
    assert (threshold_alone > 1.8 * wanted).all()
    assert (np.abs(ours - wanted) < 4 * np.sqrt(wanted)).all()
    again, other = (rule(labels, confidence, lots(seed)) for seed in (1, 2))
    assert np.array_equal(again, rule(labels, confidence, lots()))
    assert (again != other).any()


def test_sketches_of_parts_add_up_and_tell_sure_from_surer() -> None:
    _, labels, confidence = network()
    labels = np.where(lots() < 0.1, IGNORE, labels)
    halves = [sketch_confidence(labels[part], confidence[part], K) for part in (slice(0, 999), slice(999, P))]
    whole = sketch_confidence(labels, confidence, K)
    assert whole.shape == (K, BINS)
    np.testing.assert_array_equal(halves[0] + halves[1], whole)
    np.testing.assert_array_equal(whole.sum(axis=1), np.bincount(labels[labels >= 0], minlength=K))
    assert not Selection.surest(whole, whole.sum(axis=1))(labels, confidence, lots())[labels < 0].any()
    steps = confidence_bins(np.array([0, 0.5, 0.9, 0.99, 0.999, 1 - 2**-20, 1 - 2**-24, 1], np.float32))
    assert (np.diff(steps) > 0).all()
    assert (steps[0], steps[-1]) == (0, BINS - 1)


def test_nothing_is_wanted_or_there() -> None:
    _, labels, confidence = network()
    sketch = sketch_confidence(labels, confidence, K)
    assert not aligned(sketch, PRIOR, 0.0)(labels, confidence, np.zeros(P)).any()
    assert not aligned(sketch, np.eye(K)[0], 0.1)(labels, confidence, np.zeros(P))[labels != 0].any()
    assert Selection.surest(sketch, sketch.sum(axis=1))(labels, confidence, lots()).all()
    empty = aligned(np.zeros_like(sketch), PRIOR, 0.4)
    assert len(empty(labels[:0], confidence[:0], lots()[:0])) == 0
    with pytest.raises(InputError, match=r"alpha=1\.5"):
        aligned(sketch, PRIOR, 1.5)
