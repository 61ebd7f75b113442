"""Labels that always come with a class but belong to the background, told by features that were learned without them.

MARS (Jo et al., ICCV 2023, arXiv 2304.09913): an object that often accompanies a class, as rails do a train, takes its
label; but its features are also met in the background of other samples, those of the class are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pcseg.checks import from_zero_to_one
from pcseg.exact import exact
from pcseg.nn.directions import directions
from pcseg.sparse.sizes import check_sizes

ITERATIONS = 20
"""Most rounds of k-means."""


@torch.no_grad()
def k_means(feats: Tensor, clusters: int, generator: torch.Generator | None = None) -> Tensor:
    """Return the means (G, C) of at most ``clusters`` groups of ``feats`` (N, C), fewer where rows are fewer or alike.

    Lloyd's rounds from rows drawn by their squared distance to those drawn before (k-means++, Arthur and Vassilvitskii,
    SODA 2007), by ``generator`` on the CPU. Raises InputError for fewer than 1 cluster.
    """
    check_sizes("k_means", clusters=clusters)
    if not len(feats):
        return feats
    draw = torch.rand(clusters, generator=generator, dtype=torch.float64).to(feats.device)
    chosen = [int(draw[0] * len(feats))]
    for lot in draw[1:]:
        near = torch.cdist(feats, feats[chosen]).amin(dim=1).double().square().cumsum(dim=0)
        if float(near[-1]) < 1e-12:
            break
        chosen.append(min(int(torch.searchsorted(near, lot * near[-1], right=True)), len(feats) - 1))
    means = feats[chosen]
    group = torch.full_like(feats[:, 0], -1, dtype=torch.int64)
    for _ in range(ITERATIONS):
        before, group = group, torch.cdist(feats, means).argmin(dim=1)
        if torch.equal(before, group):
            break
        count = torch.bincount(group, minlength=len(means)).to(feats)[:, None]
        total = torch.zeros_like(means).index_add_(0, group, feats)
        means = torch.where(count > 0, total / count.clamp(min=1), means)
    return means


@dataclass(frozen=True)
class Centroids:
    """Mean directions (G, C) of groups of elements, and the class (G,) int64 that their elements are labeled."""

    mean: Tensor
    label: Tensor

    @classmethod
    def of(
        cls,
        feats: Tensor,
        labels: Tensor,
        background: int | None = None,
        objects: int = 2,
        behind: int = 2,
        generator: torch.Generator | None = None,
    ) -> Centroids:
        """Return those of one sample: ``objects`` of the directions of ``feats`` (E, C) of each class of ``labels``.

        ``labels`` (E,) int64; elements labeled IGNORE are left out. The class ``background`` has ``behind`` of them.
        """
        unit = directions(exact(feats))
        classes = [int(label) for label in labels.unique() if label >= 0]
        each = [
            k_means(unit[labels == label], behind if label == background else objects, generator) for label in classes
        ]
        owner = torch.tensor([label for label, own in zip(classes, each, strict=True) for _ in own], dtype=torch.int64)
        return cls(torch.cat([unit[:0], *each]), owner.to(feats.device))

    @classmethod
    def joined(cls, parts: Sequence[Centroids]) -> Centroids:
        """Return those of several samples together."""
        return cls(torch.cat([part.mean for part in parts]), torch.cat([part.label for part in parts]))


def debiased_centroids(
    centroids: Centroids, n_classes: int, background: int | None = None, alpha: float = 0.4
) -> Tensor:
    """Return a direction (K, C) for each class: the mean of the part ``alpha`` of its centroids farthest from others.

    ``centroids`` are those of all samples; the distance of a centroid is the mean of (1 - cos) / 2 over those of the
    ``background`` (MARS, Eq. 1 and 2). Without a background, those of all other classes take its place: what is
    mislabeled as one class is labeled as another elsewhere. At least one centroid is taken. 0 for the background, for a
    class without centroids, and for all where there is nothing to be far from. Raises InputError for a part outside
    [0, 1].
    """
    from_zero_to_one(alpha=alpha)
    unit, label = directions(centroids.mean), centroids.label
    found = unit.new_zeros(n_classes, unit.shape[1])
    for k in range(n_classes):
        own = unit[label == k]
        others = unit[label != k if background is None else label == background]
        if k == background or not len(own) or not len(others):
            continue
        distance = (1 - own @ others.T).mean(dim=1) / 2
        farthest = distance.argsort(descending=True, stable=True)[: max(1, int(alpha * len(own)))]
        found[k] = directions(own[farthest].mean(dim=0))
    return found


def likeness(feats: Tensor, labels: Tensor, centers: Tensor, allowed: Tensor, background: int | None = None) -> Tensor:
    """Return how like (E,) in [0, 1] each labeled element is to what it may be, 1 where it is background or unlabeled.

    ``centers`` (K, C) are :func:`debiased_centroids`, ``feats`` (E, C), ``labels`` (E,) int64. It is max_k ReLU(cos(f,
    centers_k)) over the classes k that tags allow, ``allowed`` (E, K) bool (MARS, Eq. 3). Without a background, which
    leaves no element to any class, it is that of the element's own class. 1 also where the class has no center.
    """
    cosine = (directions(exact(feats)) @ centers.to(exact(feats)).T).relu()
    own = labels.clamp(min=0)
    if background is None:
        best = cosine.gather(1, own[:, None])[:, 0]
    else:
        best = torch.where(allowed, cosine, 0).amax(dim=1)
    known = centers.any(dim=1)[own] & (labels >= 0)
    if background is not None:
        known &= labels != background
    return torch.where(known, best, 1.0)
