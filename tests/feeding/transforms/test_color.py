"""Color changes: common to a cloud or of each point, never outside [0, 1]."""

from __future__ import annotations

import numpy as np

from pcseg.feeding.features import Features
from pcseg.feeding.transforms import AutoContrast, ColorDrop, ColorJitter, ColorShift
from tests.feeding.transforms.clouds import cloud, same

DULL = cloud().having(color=(0.4 + 0.2 * cloud().attributes["color"]).astype(np.float32))


def test_contrast_grows_towards_the_full_range() -> None:
    assert DULL.color is not None
    widths = []
    for seed in range(50):
        after = AutoContrast()(DULL, np.random.default_rng(seed)).color
        assert after is not None
        widths.append(np.ptp(after, axis=0).min())
        assert (np.argsort(after[:, 0]) == np.argsort(DULL.color[:, 0])).all()
    assert np.ptp(DULL.color, axis=0).max() < 0.21
    assert min(widths) < 0.25
    assert max(widths) > 0.9


def test_a_cloud_of_one_color_stays_finite() -> None:
    flat = DULL.having(color=np.full_like(DULL.coord, 0.7))
    after = AutoContrast()(flat, np.random.default_rng(0)).color
    assert after is not None
    assert np.isfinite(after).all()


def test_shift_is_common_and_jitter_is_not() -> None:
    assert DULL.color is not None
    shift = ColorShift(0.1)(DULL, np.random.default_rng(0)).color - DULL.color
    assert np.allclose(shift, shift[0], atol=1e-6)
    assert 0 < np.abs(shift).max() <= 0.1
    noise = ColorJitter(0.05)(DULL, np.random.default_rng(0)).color - DULL.color
    assert 0.03 < noise.std() < 0.07
    assert np.abs(noise.mean(axis=0)).max() < 0.03


def test_dropped_color_is_what_a_scan_without_color_gives() -> None:
    features = Features(["optional_color"])
    dropped = ColorDrop(1.0)(DULL, np.random.default_rng(0))
    assert np.array_equal(features(dropped), features(cloud(color=False)))
    assert same(ColorDrop(0.0)(DULL, np.random.default_rng(0)), DULL)
