"""Object-contextual attention (OCR; Yuan et al., arXiv 1909.11065): elements look at the classes of their sample."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from pcseg import ops
from pcseg.errors import InputError
from pcseg.exact import exact
from pcseg.nn.norm import make_norm
from pcseg.sparse.sizes import check_sizes


class ObjectContext(nn.Module):
    """Adds to the features of each element what the K object regions of its sample tell it (arXiv 1909.11065).

    A region is the mean feature of a sample under the softmax, over its elements, of the scores of one class (Eq. 8).
    An element weighs the regions of its sample by the softmax of q . k / sqrt(``key_channels``) (Eq. 9); q, of the
    element, and k, of the region, are two linear maps with norm and ReLU each. The weighted sum of the values passes a
    linear map to ``channels`` and is fused with the features by a linear map, norm, ReLU and dropout (Eq. 10). Pixels,
    points and voxels alike; time and memory O(E K).

    ``n_classes`` is K; ``key_channels`` is half of ``channels`` unless given; ``norm`` is "batch" or "layer". Raises
    InputError for sizes that do not fit.
    """

    def __init__(
        self,
        channels: int,
        n_classes: int,
        key_channels: int | None = None,
        dropout: float = 0.05,
        norm: str = "batch",
    ) -> None:
        super().__init__()
        width = max(channels // 2, 1) if key_channels is None else key_channels
        check_sizes("ObjectContext", channels=channels, n_classes=n_classes, key_channels=width)
        if not 0 <= dropout < 1:
            raise InputError(f"dropout={dropout:g}: give 0 to below 1")
        self.channels, self.n_classes = channels, n_classes
        self.query = nn.Sequential(*_layer(channels, width, norm), *_layer(width, width, norm))
        self.key = nn.Sequential(*_layer(channels, width, norm), *_layer(width, width, norm))
        self.value = nn.Linear(channels, width)
        self.context = nn.Linear(width, channels)
        self.fuse = nn.Sequential(*_layer(2 * channels, channels, norm), nn.Dropout(dropout))

    def forward(self, feats: Tensor, scores: Tensor, sample: Tensor, n_samples: int) -> Tensor:
        """Return features (E, C) of ``feats`` (E, C) and ``scores`` (E, K); ``sample`` (E,) int64, rows in any order.

        Gradients reach both. Regions and weights are computed in float32 or float64, also under autocast. A class with
        scores of -inf in a whole sample has the mean of the sample as its region. Raises InputError for other shapes.
        """
        self._check(feats, scores, sample)
        order, sizes = _by_sample(sample, n_samples)
        if order is not None:
            feats, scores, sample = ops.gather(feats, order), ops.gather(scores, order), sample[order]
        with torch.autocast(feats.device.type, enabled=False):
            regions = _regions(exact(feats), exact(scores), sample, sizes).to(feats.dtype)
        query, key, value = self.query(feats), self.key(regions), self.value(regions)
        with torch.autocast(feats.device.type, enabled=False):
            context = _attend(exact(query), exact(key), exact(value), sizes)
        out = self.fuse(torch.cat([self.context(context.to(query.dtype)), feats], dim=1))
        return out if order is None else ops.gather(out, order.argsort())

    def _check(self, feats: Tensor, scores: Tensor, sample: Tensor) -> None:
        wanted = [(len(feats), self.channels), (len(feats), self.n_classes), (len(feats),)]
        found = [tuple(values.shape) for values in (feats, scores, sample)]
        if found != wanted:
            raise InputError(
                f"feats {found[0]}, scores {found[1]}, sample {found[2]}: give (E, {self.channels}), "
                f"(E, {self.n_classes}) and (E,)"
            )


def _layer(cin: int, cout: int, norm: str) -> tuple[nn.Module, ...]:
    return nn.Linear(cin, cout, bias=False), make_norm(norm, cout), nn.ReLU()


def _by_sample(sample: Tensor, n_samples: int) -> tuple[Tensor | None, list[int]]:
    """Return the rows (E,) sample by sample, None where they are so already, and the number of rows of each sample."""
    sizes: list[int] = torch.bincount(sample, minlength=n_samples).tolist()
    if len(sizes) > n_samples:
        raise InputError(f"sample: holds {len(sizes) - 1}, but must be below {n_samples}")
    in_order = bool((sample[1:] >= sample[:-1]).all())
    return None if in_order else sample.argsort(stable=True), sizes


def _regions(feats: Tensor, scores: Tensor, sample: Tensor, sizes: list[int]) -> Tensor:
    """Return the regions (B * K, C): sum over e of m[e, k] feats[e], m the softmax of the scores over a sample."""
    share = ops.segment_softmax(scores.clamp(min=torch.finfo(scores.dtype).min), sample, len(sizes))
    parts = [m.T @ f for m, f in zip(share.split(sizes), feats.split(sizes), strict=True)]
    return torch.cat([feats[:0], *parts])


def _attend(query: Tensor, key: Tensor, value: Tensor, sizes: list[int]) -> Tensor:
    """Return (E, D): values (B * K, D) of the regions of each element's sample, weighed by softmax(q . k / sqrt(D))."""
    query = query / math.sqrt(query.shape[1])
    keys, values = (regions.unflatten(0, (len(sizes), -1)) if sizes else () for regions in (key, value))
    parts = [(q @ k.T).softmax(dim=1) @ v for q, k, v in zip(query.split(sizes), keys, values, strict=True)]
    return torch.cat([query[:0], *parts])
