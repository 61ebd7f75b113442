"""Segments.ai's point clouds: an annotation id per point, a category per annotation, the names of the categories."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pcseg.classes import IGNORE
from pcseg.errors import InputError, cut
from pcseg.files import read_json, write_json
from pcseg.formats.annotations.annotation import Annotation, LabeledScan, dense
from pcseg.formats.parsing import parsing
from pcseg.formats.write import write_cloud

CATEGORIES = "categories.json"
"""Name of a file with the categories (the task attributes of a dataset) beside those with labels."""


def is_segments(content: Any) -> bool:
    """Return whether the content of a JSON file is the label of one sample."""
    return isinstance(content, dict) and ("point_annotations" in content or is_label(content))


def is_label(content: Any) -> bool:
    """Return whether JSON is a label as the API gives it, with its attributes inside."""
    inner = content.get("attributes") if isinstance(content, dict) else None
    return isinstance(inner, dict) and "point_annotations" in inner


def is_release(content: Any) -> bool:
    """Return whether the content of a JSON file is a release: all samples of a dataset with their labels."""
    return isinstance(content, dict) and isinstance(content.get("dataset"), dict) and "samples" in content["dataset"]


def samples(path: Path, content: Any) -> dict[str, Any]:
    """Return the label of each labeled sample of a release, with the categories, by the sample's name."""
    with parsing(path, "Segments.ai"):
        dataset = content["dataset"]
        found = {}
        for sample in dataset["samples"]:
            labels = {key: label for key, label in sample["labels"].items() if label}
            if labels:
                chosen = labels.get("ground-truth") or next(iter(labels.values()))
                found[str(sample["name"])] = {**chosen["attributes"], **dataset["task_attributes"]}
        return found


def read_segments(path: Path, content: Any) -> Annotation:
    """Return the annotation of one sample, whose JSON is ``content``; 0 means unlabeled.

    Without ``categories`` in it they are read from CATEGORIES beside it; where that is not there, the ids of categories
    are the numbers of classes. Raises InputError for a label of another shape.
    """
    with parsing(path, "Segments.ai"):
        content = content["attributes"] if is_label(content) else content
        categories = content.get("categories")
        beside = path.parent / CATEGORIES
        if categories is None and beside.is_file():
            categories = read_json(beside)["categories"]
        names = None if categories is None else {int(each["id"]): str(each["name"]) for each in categories}
        points = content["point_annotations"]
        if not isinstance(points, list) or not all(type(number) is int for number in points):
            found = cut(repr(points), 60)
            raise InputError(f"{path}: point_annotations are {found}, no list of whole numbers; export them as such")
        meaning = {0: ""}
        for each in content["annotations"]:
            category = int(each["category_id"])
            if names is not None and category not in names:
                raise InputError(f"{path}: category {category} has no name among the categories; export them again")
            meaning[int(each["id"])] = str(category) if names is None else names[category]
        numbers = np.array(points, dtype=np.int64)
        return dense(np.where(numbers == 0, IGNORE, numbers), meaning, path)


def write_segments(folder: Path, scan: LabeledScan) -> list[Path]:
    """Write ``<folder>/<split>/<scene>.{pcd,json}`` and ``categories.json``; return the files.

    The JSON is what ``client.add_label(..., attributes)`` takes, categories.json the dataset's task attributes. The
    points of a class are one annotation. Coordinates are without the scan's origin.
    """
    place = folder / scan.name
    places = [place.with_name(f"{place.name}{ending}") for ending in (".pcd", ".json")]
    places.append(place.parent / CATEGORIES)
    there = np.unique(scan.labels[scan.labels != IGNORE])
    annotations = [{"id": int(k) + 1, "category_id": int(k) + 1} for k in there]
    points = np.where(scan.labels == IGNORE, 0, scan.labels + 1).tolist()
    categories = [
        {"name": name, "id": k + 1, "color": list(color), "has_instances": False}
        for k, (name, color) in enumerate(zip(scan.classes.names, scan.classes.colors, strict=True))
    ]
    write_cloud(places[0], scan.coord, color=scan.color)
    write_json(places[1], {"format_version": "0.1", "annotations": annotations, "point_annotations": points})
    write_json(places[2], {"format_version": "0.1", "categories": categories})
    return places
