"""Label the points of a scan of any size, in their own order, with a trained network."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pcseg.classes import IGNORE
from pcseg.elements import Elements
from pcseg.engine.evaluating import CPU, evaluating
from pcseg.engine.scan import checked_scan, color_remarks
from pcseg.engine.scores import Keep, Scores, array
from pcseg.engine.tile_points import chosen, tile_samples
from pcseg.engine.tiles import Tile, tiles
from pcseg.errors import InputError
from pcseg.exact import softmax
from pcseg.feeding.collate import collate
from pcseg.feeding.computed import compute, with_computed
from pcseg.feeding.features import Features
from pcseg.feeding.sample import Sample
from pcseg.model.inputs import VoxelInputs
from pcseg.model.model import Model
from pcseg.ops.walk import LEAST_LEAK
from pcseg.pseudo import smoothed
from pcseg.refine import CRF, check_color, refine_scene
from pcseg.scenes.bulk import GAP, bulk_and_floor
from pcseg.scenes.places import FARTHEST, usable
from pcseg.scenes.scene import Scene, list_columns, read_scene
from pcseg.spool import copied, let_go

Done = Callable[[int], object]
"""Function that takes the number of points that were decided."""


@dataclass(frozen=True)
class Predictor:
    """A model ready to label scans. ``classes`` are the names that its labels index.

    ``votes`` views of the scan, turned about the vertical and moved sideways against the voxel grid, are averaged (1:
    the scan as it is, of each voxel the first point). A tile, with ``halo`` voxels around what it decides, holds at
    most ``max_voxels`` voxels; a scan that fits is done in one piece. ``crf`` refines the mean probabilities of the
    points of a tile and of the halo around it, of which those in the tile are kept; it needs colors. ``smooth`` above 0
    evens probabilities out over the surface (:func:`pcseg.pseudo.smoothed`; 0.003 serves rooms). It is deterministic.
    """

    model: Model
    device: torch.device = CPU
    votes: int = 1
    max_voxels: int = 300_000
    halo: int = 40
    smooth: float = 0.0
    crf: CRF | None = None

    def __post_init__(self) -> None:
        if self.votes < 1:
            raise InputError(f"votes={self.votes}: give 1 or more")
        if self.max_voxels < 1:
            raise InputError(f"max_voxels={self.max_voxels}: give 1 or more (about 200000)")
        if self.smooth != 0 and not LEAST_LEAK <= self.smooth < math.inf:
            raise InputError(f"smooth={self.smooth}: give 0 (none) or {LEAST_LEAK:g} and more, such as 0.003")
        if not isinstance(self.model.inputs, VoxelInputs):
            raise InputError(f"checkpoint: its network takes {self.model.inputs}; give one that takes point clouds")
        self.model.network.to(self.device)

    def __repr__(self) -> str:
        return f"Predictor on {self.device.type}: {self.model}"

    @property
    def classes(self) -> tuple[str, ...]:
        """The name of the class of each label."""
        return self.model.classes.names

    @property
    def _coarsest(self) -> int:
        """Voxels along an edge of the network's coarsest cells."""
        return int(self.model.network.strides[-1])  # type: ignore[index]

    @property
    def _sees_all(self) -> bool:
        """Whether the network sees all points: views differ in their voxels, and the points of a voxel in color."""
        return self.votes > 1 or self.crf is not None

    @property
    def _inputs(self) -> VoxelInputs:
        assert isinstance(self.model.inputs, VoxelInputs)
        return self.model.inputs

    @property
    def _features(self) -> Features:
        return self._inputs.features

    def protocol(self) -> str:
        """Return in words how labels are made."""
        return (
            f"every point at full resolution, voxel {self._inputs.voxel_size:g} m, "
            f"{self.votes} vote{'s' * (self.votes > 1)}, tiles of up to {self.max_voxels} voxels "
            f"with {self.halo * self._inputs.voxel_size:g} m around them"
            + (f", refined by a {self.crf}" if self.crf else "")
            + (f", probabilities smoothed by {self.smooth:g}" if self.smooth else "")
        )

    def remarks(self, has_color: bool, columns: Mapping[str, np.ndarray] | None = None) -> list[str]:
        """Return warnings about a scan with colors, or without, and columns unlike those that were trained on."""
        colored, optional = self.model.record.get("colored"), "optional_color" in self._features.names
        color = color_remarks(colored, has_color) if optional else []
        return color + self._features.remarks(columns or {})

    def predict(
        self,
        xyz: np.ndarray,
        color: np.ndarray | None = None,
        normal: np.ndarray | None = None,
        *,
        columns: Mapping[str, np.ndarray] | None = None,
        name: str = "the scan",
        done: Done | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return for each point, in order, a label (P,) int64 and its mean probability as a confidence (P,) float32.

        A label is an index into ``classes``, whatever numbers the classes have in files (``model.classes.to_codes``
        gives those). ``xyz`` (P, 3) in meters, of any size and origin; ``color`` (P, 3), 0 to 255 or 0 to 1;
        ``normal`` (P, 3). ``columns``: further arrays (P,) by name, such as intensity, of which the network's
        features take what they need. Points whose coordinates stand for no place (NaN, infinite, beyond ``FARTHEST``:
        see pcseg.scenes.places.usable) get IGNORE and confidence 0. Strays far from the bulk of the scan are labeled
        too and change nothing about the rest. Arrays may be memory-mapped files. ``done``: called with the number of
        points after each tile, for a progress bar. Raises InputError, which begins with ``name``, where there is no
        point, arrays are not of numbers or their shapes disagree, or the network needs what is missing here.
        """
        scan = checked_scan(name, xyz, color, normal, columns, self._features.columns)
        self._features.check(name, [*scan.attributes, *(columns or {})])
        return self._label_scan(scan, done)

    def read(self, folder: Path, with_labels: bool = True) -> Scene:
        """Return the scene in a folder with all that the features need; raises InputError where it cannot be read."""
        scene = read_scene(folder, self.model.classes, with_labels=with_labels, columns=self._features.columns)
        return with_computed(self._features, scene, folder, self._inputs.voxel_size)

    def check(self, folder: Path) -> None:
        """Raise InputError for a scene in a folder that cannot be predicted or scored."""
        scene = read_scene(folder, self.model.classes, with_labels=True, columns=self._features.columns)
        self._features.check(scene.name, [*scene.attributes, *list_columns(folder)])
        if self.crf:
            check_color(self.crf, scene)

    def predict_scene(self, scene: Scene) -> tuple[np.ndarray, np.ndarray]:
        """Return what ``predict`` returns for the points of a scene, which may have its computed features already.

        Raises InputError where it lacks what the features need.
        """
        return self._label_scan(self._seen(scene))

    def probabilities(self, scene: Scene) -> np.ndarray:
        """Return the mean probability (P, K) float32 of each class, 0 where ``predict_scene`` gives IGNORE."""
        found = np.zeros((len(scene), len(self.model.classes)), dtype=np.float32)
        self._score_scan(self._seen(scene), lambda rows, scores: found.__setitem__(rows, array(scores.of_points())))
        return found

    def _seen(self, scene: Scene) -> Scene:
        """Return what the network sees of a scene, with coordinates (P, 3) float64."""
        self._features.check(scene.name, scene.attributes)
        used = {"color", *(feature.attribute for feature in self._features.each)}
        seen = {name: array for name, array in scene.attributes.items() if name in used}
        return Scene(np.asarray(scene.coord, dtype=np.float64), seen, scene.name)

    def _label_scan(self, scan: Scene, done: Done | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return labels and confidences of the points of a scan with coordinates (P, 3) float64."""
        labels = np.full(len(scan), IGNORE, dtype=np.int16)
        confidence = np.zeros(len(scan), dtype=np.float32)

        def keep(rows: np.ndarray, scores: Scores) -> None:
            labels[rows], confidence[rows] = map(array, scores.decide())
            if done:
                done(len(rows))

        self._score_scan(scan, keep)
        return labels.astype(np.int64), confidence

    def _score_scan(self, scan: Scene, keep: Keep) -> None:
        """Give the probabilities of all usable points of a scan to ``keep``, tile by tile.

        Coordinates and attributes may be memory-mapped files. Beside them and a tile, about 30 bytes a point are held
        in memory, unless ``smooth`` or computed features need the whole scan.
        """
        if self.crf:
            check_color(self.crf, scan)
        placed = usable(scan.coord)
        if not placed.any():
            found = f"none of the {len(scan)} points has finite coordinates (within {FARTHEST:g})"
            raise InputError(f"{scan.name}: {found}; read the scan again")
        rows = None if placed.all() else np.flatnonzero(placed)
        del placed
        scan = scan if rows is None else scan[rows]
        main, floor = bulk_and_floor(scan.coord, GAP * self._inputs.voxel_size)
        scan = scan.having(**compute(self._features, scan, self._inputs.voxel_size, main))
        # Measured from the scan's own corner, since UTM coordinates would not survive float32, and from its floor,
        # since training scenes stand on z = 0: so the floor meets the voxel grid here as it did there.
        corner = np.array([*(copied(column, main).min() for column in scan.coord.T[:2]), floor])
        parts = [None] if main.all() else [np.flatnonzero(main), np.flatnonzero(~main)]
        del main
        with evaluating(self.model.network):
            # Separately, so that to the last bit the bulk is seen as it would be without the strays.
            for part in parts:
                self._score_part(scan, corner, part, lambda of, scores: keep(chosen(rows, of), scores))

    def _score_part(self, scan: Scene, corner: np.ndarray, part: np.ndarray | None, keep: Keep) -> None:
        """Give the probabilities of a part of a scan, its rows or None for all, to ``keep``, tile by tile."""
        size, count = self._inputs.voxel_size, len(scan if part is None else part)
        halo, found = self.halo * size, np.zeros((count if self.smooth else 0, len(self.classes)), dtype=np.float32)
        for tile in tiles(scan.coord, size, self.max_voxels, halo, self._coarsest, corner=corner, rows=part):
            shown, decided = tile if self._sees_all else tile.thinned(), tile.context[tile.core]
            seen = scan[chosen(part, shown.context)]
            there = self._scores(shown, replace(seen, coord=seen.coord - corner))
            scores = there.repeated(tile.held[shown.core]) if shown.thin else there
            if self.smooth:
                found[decided] = array(scores.of_points())
            else:
                keep(chosen(part, decided), scores)
            let_go(scan.coord, *scan.attributes.values())
        if self.smooth:
            every = scan if part is None else scan[part]
            even = smoothed(found, every.coord - corner, every.attributes, self.smooth, size / 2)
            keep(np.arange(count) if part is None else part, Scores(torch.from_numpy(even)))

    def _scores(self, tile: Tile, seen: Scene) -> Scores:
        """Return the mean probabilities of the core points of a tile, whose points are ``seen``."""
        core = torch.from_numpy(tile.core).to(self.device)
        scored = torch.ones_like(core) if self.crf else core
        samples = tile_samples(tile, seen, self._inputs, self._coarsest, self.votes)
        views = (self._view(sample, scored) for sample in samples)
        found = next(views)
        if self._sees_all:
            found = Scores(sum((view.of_points() for view in views), found.of_points()) / self.votes)
        if not torch.isfinite(found.values.sum()):
            raise InputError("checkpoint: its network gives scores that are no numbers; it is damaged, use another")
        return Scores(refine_scene(self.crf, found.values, seen)[core]) if self.crf else found

    def _view(self, sample: Sample, scored: Tensor) -> Scores:
        """Return the probabilities of the points of ``sample`` that are ``scored``, a mask over them."""
        batch = collate([sample]).to(self.device)
        elements = self.model.network(batch.inputs, position=batch.position, color=batch.color)
        return Scores(self._found(elements), sample.inverse.to(self.device)[scored])

    def _found(self, elements: Elements) -> Tensor:
        return softmax(elements.logits)
