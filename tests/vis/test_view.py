"""What a view refuses, keeps and paints."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pcseg.errors import InputError
from pcseg.labels import IGNORE
from pcseg.vis.view import RIGHT, UNKNOWN, WRONG, CloudView
from tests.vis.clouds import CLASSES, room


def test_layers_are_what_is_known() -> None:
    view = room(200)
    assert view.layers == ("colour", "truth", "prediction", "errors", "labelled", "confidence")
    assert CloudView("a", view.coord, CLASSES).layers == ("colour",)
    assert replace(view, truth=None).layers == ("colour", "prediction", "labelled", "confidence")


def test_paint_says_what_it_should() -> None:
    view = room(300)
    assert view.truth is not None
    assert view.prediction is not None
    truth = view.truth.copy()
    truth[:10] = IGNORE
    view = replace(view, truth=truth)
    palette = CLASSES.palette()
    assert (view.paint("truth")[10:] == palette[truth[10:]]).all()
    assert (view.paint("truth")[:10] == UNKNOWN).all()
    errors = view.paint("errors")
    assert (errors[:10] == UNKNOWN).all()
    assert (errors[10:] == np.where((truth == view.prediction)[10:, None], RIGHT, WRONG)).all()
    assert view.accuracy == (truth == view.prediction)[10:].mean()


def test_all_unknown() -> None:
    view = replace(room(50), truth=np.full(50, IGNORE), prediction=np.full(50, IGNORE), labels=np.full(50, IGNORE))
    assert view.accuracy is None
    assert view.facts == ["0 labelled"]
    for layer in ("truth", "prediction", "errors"):
        assert (view.paint(layer) == UNKNOWN).all()


def test_without_colour_height_is_painted() -> None:
    painted = replace(room(500), color=None).paint("colour").sum(axis=1)
    height = room(500).coord[:, 2]
    assert painted[height > 2.5].min() > painted[height < 0.1].max()


def test_thinning_keeps_order_and_labelled_points() -> None:
    view = room(1000)
    thin = view.thinned(100, np.random.default_rng(0))
    assert len(thin) == 100
    assert view.labels is not None
    assert thin.labels is not None
    kept, all_labelled = thin.labels != IGNORE, view.labels != IGNORE
    assert (thin.coord[kept] == view.coord[all_labelled]).all()
    assert thin.name == view.name
    assert view.thinned(1000, np.random.default_rng(0)) is view


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"coord": np.zeros((0, 3), np.float32)}, "at least one point"),
        ({"coord": np.full((20, 3), np.nan)}, "NaN"),
        ({"truth": np.zeros(19, int)}, "for 20 points"),
        ({"labels": np.zeros(20, bool)}, "class index"),
        ({"prediction": np.full(20, 4)}, "holds 4, but there are 4 classes"),
        ({"truth": np.full(20, -2)}, "holds -2"),
        ({"color": np.zeros((20, 3))}, "uint8"),
        ({"confidence": np.zeros(3)}, "3 confidences"),
    ],
)
def test_refuses(change: dict[str, np.ndarray], words: str) -> None:
    with pytest.raises(InputError, match=words):
        replace(room(20), **change)
