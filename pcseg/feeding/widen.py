"""Widen the random scale of an augmentation: samples magnified more."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from pcseg.checks import above_zero
from pcseg.feeding.pictures.window import WindowCrop
from pcseg.feeding.transforms.scale import Scale

T = TypeVar("T")


def widened(change: T, factor: float) -> T:
    """Return a crop or transform whose upper bound of scale is ``factor`` times as far above 1 as that of ``change``.

    Of Scale (clouds) and of the zoom of WindowCrop (pictures), the former 1.1 and factor 2 give 1.2; anything else is
    returned as it is. The progressive augmentation of DARS (ICCV 2021) raises 2.0 to 3.0 on Cityscapes and 1.5 to 2.0
    on VOC: factor 2. Raises InputError for a factor not above 0.
    """
    above_zero(widen=factor)
    if isinstance(change, Scale):
        return replace(change, high=max(change.low, 1 + factor * (change.high - 1)))
    if isinstance(change, WindowCrop):
        low, high = change.zoom
        return replace(change, zoom=(low, max(low, 1 + factor * (high - 1))))
    return change
