"""Settings and inputs of the CRF that are refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from pcseg.errors import InputError
from tests.refine.test_crf import SMALL


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sigma_alpha": -1.0}, "sigma_alpha=-1: give a number above 0"),
        ({"sigma_beta": 0.0}, "sigma_beta=0: give a number above 0"),
        ({"sigma_gamma": float("nan")}, "sigma_gamma=nan: give a number above 0"),
        ({"w1": -2.0}, "w1=-2: give 0 or more"),
        ({"w2": float("inf")}, "w2=inf: give 0 or more"),
        ({"iterations": 0}, "CRF: iterations=0; give a whole number, at least 1"),
        ({"filter": "fast"}, "filter=fast: must be one of auto, exact, lattice"),
    ],
)
def test_settings_out_of_range_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        replace(SMALL, **change)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"probabilities": torch.full((8, 3), torch.nan)}, "probabilities: some are negative"),
        ({"probabilities": torch.full((8, 3), torch.inf)}, "probabilities: some are negative"),
        ({"probabilities": torch.full((8, 3), -0.1)}, "probabilities: some are negative"),
        ({"probabilities": torch.ones(8)}, r"probabilities: \(8,\) torch.float32 given; give \(E, K\)"),
        ({"probabilities": torch.ones(8, 0)}, r"probabilities: \(8, 0\) torch.float32 given; give \(E, K\)"),
        ({"probabilities": torch.ones(8, 3, dtype=torch.int64)}, "torch.int64 given; give"),
        ({"position": torch.zeros(7, 3)}, r"position: \(7, 3\) given; give \(8, 2\) or \(8, 3\)"),
        ({"position": torch.zeros(8, 4)}, r"position: \(8, 4\) given"),
        ({"position": torch.full((8, 3), torch.nan)}, "position: some are infinite or no number"),
        ({"color": torch.zeros(7, 3)}, r"color: \(7, 3\) given; give \(8, 3\), or None"),
        ({"color": torch.full((8, 3), 255.0)}, "color: some are not from 0 to 1; divide by 255, or give uint8"),
        ({"color": torch.full((8, 3), torch.nan)}, "color: some are not from 0 to 1"),
        ({"sample": torch.zeros(8)}, r"sample: \(8,\) torch.float32 given; give \(8,\) torch.int64"),
        ({"sample": torch.zeros(7, dtype=torch.int64)}, r"sample: \(7,\) torch.int64 given; give \(8,\) torch.int64"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(change: dict[str, Tensor], message: str) -> None:
    given = {"probabilities": torch.ones(8, 3), "position": torch.zeros(8, 3), "color": torch.zeros(8, 3)}
    with pytest.raises(InputError, match=message) as error:
        SMALL(**{**given, **change})
    assert "\n" not in str(error.value)
