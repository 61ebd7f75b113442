"""Expected calibration error: of hand-made predictions, and of ones whose confidence is their chance to be right."""

from __future__ import annotations

import numpy as np
import pytest

from pcseg.classes import IGNORE
from pcseg.metrics import Calibration


def test_the_gap_between_confidence_and_share_right() -> None:
    found = Calibration()
    found.add(np.zeros(4, int), np.array([0.9, 0.9, 0.9, 0.9]), np.array([0, 0, 1, IGNORE]))
    assert found.error == pytest.approx(0.9 - 2 / 3)
    found.add(np.zeros(3, int), np.array([0.0, 1.0, 1.0]), np.array([1, 0, 0]))
    assert found.error == pytest.approx(3 * (0.9 - 2 / 3) / 6)


def test_well_calibrated_predictions_have_a_small_error() -> None:
    rng = np.random.default_rng(0)
    sure = rng.random(100_000)
    right = rng.random(100_000) < sure
    found, proud = Calibration(), Calibration()
    found.add(np.zeros(100_000, int), sure, np.where(right, 0, 1))
    proud.add(np.zeros(100_000, int), np.sqrt(sure), np.where(right, 0, 1))
    assert found.error < 0.01
    assert proud.error > 0.1


def test_nothing_counted() -> None:
    assert np.isnan(Calibration().error)
