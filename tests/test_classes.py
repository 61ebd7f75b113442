"""Classes are checked, stored as JSON, and translated between data sets by name."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcseg.classes import IGNORE, S3DIS, SCANNET20, SCANNET20_NYU40, Classes, translation
from pcseg.errors import InputError

names = st.lists(st.text("abcdef", min_size=1, max_size=4), min_size=1, max_size=8, unique=True)


@given(names, st.randoms())
def test_translation_keeps_every_name(source: list[str], random) -> None:
    target = list(source)
    random.shuffle(target)
    table = translation(source, Classes(tuple(target)))
    assert [target[i] for i in table] == source


@given(names, names)
def test_translation_ignores_exactly_the_classes_that_the_target_lacks(source: list[str], target: list[str]) -> None:
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
def test_palette_has_one_color_per_class(classes: Classes) -> None:
    palette = classes.palette()
    assert palette.shape == (len(classes), 3)
    assert palette.dtype == np.uint8
    assert len(np.unique(palette, axis=0)) == len(classes)


@pytest.mark.parametrize(
    ("given_names", "settings", "found"),
    [
        ((), {}, "empty"),
        (("a", "b", "a"), {}, "a is listed twice"),
        ("abc", {}, "no list of names"),
        (("a", 3), {}, "3 is no name"),
        (("a", None), {}, "None is no name"),
        (("a", ""), {}, "'' is no name"),
        (("a", "  "), {}, "'  ' is no name"),
        (("a", "b\nc"), {}, r"'b\\nc' is no name"),
        (("a", "\x1b[31m"), {}, "is no name"),
        (("a", "\x00"), {}, "is no name"),
        (("a", "\ud800"), {}, "is no name"),
        (("a", "b\u2028"), {}, "is no name"),
        (("a", "b"), {"colors": ((0, 0, 0),)}, "2 names but 1"),
        (("a", "b"), {"colors": ((0, 0, 0), (0, 0, 256))}, r"\(0, 0, 256\) of b"),
        (("a",), {"colors": ((0, 0, -1),)}, "from 0 to 255"),
        (("a",), {"colors": ((0, 0),)}, "from 0 to 255"),
        (("a",), {"colors": ((0.5, 0, 0),)}, "from 0 to 255"),
        (("a",), {"colors": (("1", 0, 0),)}, "from 0 to 255"),
        (("a",), {"colors": (3,)}, "from 0 to 255"),
        (("a",), {"colors": ((True, 0, 0),)}, "from 0 to 255"),
        (("a", "b"), {"codes": ((1,),)}, "codes for 1 classes but 2 names"),
        (("a", "b"), {"codes": ((1,), ())}, r"\(\) of b"),
        (("a", "b"), {"codes": ((1, 2), (3, 2))}, "code 2 is given to a and to b"),
        (("a",), {"codes": ((1.0,),)}, "whole number"),
        (("a",), {"codes": (("1",),)}, "whole number"),
        (("a",), {"codes": (1,)}, "whole number"),
        (("a",), {"codes": ((2**63,),)}, "64 bits"),
        (("a",), {"codes": ((-1,),)}, "means unlabeled"),
    ],
)
def test_impossible_class_lists(given_names: Any, settings: dict[str, Any], found: str) -> None:
    with pytest.raises(InputError, match=found) as error:
        Classes(given_names, **settings)
    assert len(str(error.value).splitlines()) == 1


def test_names_may_be_in_any_script() -> None:
    names = ("Gräser", "建物", "low vegetation", "ein-Haus/2", "é", "a'b\"", "zwei  Worte")
    assert Classes(names).names == names


def test_numbers_of_numpy_become_plain_ones() -> None:
    classes = Classes(["a", "b"], [[1, 2, 3], np.array([4, 5, 6]).tolist()], [[np.int64(7), 8], [np.uint8(2)]])  # type: ignore[arg-type]
    assert classes == Classes(("a", "b"), ((1, 2, 3), (4, 5, 6)), ((7, 8), (2,)))
    assert all(type(code) is int for codes in classes.codes for code in codes)
    assert hash(classes) == hash(Classes(("a", "b"), ((1, 2, 3), (4, 5, 6)), ((7, 8), (2,))))


def test_labels_are_written_as_the_first_code() -> None:
    classes = Classes(("a", "b"), codes=((7, 8), (2,)))
    assert classes.to_codes(np.array([1, 0, IGNORE, 1])).tolist() == [2, 7, IGNORE, 2]
    assert Classes(("a", "b")).to_codes(np.array([1, 0, IGNORE])).tolist() == [1, 0, IGNORE]


@pytest.mark.parametrize("classes", [S3DIS, Classes(("a", "b"), ((1, 2, 3), (4, 5, 6)), ((7, 8), (2,)))])
def test_classes_are_the_same_after_json(classes: Classes) -> None:
    text = json.dumps(classes.to_json())
    assert list(json.loads(text)) == ["names", "colors", "codes"]
    assert Classes.from_json(json.loads(text)) == classes


def test_colors_and_codes_may_be_missing_in_json() -> None:
    assert Classes.from_json({"names": ["a", "b"], "other": 1}) == Classes(("a", "b"))


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (None, "None is no table"),
        (["a"], r"\['a'\] is no table"),
        ({}, "the list is empty"),
        ({"names": "abc"}, "names are 'abc', no list"),
        ({"names": ["a"], "colors": 7}, "colors are 7, no list"),
        ({"names": ["a"], "codes": {"a": 1}}, r"codes are \{'a': 1\}, no list"),
        ({"names": ["a"], "colors": [None]}, "the color None of a"),
        ({"names": ["a", 3]}, "3 is no name"),
        ({"names": ["a"], "codes": [[True]]}, "whole number"),
    ],
)
def test_malformed_json_is_refused(value: Any, found: str) -> None:
    with pytest.raises(InputError, match=found) as error:
        Classes.from_json(value)
    assert len(str(error.value).splitlines()) == 1


def test_index_of_an_unknown_name() -> None:
    assert S3DIS.index("door") == 6
    with pytest.raises(InputError, match="'dor' is not one of: ceiling"):
        S3DIS.index("dor")
