"""Saliency without training: where a picture surprises, and what of a scan stands apart from its large planes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from pcseg.checks import above_zero
from pcseg.classes import IGNORE
from pcseg.elements import flatten_pixels
from pcseg.feeding.batch import Batch
from pcseg.nn.attend import rows_by_sample
from pcseg.pseudo.tag_labels import labels_of_activation
from pcseg.sparse import SparseTensor

_WIDTH = 64
"""Pixels along the longer edge at which pictures are analyzed, as in the paper."""


def saliency(batch: Batch) -> Tensor:
    """Return the saliency (E,) in [0, 1] of the elements of a batch: of pixels by color, of voxels by position."""
    if isinstance(batch.inputs, SparseTensor):
        return objectness(batch.position, batch.sample)
    count, _, height, width = batch.inputs.shape
    images = batch.color.view(count, height, width, 3).permute(0, 3, 1, 2)
    with torch.autocast(images.device.type, enabled=False):
        return flatten_pixels(spectral_residual(images)[:, None])[:, 0]


@torch.no_grad()
def spectral_residual(images: Tensor) -> Tensor:
    """Return the saliency (B, H, W) in [0, 1] of pictures (B, 3, H, W): what their spectrum has beyond the usual.

    Spectral residual (Hou and Zhang, CVPR 2007), here the mean over colors: the log amplitude minus its mean over 3x3
    frequencies, back with the phase, squared, smoothed by a Gaussian of 2.5 pixels at 64 along the longer edge, over
    its maximum. Smaller pictures keep their size. One of a single color has none.
    """
    size = (images.shape[2], images.shape[3])
    ratio = min(_WIDTH / max(size), 1.0)
    small = (max(round(size[0] * ratio), 1), max(round(size[1] * ratio), 1))
    seen = F.interpolate(images.float(), small, mode="bilinear", antialias=True)
    spectrum = torch.fft.fft2(seen)
    amplitude = spectrum.abs()
    floor = 1e-6 * small[0] * small[1]  # of the spectrum's size: what rounding leaves of nothing is no surprise
    log = amplitude.clamp(min=floor).log()
    mean = F.avg_pool2d(F.pad(log, (1, 1, 1, 1), mode="circular"), 3, 1)
    phase = spectrum / amplitude.clamp(min=floor)
    found = torch.fft.ifft2((log - mean).exp() * phase).abs().square().mean(dim=1)
    steps = torch.arange(-6, 7, device=images.device).float()
    kernel = (-(steps**2) / (2 * 2.5**2)).exp()
    kernel = kernel / kernel.sum()
    padded = F.pad(found[:, None], (6, 6, 6, 6))
    smooth = F.conv2d(F.conv2d(padded, kernel.view(1, 1, 13, 1)), kernel.view(1, 1, 1, 13))
    wide = F.interpolate(smooth, size, mode="bilinear")[:, 0]
    plain = (images.amax((2, 3)) - images.amin((2, 3))).amax(1) < 1e-4
    return torch.where(plain[:, None, None], 0.0, wide / wide.amax((1, 2), keepdim=True).clamp(min=1e-20))


@torch.no_grad()
def objectness(
    position: Tensor,
    sample: Tensor,
    tolerance: float = 0.05,
    share: float = 0.1,
    far: float = 0.3,
    planes: int = 6,
    tries: int = 64,
) -> Tensor:
    """Return the objectness (E,) in [0, 1] of elements: their distance to the nearest large plane of their sample.

    0 up to ``tolerance`` meters, 1 from ``far`` meters on. ``position`` (E, 3) in meters, ``sample`` (E,) int64. Planes
    are found one after the other, ``planes`` at most: of ``tries`` planes through three elements each, at random, the
    one with most of the rest within ``tolerance``, as long as that is a ``share`` of the sample (RANSAC, Fischler and
    Bolles 1981). Floors, walls and table tops of that size are no objects. Drawn from the global generator of the CPU.
    Raises InputError for values that are not above 0.
    """
    above_zero(tolerance=tolerance, share=share, far=far, planes=planes, tries=tries)
    found = torch.ones(len(position), device=position.device)
    for rows in rows_by_sample(sample):
        place = (position[rows] - position[rows].mean(dim=0)).float()
        nearest, rest = place.new_full((len(rows),), torch.inf), torch.arange(len(rows), device=rows.device)
        for _ in range(planes):
            if len(rest) < max(3, share * len(rows)):
                break
            distance, count = _plane(place, rest, tolerance, tries)
            if count < share * len(rows):
                break
            nearest = torch.minimum(nearest, distance)
            rest = rest[distance[rest] > tolerance]
        found[rows] = ((nearest - tolerance) / max(far - tolerance, 1e-6)).clamp(0, 1)
    return found


def _plane(place: Tensor, rest: Tensor, tolerance: float, tries: int) -> tuple[Tensor, int]:
    """Return the distances (N,) to the best plane through three of the ``rest`` of ``place`` (N, 3), and its count."""
    three = place[rest[torch.randint(len(rest), (tries, 3)).to(rest.device)]]
    normal = torch.linalg.cross(three[:, 1] - three[:, 0], three[:, 2] - three[:, 0], dim=1)
    size = normal.norm(dim=1, keepdim=True)
    normal = normal / size.clamp(min=1e-12)
    away = ((place @ normal.T) - (three[:, 0] * normal).sum(dim=1)).abs()
    count = (away[rest] <= tolerance).sum(dim=0) * (size[:, 0] > 1e-6)
    best = int(count.argmax())
    return away[:, best], int(count[best])


def fused_labels(
    activation: Tensor, salient: Tensor, high: float = 0.2, salient_at: float = 0.06, background: int | None = None
) -> Tensor:
    """Return labels (E,) int64 on which ``activation`` (E, K) in [0, 1] and saliency ``salient`` (E,) agree.

    As in the code of AuxSegNet (arXiv 2107.11787): an element has the class it shows best where that is above ``high``
    and its saliency above ``salient_at``; ``background`` where neither is; IGNORE where only one is. Without a
    background large planes are classes like others, and saliency is not asked: the class where it is at least ``high``.
    """
    if background is None:
        return labels_of_activation(activation, high)
    activation = activation.clone()
    activation[:, background] = 0
    highest, label = activation.max(dim=1)
    shown, apart = highest > high, salient > salient_at
    return torch.where(shown & apart, label, torch.where(shown | apart, IGNORE, background))
