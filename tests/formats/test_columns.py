"""Columns are found by the names of every tool; of two sets the better one is used, and everything left out is
reported.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pcseg.errors import InputError
from pcseg.formats.columns import to_cloud
from pcseg.formats.parsing import parsing

HERE = Path("here")
XYZ = dict(zip("xyz", np.arange(15.0).reshape(3, 5), strict=True))
RGB = np.random.default_rng(0).integers(0, 256, (5, 3)).astype(np.uint8)


@pytest.mark.parametrize(
    "names",
    ["red green blue", "R G B", "Red Green Blue", "diffuse_red diffuse_green diffuse_blue",
    "scalar_R scalar_G scalar_B", "Rf Gf Bf",
     "colorRed colorGreen colorBlue", "RGB:0 RGB:1 RGB:2"],
)  # fmt: skip
def test_colors_by_the_names_of_tools(names: str) -> None:
    columns = {**XYZ, **dict(zip(names.split(), RGB.T, strict=True)), "alpha": np.full(5, 255, np.uint8)}
    found = to_cloud(columns, HERE)
    np.testing.assert_array_equal(found.color, RGB)
    assert set(found.fields) == {"alpha"}
    assert found.defects == ()


def test_two_sets_of_colors_are_weighed() -> None:
    both = {
        **XYZ,
        **{n: np.zeros(5, np.uint8) for n in ("red", "green", "blue")},
        **dict(zip("rgb", RGB.T, strict=True)),
    }
    found = to_cloud(both, HERE)
    np.testing.assert_array_equal(found.color, RGB)
    assert set(found.fields) == {"red", "green", "blue"}
    assert "two sets of colors" in str(found.defects[0])


@pytest.mark.parametrize(
    "other",
    [{"X": 1.0, "Y": 1.0, "Z": 1.0}, {"coord": np.zeros((5, 3))}, {"cartesianX": 0, "cartesianY": 0, "cartesianZ": 0}],
)
def test_two_sets_of_coordinates_must_agree(other: dict[str, np.ndarray]) -> None:
    columns = {**XYZ, **{name: values if np.ndim(values) else np.full(5, values) for name, values in other.items()}}
    with pytest.raises(InputError, match=r"here: x y z and .* both look like coordinates, and differ"):
        to_cloud(columns, HERE)
    same = {**XYZ, "coord": np.stack(list(XYZ.values()), axis=1)}
    assert to_cloud(same, HERE).fields == {}
    assert set(to_cloud({**XYZ, "X": np.zeros(5)}, HERE).fields) == {"X"}


def test_of_two_heights_of_surveyors_the_elevation_is_z() -> None:
    columns = dict(zip(("Easting", "Northing", "Elevation", "Height"), np.arange(20.0).reshape(4, 5), strict=True))
    found = to_cloud(columns, HERE)
    assert found.coord[1].tolist() == [1, 6, 11]
    assert found.fields["Height"].tolist() == columns["Height"].tolist()


@pytest.mark.parametrize(
    ("name", "values"),
    [("feat", np.zeros((5, 8))), ("name", np.array(["a"] * 5)), ("time", np.zeros(5, "M8[s]")),
    ("faces", np.zeros((9, 3), int)), ("k", np.array(3)),
     ("label", np.array(3)), ("spectrum", np.zeros(5, complex)), ("short", np.zeros(4))],
)  # fmt: skip
def test_unusable_columns_are_reported(name: str, values: np.ndarray) -> None:
    found = to_cloud({**XYZ, name: values}, HERE)
    assert found.fields == {}
    assert [str(d).startswith(f"here: {name} has shape {values.shape}") for d in found.defects] == [True]


@pytest.mark.parametrize(
    ("name", "values"),
    [("label", np.zeros((5, 13))), ("Label", np.zeros(4)), ("classification", np.array(["a"] * 5)),
    ("color", np.zeros((3, 5))),
     ("colors", np.zeros((4, 3))), ("rgb", np.zeros((5, 2))), ("normals", np.zeros((4, 3))),
     ("instance", np.zeros((1, 5)))],
)  # fmt: skip
def test_labels_and_colors_that_do_not_fit_are_refused(name: str, values: np.ndarray) -> None:
    with pytest.raises(InputError, match=f"here: {name}.* has shape"):
        to_cloud({**XYZ, name: values}, HERE)


def test_incomplete_colors_are_reported() -> None:
    found = to_cloud({**XYZ, "red": np.ones(5), "green": np.ones(5)}, HERE)
    assert found.color is None
    assert set(found.fields) == {"red", "green"}
    assert [str(d) for d in found.defects] == [
        f"here: {n} alone is no color; kept as a field" for n in ("red", "green")
    ]


class Panic(BaseException):
    """Raised as by parsers in Rust, not derived from Exception."""


@pytest.mark.parametrize(
    "error",
    [Panic("index out of bounds\nmore"), MemoryError(), RecursionError("too deep"), SyntaxError("x" * 5000),
    OverflowError(), EOFError(), KeyError(3)]
)  # fmt: skip
def test_whatever_a_parser_raises_is_one_line(error: BaseException) -> None:
    with pytest.raises(InputError, match=r"^a\.xyz: ") as caught, parsing(Path("a.xyz"), "text"):
        raise error
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 400
    assert ("copy it again" in message) == isinstance(error, EOFError)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_interrupt_passes(error: type[BaseException]) -> None:
    with pytest.raises(error), parsing(Path("a.xyz"), "text"):
        raise error
