"""Inspect a data set before it costs an hour of training: the content of each scene, and its faults."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from pcseg.classes import IGNORE
from pcseg.scenes.origin import strays
from pcseg.scenes.scene import Scene

STEPS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Voxel sizes to suggest, in meters."""

OUTSIDE = 3.0
"""Distance, in sizes of a scan, beyond which a point is an outlier."""

FEW = 100
"""Number of points of a class, in all training scenes, below which it can hardly be learned."""

COARSEST = 32
"""Pixels of a picture that networks of pictures see as one at their coarsest."""


@dataclass(frozen=True)
class Facts:
    """Measurements of one scene, a cloud or a picture of ``size`` (H, W), whose points are its pixels.

    ``extent`` (3,) in meters: of the middle 98 % along each axis of the points but strays (see
    pcseg.scenes.origin.strays). ``spacing``: median distance in meters to the nearest other point. ``histogram``
    (K,): points of each class, None without labels. ``duplicates``: share of points that stand where another does.
    ``colors``: "none", "flat" (all the same) or "varied". ``digest``: that of the coordinates. ``outliers``: points
    farther from the middle than OUTSIDE times its largest extent.
    """

    name: str
    points: int
    extent: np.ndarray
    spacing: float
    duplicates: float
    colors: str
    histogram: np.ndarray | None
    digest: str
    outliers: int = 0
    size: tuple[int, int] | None = None

    @property
    def split(self) -> str:
        return self.name.partition("/")[0]


@dataclass(frozen=True)
class Finding:
    """A remark on a scene; a ``fault`` must be fixed before training."""

    scene: str
    text: str
    fault: bool


def inspect(scene: Scene, n_classes: int) -> Facts:
    """Measure one scene of ``n_classes`` classes; unlabeled points (IGNORE) are in no bin of the histogram."""
    coord = np.asarray(scene.coord)
    histogram = None
    if scene.segment is not None:
        histogram = np.bincount(scene.segment[scene.segment != IGNORE], minlength=n_classes)
    if scene.size is not None:
        extent = np.array([scene.size[1], scene.size[0], 0.0])
        digest, colors = scene.digest(), _colors(scene.color)
        return Facts(scene.name, len(coord), extent, 1.0, 0.0, colors, histogram, digest, size=scene.size)
    # equal points have equal bytes, once -0.0 is made 0.0
    rows = np.sort((np.ascontiguousarray(coord, dtype=np.float32) + np.float32(0)).view("S12").reshape(-1))
    extent, outliers = _extent(coord)
    return Facts(
        name=scene.name,
        points=len(coord),
        extent=extent,
        spacing=_spacing(coord),
        duplicates=float((rows[1:] == rows[:-1]).mean()) if len(rows) > 1 else 0.0,
        colors=_colors(scene.color),
        histogram=histogram,
        digest=scene.digest(),
        outliers=outliers,
    )


def judge(facts: Sequence[Facts], classes: Sequence[str]) -> list[Finding]:
    """Return the faults of scenes that could be read, then what is only worth knowing."""
    found: list[Finding] = []
    for f in facts:
        if f.size is not None:
            if min(f.size) < COARSEST:
                text = f"{written(f.size)} pixels, less than the {COARSEST} that networks see as one at their coarsest"
                found.append(Finding(f.name, f"{text}; raise data.images.scale", False))
        elif f.extent.max() == 0:
            found.append(Finding(f.name, "all points stand in one place; read the scan again", True))
        elif f.extent[2] > 500 and f.spacing > 2:
            size = " x ".join(f"{v:.0f}" for v in f.extent)
            found.append(Finding(f.name, f"{size} meters, so probably millimeters; prepare with scale: 0.001", True))
        if f.outliers:
            text = f"{f.outliers} points stand apart, farther than {OUTSIDE:g} times the size of the scan"
            found.append(Finding(f.name, f"{text}; remove them if they are no part of it", False))
        if f.histogram is not None and f.histogram.sum() == 0:
            found.append(Finding(f.name, f"has a label file, but every {_word(f)} in it is unlabeled", False))
        if f.colors == "flat":
            remedy = "is it the right file?" if f.size else "leave color out of the features"
            found.append(Finding(f.name, f"every {_word(f)} has the same color; {remedy}", False))
        if f.duplicates > 0.05:
            found.append(Finding(f.name, f"{f.duplicates:.0%} of the points stand where another does", False))
    found += _twins(facts) + _common(facts, classes)
    return sorted(found, key=lambda finding: not finding.fault)


def written(size: tuple[int, int]) -> str:
    """Return the size (H, W) of a picture as people write it: width x height."""
    return f"{size[1]} x {size[0]}"


def suggest_voxel_size(facts: Sequence[Facts]) -> float:
    """Return a voxel size in meters: twice the usual spacing of points, to the nearest of STEPS.

    It is no finer than a 500th of the usual scene, nor, in scenes of the size of rooms, than the 2 cm that the field
    uses however dense the scan.
    """
    spacing = float(np.median([f.spacing for f in facts]))
    extent = float(np.median([f.extent.max() for f in facts]))
    wanted = max(2 * spacing, extent / 500, min(0.02, extent / 100), STEPS[0])
    return min(STEPS, key=lambda step: abs(np.log(step / wanted)))


def _common(facts: Sequence[Facts], classes: Sequence[str]) -> list[Finding]:
    """Return findings on the scenes of each split together, and on the classes."""
    found = []
    splits: dict[str, list[Facts]] = defaultdict(list)
    for f in facts:
        splits[f.split].append(f)
    pictures = any(f.size for f in facts)
    each, word = ("picture", "pixel") if pictures else ("scene", "point")
    for split, members in splits.items():
        for what, missing in (
            ("colors", [f.name for f in members if f.colors == "none"]),
            ("labels", [f.name for f in members if f.histogram is None]),
        ):
            if missing:
                found.append(
                    Finding(split, f"{len(missing)} of {len(members)} {each}s have no {what} ({missing[0]})", False)
                )
    histograms = [f.histogram for f in facts if f.histogram is not None]
    if facts and not histograms:
        remedy = "add masks" if pictures else "name their column (label: in classes.yaml)"
        text = f"no {each} has labels; give a label file (tools/draw_labels.py), or {remedy}"
        found.append(Finding("all", text, False))
    if histograms:
        total = np.sum(histograms, axis=0)
        absent = [name for name, count in zip(classes, total, strict=True) if count == 0]
        if absent:
            text = f"no {word} of {', '.join(absent)}; only a label file (clicks) can teach it, and it cannot be scored"
            found.append(Finding("all", text, False))
        found += _uneven(splits, classes, word)
    sizes = Counter(f.size for f in facts if f.size is not None)
    if len(sizes) > 1:
        (usual, count), text = sizes.most_common(1)[0], f"pictures of {len(sizes)} sizes, most of {{}} pixels ({{}})"
        crop = "a batch takes one size: give data.crop one"
        found.append(Finding("all", f"{text.format(written(usual), count)}; {crop}", False))
    return found


def _uneven(splits: dict[str, list[Facts]], classes: Sequence[str], word: str) -> list[Finding]:
    """Return findings on classes that the training lacks, or nearly, while other splits have them."""
    zero = np.zeros(len(classes), dtype=np.int64)
    counts = {s: sum((f.histogram for f in m if f.histogram is not None), zero) for s, m in splits.items()}
    labeled = {split: count for split, count in counts.items() if count.sum()}
    found = []
    for k, name in enumerate(classes):
        having = [split for split, count in labeled.items() if count[k]]
        others = ", ".join(split for split in having if split != "train")
        if "train" not in labeled:
            if len(having) == 1 < len(labeled):
                found.append(
                    Finding(having[0], f"the only split with {name}; if it is held back, none is learned", False)
                )
        elif having and labeled["train"][k] < FEW:
            text = f"only {labeled['train'][k]} {word}s of {name}" if labeled["train"][k] else f"no {word} of {name}"
            text += f", which is in {others}" if others else ""
            found.append(Finding("train", f"{text}; it can hardly be learned", False))
    return found


def _twins(facts: Sequence[Facts]) -> list[Finding]:
    """Return findings on equal clouds under two names; in two splits, one would be trained on and tested on."""
    first: dict[str, Facts] = {}
    found = []
    for f in facts:
        other = first.setdefault(f.digest, f)
        if other is not f:
            leak = other.split != f.split
            text = f"the same {_word(f)}s as {other.name}" + (", which is in another split; remove one" if leak else "")
            found.append(Finding(f.name, text, leak))
    return found


def _word(facts: Facts) -> str:
    return "point" if facts.size is None else "pixel"


def _extent(coord: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the extent (3,) of the middle 98 % along each axis of all but strays, and the number of outliers."""
    low, high = (np.empty(3), np.empty(3))
    far = strays(coord)
    body = coord[~far] if far.any() else coord
    rank = len(body) // 100
    for axis in range(3):
        ordered = np.partition(body[:, axis], (rank, len(body) - 1 - rank)).astype(np.float64)
        low[axis], high[axis] = ordered[rank], ordered[len(body) - 1 - rank]
    reach = OUTSIDE * (high - low).max()
    if not reach:  # nearly all stand in one place
        return np.ptp(coord, axis=0).astype(np.float64), 0
    return high - low, int(((coord < low - reach) | (coord > high + reach)).any(axis=1).sum())


def _colors(color: np.ndarray | None) -> str:
    if color is None:
        return "none"
    return "flat" if len(color) > 1 and (color == color[0]).all() else "varied"


def _spacing(coord: np.ndarray, places: int = 8, around: int = 4096) -> float:
    """Return the median distance from a point to its nearest other point, measured around ``places`` points."""
    if len(coord) < 2:
        return 0.0
    distances = []
    for center in coord[np.linspace(0, len(coord) - 1, places).astype(np.int64)]:
        square = ((coord - center) ** 2).sum(axis=1)
        if len(coord) > around:
            ball = np.argpartition(square, around)[:around]
        else:
            ball = np.arange(len(coord))
        inner = ball[np.argsort(square[ball])[: max(1, len(ball) // 8)]]  # whose nearest is surely in the ball
        distances.append(np.asarray(cKDTree(coord[ball]).query(coord[inner], k=2)[0])[:, 1])
    return float(np.median(np.concatenate(distances)))
