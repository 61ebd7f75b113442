"""Two scenes in one place, so that objects are learned out of their usual context."""

from __future__ import annotations

import numpy as np

from pcseg.scenes.points import Points


def mix3d(first: Points, second: Points) -> Points:
    """Return the union of two clouds as one sample, each with its own labels (Mix3D, arXiv 2110.02210, section 3.1).

    Both are expected around the origin, as TrainDataset centers them. Where one lacks an attribute that the other
    has, its points get middle gray as color, else zeros. Not for pairs: propagation must know which scene a point is
    of, so only RandomSampler asks for it.
    """
    names = [*first.attributes, *(name for name in second.attributes if name not in first.attributes)]
    joined = {
        name: np.concatenate([_attribute(points, name, first, second) for points in (first, second)]) for name in names
    }
    return Points(np.concatenate([first.coord, second.coord]), joined)


def _attribute(points: Points, name: str, *others: Points) -> np.ndarray:
    """Return an attribute of P points, or one value for all in the shape and type that one of ``others`` has it."""
    if name in points.attributes:
        return points.attributes[name]
    like = next(other.attributes[name] for other in others if name in other.attributes)
    return np.full((len(points), *like.shape[1:]), 0.5 if name == "color" else 0, dtype=like.dtype)
