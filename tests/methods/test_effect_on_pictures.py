"""Each semi-supervised method against the same network without it, on pictures of shapes: means over four seeds."""

from __future__ import annotations

import pytest

from pcseg.methods.cross_pseudo import CrossPseudo
from tests.methods.shapes import Make, score, supervised

SEEDS = range(4)


def gains(make: Make, views: int = 1) -> list[float]:
    """Return the gain in mIoU over supervised training of as many steps, of each seed."""
    return [score(make, seed, views=views) - supervised(seed) for seed in SEEDS]


@pytest.mark.parametrize(("boxes", "least"), [(3, 0.035), (0, 0.02)], ids=["cutmix", "plain"])
def test_cross_pseudo_supervision(boxes: int, least: float) -> None:
    """Seen: 0.57 to 0.63 supervised, gains 0.07 (0.02) with CutMix and 0.05 (0.01) without; asserted: half of that."""
    found = gains(lambda model: CrossPseudo(model, boxes=boxes, warmup=0.3, ramp=0.4))
    assert sum(found) / len(found) > least, found
