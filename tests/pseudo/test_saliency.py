"""Saliency: what stands out of a picture, what stands apart from planes, and labels that agree with both."""

from __future__ import annotations

import pytest
import torch

from pcseg.classes import IGNORE
from pcseg.errors import InputError
from pcseg.pseudo.saliency import fused_labels, objectness, saliency, spectral_residual
from tests.methods.tiny_network import make_batch, make_pictures


def picture(size: int = 48) -> tuple[torch.Tensor, torch.Tensor]:
    """Stripes with a patch of none, and where the patch is."""
    column = torch.arange(size).expand(size, size)
    stripes = 0.5 + 0.3 * torch.sin(column * 1.3)
    patch = torch.zeros(size, size, dtype=torch.bool)
    patch[30:38, 10:18] = True
    return torch.where(patch, 0.9, stripes).expand(1, 3, size, size), patch


def test_a_patch_in_a_pattern_is_salient() -> None:
    images, patch = picture()
    found = spectral_residual(images)[0]
    assert found.shape == (48, 48)
    assert float(found.min()) >= 0
    assert float(found.max()) == pytest.approx(1)
    assert float(found[patch].mean()) > 3 * float(found[~patch].mean())


def test_by_the_definition_without_smoothing_it_is_the_inverse_of_the_residual() -> None:
    """A pulse has a flat spectrum: its residual is none, and the map is the smoothed square of a unit pulse."""
    images = torch.zeros(1, 3, 32, 32)
    images[:, :, 12, 20] = 1
    found = spectral_residual(images)[0]
    assert divmod(int(found.argmax()), 32) == (12, 20)
    assert float(found[12, 21]) == pytest.approx(2.718281828 ** (-1 / 12.5), rel=1e-3)


def test_pictures_differ_in_size_and_a_plain_one_has_none() -> None:
    images, _ = picture(48)
    wide = torch.nn.functional.interpolate(images, (96, 144))
    assert spectral_residual(wide).shape == (1, 96, 144)
    two = spectral_residual(torch.cat([images, torch.full((1, 3, 48, 48), 0.4)]))
    torch.testing.assert_close(two[0], spectral_residual(images)[0], atol=1e-4, rtol=1e-3)
    assert float(two[1].max()) == 0


def room(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """A floor, a wall and a ball of points above the floor, and which is the ball."""
    generator = torch.Generator().manual_seed(seed)
    flat = 3 * torch.rand(400, 2, generator=generator)
    floor = torch.cat([flat[:200], torch.zeros(200, 1)], dim=1)
    wall = torch.cat([torch.zeros(200, 1), flat[200:]], dim=1)
    ball = torch.randn(60, 3, generator=generator)
    ball = torch.tensor([1.5, 1.5, 0.8]) + 0.3 * ball / ball.norm(dim=1, keepdim=True)
    return torch.cat([floor, wall, ball]), torch.arange(460) >= 400


def test_objects_stand_apart_from_large_planes_also_in_turned_rooms_of_one_batch() -> None:
    torch.manual_seed(0)
    place, ball = room()
    turn = torch.linalg.qr(torch.randn(3, 3))[0]
    mixed = torch.randperm(920)
    position, sample = torch.cat([place, place @ turn + 100])[mixed], torch.arange(2).repeat_interleave(460)[mixed]
    found = objectness(position, sample, tolerance=0.02)
    inside = ball.repeat(2)[mixed]
    assert float(found[~inside].max()) < 0.05  # rounding at 100 m
    assert float(found[inside].min()) > 0.5


def test_a_distance_between_counts_in_part_and_a_cloud_without_planes_whole() -> None:
    torch.manual_seed(0)
    floor = torch.cat([3 * torch.rand(97, 2), torch.zeros(97, 1)], dim=1)
    above = torch.tensor([[1.0, 1.0, 0.05], [1.0, 2.0, 0.175], [2.0, 1.0, 0.9]])
    found = objectness(torch.cat([floor, above]), torch.zeros(100, dtype=torch.int64), planes=1)
    torch.testing.assert_close(found[97:], torch.tensor([0.0, 0.5, 1.0]), atol=1e-4, rtol=0)
    cloud = 100 * torch.rand(200, 3)
    assert bool((objectness(cloud, torch.zeros(200, dtype=torch.int64)) == 1).all())
    assert bool((objectness(cloud[:2], torch.zeros(2, dtype=torch.int64)) == 1).all())
    with pytest.raises(InputError, match="share=0"):
        objectness(cloud, torch.zeros(200, dtype=torch.int64), share=0)


@pytest.mark.parametrize("make", [make_batch, make_pictures])
def test_every_element_of_a_batch_has_one(make) -> None:
    batch = make(n=36)
    found = saliency(batch)
    assert found.shape == batch.sample.shape
    assert 0 <= float(found.min()) <= float(found.max()) <= 1


def test_labels_agree_with_activation_and_saliency() -> None:
    activation = torch.tensor([[0.9, 0.5, 0.3], [0.9, 0.5, 0.3], [0.9, 0.1, 0.2], [0.9, 0.1, 0.2]])
    salient = torch.tensor([0.5, 0.0, 0.5, 0.0])
    assert fused_labels(activation, salient, 0.2, 0.06, background=0).tolist() == [1, IGNORE, IGNORE, 0]
    assert fused_labels(activation, salient, 0.95).tolist() == [IGNORE] * 4
    assert fused_labels(activation, salient, 0.2).tolist() == [0] * 4
