"""Classes and the translation of labels between data sets, by name."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcseg.errors import InputError
from pcseg.labels import IGNORE, S3DIS, SCANNET20, SCANNET20_NYU40, Classes, distinct_colors, translation

names = st.lists(st.text("abcdef", min_size=1, max_size=4), min_size=1, max_size=8, unique=True)


@given(names, st.randoms())
def test_translation_keeps_every_name(source: list[str], random) -> None:
    target = list(source)
    random.shuffle(target)
    table = translation(source, Classes(tuple(target)))
    assert [target[i] for i in table] == source


@given(names, names)
def test_translation_ignores_exactly_what_the_target_lacks(source: list[str], target: list[str]) -> None:
    classes = Classes(tuple(target))
    if not set(source) & set(target):
        with pytest.raises(InputError, match="none of the classes"):
            translation(source, classes)
        return
    for name, label in zip(source, translation(source, classes), strict=True):
        assert (label == IGNORE) == (name not in target)
        assert label == IGNORE or target[label] == name


def test_the_three_s3dis_orders_agree_by_name() -> None:
    kpconv = [
        "ceiling",
        "floor",
        "wall",
        "beam",
        "column",
        "window",
        "door",
        "chair",
        "table",
        "bookcase",
        "sofa",
        "board",
        "clutter",
    ]
    assert translation(kpconv, S3DIS).tolist() == [0, 1, 2, 3, 4, 5, 6, 8, 7, 10, 9, 11, 12]
    minkowski = [
        "clutter",
        "beam",
        "board",
        "bookcase",
        "ceiling",
        "chair",
        "column",
        "door",
        "floor",
        "sofa",
        "stairs",
        "table",
        "wall",
        "window",
    ]
    assert translation(minkowski, S3DIS)[10] == IGNORE
    assert translation(minkowski, S3DIS, {"stairs": "clutter"})[10] == 12


def test_scannet_classes_have_their_nyu40_ids() -> None:
    assert len(SCANNET20) == len(SCANNET20_NYU40) == 20
    nyu40 = dict(zip(SCANNET20.names, SCANNET20_NYU40, strict=True))
    assert (nyu40["wall"], nyu40["desk"], nyu40["shower curtain"], nyu40["otherfurniture"]) == (1, 14, 28, 39)


@pytest.mark.parametrize("classes", [S3DIS, SCANNET20, Classes(tuple("abcdefghijklmnopqrstuvwxyz"))])
def test_palette_tells_classes_apart(classes: Classes) -> None:
    palette = classes.palette()
    assert palette.shape == (len(classes), 3)
    assert palette.dtype == np.uint8
    assert len(np.unique(palette, axis=0)) == len(classes)


def test_colors_are_the_same_at_every_call() -> None:
    assert distinct_colors(5) == distinct_colors(5) == distinct_colors(9)[:5]


@pytest.mark.parametrize(
    ("given_names", "colors", "found"),
    [((), (), "empty"), (("a", "b", "a"), (), "a is listed twice"), (("a", "b"), ((0, 0, 0),), "2 names but 1")],
)
def test_impossible_class_lists(given_names: tuple[str, ...], colors: tuple, found: str) -> None:
    with pytest.raises(InputError, match=found):
        Classes(given_names, colors)


def test_index_of_an_unknown_name() -> None:
    assert S3DIS.index("door") == 6
    with pytest.raises(InputError, match="'dor' is not one of: ceiling"):
        S3DIS.index("dor")
