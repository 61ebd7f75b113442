"""Labels held back, and the gate that they open."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pcseg.classes import IGNORE
from pcseg.errors import InputError
from pcseg.pseudo.gate import LEAST, PrecisionGate, held_back

K = 4


def test_a_share_of_each_scene_is_held_back_whatever_the_batch() -> None:
    point, names = torch.arange(40_000) % 20_000, ("Area_1/a", "Area_1/b")
    sample = torch.arange(40_000) // 20_000
    held = held_back(point, sample, names, 0.05)
    for number in (0, 1):
        assert abs(float(held[sample == number].float().mean()) - 0.05) < 0.006
    assert (held[:20_000] != held[20_000:]).any(), "scenes differ"
    order = torch.randperm(40_000, generator=torch.Generator().manual_seed(0))[:999]
    swapped = held_back(point[order], 1 - sample[order], names[::-1], 0.05)
    assert torch.equal(swapped, held[order])
    assert (held_back(point, sample, names, 0.05, seed=1) != held).any()
    assert held_back(point, sample, names, 0.2)[held].all(), "smaller shares are parts of larger ones"
    assert not held_back(point, sample, names, 0).any()
    assert held_back(point, sample, names, 1).all()


def test_neighbors_have_nothing_in_common() -> None:
    held = held_back(torch.arange(100_000), torch.zeros(100_000, dtype=torch.long), ("a",), 0.5).double()
    for lag in (1, 2, 3, 64):
        assert abs(float(torch.corrcoef(torch.stack([held[lag:], held[:-lag]]))[0, 1])) < 0.02


def teacher(accuracy: float, certainty: float, seed: int, count: int = 2000) -> tuple[torch.Tensor, ...]:
    """Confidence, decision and truth of a teacher; right decisions are a little more certain than wrong ones."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, K, count)
    right = rng.random(count) < accuracy
    decision = np.where(right, truth, (truth + 1) % K)
    confidence = np.clip(certainty + 0.01 * right + 0.01 * rng.normal(size=count), 0, 1)
    return tuple(torch.from_numpy(x) for x in (confidence.astype(np.float32), decision, truth))


def measured(gate: PrecisionGate, accuracy: float, certainty: float) -> tuple[torch.Tensor, ...]:
    """Show a teacher to the gate, one label of twenty held back, and return its last batch."""
    for step in range(30):
        confidence, decision, truth = teacher(accuracy, certainty, step)
        gate.update(confidence, decision, torch.where(torch.arange(len(truth)) % 20 == 0, truth, IGNORE))
    return confidence, decision, truth


def test_precision_is_the_decayed_share_of_right_decisions_among_sure_ones() -> None:
    gate, sure, right = PrecisionGate(K, 0.95, 0.9), 0.0, 0.0
    for step in range(20):
        confidence, decision, truth = (x.numpy() for x in teacher(0.7, 0.95, step, 60))
        held = np.where(np.arange(60) % 3 == 0, truth, IGNORE)
        chosen = (held != IGNORE) & (confidence >= 0.95)
        sure, right = 0.9 * sure + chosen.sum(), 0.9 * right + (chosen & (decision == held)).sum()
        gate.update(*(torch.from_numpy(x) for x in (confidence, decision, held)))
        wanted = right / sure if sure >= LEAST else 0
        assert float(gate.precision) == pytest.approx(wanted, rel=1e-5)


def test_an_overconfident_teacher_is_refused_what_a_precise_one_is_allowed() -> None:
    """Both are sure of nearly all decisions; a threshold alone would take them from either."""
    accepted = {}
    for accuracy in (0.98, 0.7):
        gate = PrecisionGate(K)
        confidence, decision, truth = measured(gate, accuracy, 0.97)
        assert float(gate.precision) == pytest.approx(accuracy, abs=0.03)
        accepted[accuracy] = gate(confidence, decision)
        assert float((confidence >= 0.95).float().mean()) > 0.9
    assert float(accepted[0.98].float().mean()) > 0.9
    assert 0.3 < float(accepted[0.7].float().mean()) < 0.7
    right = (decision == truth).float()
    assert float(right[accepted[0.7]].mean()) > float(right[confidence >= 0.95].mean()) + 0.05
    assert len(decision[accepted[0.7]].unique()) == K, "a part of every class is kept"


def test_without_evidence_floors_decide() -> None:
    gate = PrecisionGate(K)
    confidence, decision, _ = teacher(0.99, 0.5, 0)
    gate.update(confidence, decision, torch.full_like(decision, IGNORE))
    assert gate.precision == 0
    for k in range(K):
        of = decision == k
        assert torch.equal(gate(confidence, decision)[of], confidence[of] >= gate.floor[k])
        assert float(gate.floor[k]) == pytest.approx(float(confidence[of].mean()), rel=1e-5)


def test_floors_move_slowly_and_stay_while_a_class_is_not_decided_for() -> None:
    gate = PrecisionGate(2, momentum=0.9)
    nothing = torch.tensor([IGNORE, IGNORE])
    gate.update(torch.tensor([0.4, 0.6]), torch.tensor([0, 0]), nothing)
    gate.update(torch.tensor([0.9, 0.9]), torch.tensor([0, 0]), nothing)
    torch.testing.assert_close(gate.floor, torch.tensor([0.54, 0.0]))


@pytest.mark.parametrize(("threshold", "momentum"), [(0.0, 0.9), (1.1, 0.9), (0.9, 1.0)])
def test_numbers_out_of_range(threshold: float, momentum: float) -> None:
    with pytest.raises(InputError, match="threshold="):
        PrecisionGate(K, threshold, momentum)
