"""Import labels that were made with other annotation tools as a label file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from pcseg.budgets.csv_rows import read_class
from pcseg.budgets.scene_labels import SceneLabels
from pcseg.budgets.weak_labels import WeakLabels
from pcseg.classes import IGNORE, Classes
from pcseg.errors import InputError, cut
from pcseg.formats.annotations import Annotation, find_annotations, read_annotation
from pcseg.formats.annotations.asprs import asprs_codes
from pcseg.formats.annotations.files import Found, scan_beside
from pcseg.scenes.places import usable
from pcseg.scenes.scene import Scene

CODES = ("classes", "asprs")
"""Meanings of numbers in files: those of classes.yaml, or ASPRS's by the names of the classes."""


def import_annotations(
    scenes: Iterable[Scene],
    classes: Classes,
    source: str | os.PathLike[str],
    max_distance: float = 0.1,
    column: str = "",
    ignore: Sequence[str] = (),
    codes: str = "classes",
) -> WeakLabels:
    """Return the labels in ``source``: a file or a folder of Supervisely, Segments.ai, labelCloud (points or boxes),
    semantic-segmentation-editor, SemanticKITTI, CloudCompare or LAS, named as the scenes (room.pcd.json is of room).

    Points are those of the scan that the scene was prepared from, in its order; where a file says where its points
    are and they are others, each label goes to the nearest point, within ``max_distance`` meters. ``column`` names the
    column of the labels in point files, by default one of the usual ones. ``ignore``: names or numbers in the files
    that mean no label, besides those of the format. ``codes``: one of CODES. Scenes without an annotation are covered,
    without labels; annotations of other scenes are left out. Raises InputError for a file that is damaged, does not
    fit its scene or holds a class that ``classes`` does not have, and where no scene has an annotation.
    """
    if not max_distance > 0:
        raise InputError(f"max_distance={max_distance:g}: must be above 0, in meters")
    if codes not in CODES:
        raise InputError(f"codes={codes}: must be one of {', '.join(CODES)}")
    known = Classes(classes.names, classes.colors, asprs_codes(classes.names)) if codes == "asprs" else classes
    found = find_annotations(source)
    entries, names = [], []
    used: dict[str, str] = {}
    for scene in scenes:
        names.append(scene.name)
        chosen = _chosen(found, scene.name)
        labels = np.full(len(scene), IGNORE, dtype=np.int64)
        if chosen is not None:
            if used.setdefault(chosen.where, scene.name) != scene.name:
                both = f"{used[chosen.where]} or {scene.name}"
                raise InputError(f"{chosen.where}: may be of {both}; put it in a folder named as its split")
            annotation = _of_scene(scene, read_annotation(chosen, column), chosen)
            labels = _labels(scene, known, annotation, chosen.where, max_distance, ignore)
        index = np.flatnonzero(labels != IGNORE)
        entries.append(SceneLabels(scene.name, len(scene), scene.digest(), index, labels[index].astype(np.int16)))
    if not used:
        there, wanted = ", ".join(each.scan for each in found), ", ".join(names)
        raise InputError(
            f"source={source}: is of the scans {cut(there, 200)}, none of which is one of the scenes "
            f"{cut(wanted, 200)}; name files as their scenes"
        )
    parameters = {"source": Path(source).name, "codes": codes, "ignore": list(ignore), "max_distance": max_distance}
    return WeakLabels(classes.names, "import", parameters, None, tuple(entries))


def _chosen(found: list[Found], name: str) -> Found | None:
    """Return the annotation of the scene ``name``; raises InputError where two are."""
    own = [each for each in found if each.of(name)]
    split = name.rpartition("/")[0]
    inside = [each for each in own if split in each.path.parts]
    own = inside or own
    best = [each for each in own if each.rank == min(each.rank for each in own)]
    if len(best) > 1:
        raise InputError(f"{best[1].where}: {name} has an annotation in {best[0].path}, too; keep one")
    return best[0] if best else None


def _of_scene(scene: Scene, annotation: Annotation, found: Found) -> Annotation:
    """Return an annotation by numbers of points that are those of the scene, or with the places of its points.

    Raises InputError where it is of another number of points and their places are not known.
    """
    most, count = int(annotation.index.max(initial=-1)) + 1, annotation.count
    if annotation.coord is not None or (count in (None, len(scene)) and most <= len(scene)):
        return annotation
    coord = scan_beside(found.path, count) if count else None
    if coord is None:
        points = f"{count:,} points" if count is not None else f"at least {most:,} points"
        raise InputError(
            f"{found.where}: is of {points}, not the {len(scene):,} of {scene.name}; prepare the scene from the "
            "annotated scan, or put that where the tool has it"
        )
    return replace(annotation, coord=coord)


def _labels(
    scene: Scene, classes: Classes, annotation: Annotation, where: str, max_distance: float, ignore: Sequence[str]
) -> np.ndarray:
    """Return the labels (P,) int64 of a scene, IGNORE where there is none."""
    table = np.array([_label(name, annotation, classes, where, ignore) for name in annotation.names], dtype=np.int64)
    known = table[annotation.value] != IGNORE
    annotation = replace(annotation, index=annotation.index[known], value=annotation.value[known])
    labels = np.full(len(scene), IGNORE, dtype=np.int64)
    for box in sorted(annotation.boxes, key=lambda each: -each.volume):  # of several over a point the smallest counts
        label = _label(box.name, annotation, classes, where, ignore)
        labels[box.inside(np.asarray(scene.coord, dtype=np.float64) + scene.origin)] = label
    if len(annotation.index):
        index, rows = _placed(scene, annotation, where, max_distance)
        labels[index] = table[annotation.value[rows]]
    return labels


def _label(name: str, annotation: Annotation, classes: Classes, where: str, ignore: Sequence[str]) -> int:
    """Return the label that a name or number in a file stands for."""
    if name in ignore:
        return IGNORE
    try:
        return read_class(classes, name, where)
    except InputError as error:
        if name in annotation.unlabeled:
            return IGNORE
        raise InputError(f"{error}; or leave it out by ignore=[{cut(name, 60)}]") from error


def _placed(scene: Scene, annotation: Annotation, where: str, max_distance: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the point of the scene (m,) for some of the labels (m,) of an annotation, each point once."""
    rows = np.arange(len(annotation.index))
    if annotation.coord is None:
        return annotation.index, rows
    there = usable(annotation.coord)
    if there.sum() == len(scene) and _same_places(annotation.coord[there] - scene.origin, scene.coord, max_distance):
        kept = there[annotation.index]
        return (np.cumsum(there) - 1)[annotation.index[kept]], rows[kept]
    rows = rows[there[annotation.index]]
    place = annotation.coord[annotation.index[rows]] - scene.origin
    distance, index = cKDTree(scene.coord).query(place)
    far = distance > max_distance
    if far.any():
        raise InputError(
            f"{where}: {int(far.sum())} of {len(far)} labeled points are up to {distance.max():.3g} m from the nearest "
            f"point of {scene.name}; annotate the scan it was prepared from, or raise max_distance ({max_distance:g})"
        )
    order = np.argsort(distance, kind="stable")  # of several on a point the nearest counts
    index, first = np.unique(index[order], return_index=True)
    return index, rows[order][first]


def _same_places(one: np.ndarray, other: np.ndarray, tolerance: float) -> bool:
    """Return whether points (P, 3) are the same in the same order, but for a shift of all."""
    shift = one - other
    return bool((np.abs(shift - np.median(shift, axis=0)) <= tolerance).all())
