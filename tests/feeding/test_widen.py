"""Random scales that reach farther above 1."""

from __future__ import annotations

import pytest

from pcseg.errors import InputError
from pcseg.feeding.pictures import WindowCrop
from pcseg.feeding.transforms import RotateZ, Scale
from pcseg.feeding.widen import widened


def test_the_upper_bound_of_scale_reaches_farther_above_one() -> None:
    cloud = widened(Scale(0.9, 1.1, anisotropic=True), 2.0)
    assert (cloud.low, cloud.high, cloud.anisotropic) == (0.9, pytest.approx(1.2), True)
    for before, after in ((2.0, 3.0), (1.5, 2.0)):
        assert widened(WindowCrop((8, 8), (0.5, before), flip=0.2), 2.0) == WindowCrop((8, 8), (0.5, after), flip=0.2)


def test_all_else_stays_as_it_is() -> None:
    turn, fixed = RotateZ(), WindowCrop((8, 8), (1.0, 1.0))
    assert widened(turn, 2.0) is turn
    assert widened(fixed, 2.0) == fixed
    assert widened(Scale(), 1.0).high == pytest.approx(1.1)
    assert widened(Scale(0.5, 0.8), 9.0) == Scale(0.5, 0.5), "below 1 it goes down, as far as the lower bound"
    with pytest.raises(InputError, match="widen=0"):
        widened(turn, 0.0)
