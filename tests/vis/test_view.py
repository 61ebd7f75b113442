"""Views: which arrays they refuse, which points they keep, and the colors of their layers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pcseg.classes import IGNORE, Classes
from pcseg.errors import InputError
from pcseg.vis.html import write_html
from pcseg.vis.paint import RIGHT, UNKNOWN, WRONG
from pcseg.vis.png import write_png
from pcseg.vis.view import CloudView
from tests.vis.clouds import CLASSES, room


def test_layers_are_what_is_known() -> None:
    view = room(200)
    assert view.layers == ("color", "truth", "prediction", "errors", "labeled", "confidence")
    assert CloudView("a", view.coord, CLASSES).layers == ("height",)
    black = replace(view, color=np.zeros((200, 3), np.uint8), intensity=np.arange(200.0))
    assert black.layers[:3] == ("intensity", "height", "truth")
    assert replace(view, truth=None).layers == ("color", "prediction", "labeled", "confidence")


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
    assert view.facts == ["0 labeled"]
    for layer in ("truth", "prediction", "errors"):
        assert (view.paint(layer) == UNKNOWN).all()


def test_height_and_intensity_are_painted_from_dark_to_light_and_strays_do_not_decide() -> None:
    coord = room(500).coord
    height = coord[:, 2].copy()
    coord[7, 2] = 1e9
    view = replace(room(500), color=None, coord=coord, intensity=np.where(np.arange(500) == 7, 1e30, height))
    for layer in ("height", "intensity"):
        painted = view.paint(layer).astype(int).sum(axis=1)
        assert painted[height > 2.5].min() > painted[height < 0.1].max() + 200, layer
        low, high = view.scale(layer)[1:]
        assert (low, high) == pytest.approx((0, 2.6), abs=0.05)
    moved = replace(view, origin=np.array([0, 0, 400.0]))
    assert moved.scale("height")[1] == pytest.approx(400, abs=0.05)


def test_thinning_keeps_order_and_labeled_points() -> None:
    view = room(1000)
    thin = view.thinned(100, np.random.default_rng(0))
    assert len(thin) == 100
    assert view.labels is not None
    assert thin.labels is not None
    kept, all_labeled = thin.labels != IGNORE, view.labels != IGNORE
    assert (thin.coord[kept] == view.coord[all_labeled]).all()
    assert thin.name == view.name
    assert thin.rows is not None
    assert (view.coord[thin.rows] == thin.coord).all()
    again = thin.take(np.array([5, 50]))
    assert again.rows is not None
    assert (view.coord[again.rows] == again.coord).all()
    assert view.thinned(1000, np.random.default_rng(0)) is view


@pytest.mark.parametrize("stray", [(0.0, 0.0, -1e9), (1e12, 0.0, 0.0), (50.0, 60.0, 0.0)])
def test_strays_are_left_out_of_the_picture_with_a_note(stray: tuple[float, float, float]) -> None:
    view = room(1000)
    coord = view.coord.copy()
    coord[[3, 77]] = stray
    framed = replace(view, coord=coord).framed()
    assert framed.rows is not None
    assert sorted(set(range(1000)) - set(framed.rows.tolist())) == [3, 77]
    assert len(framed.notes) == 1
    assert framed.notes[0].startswith("2 points")
    assert view.framed() is view


def test_classes_beyond_the_most_become_one() -> None:
    rng = np.random.default_rng(0)
    truth = np.minimum(rng.integers(0, 300, 2000), rng.integers(0, 300, 2000))
    prediction = np.roll(truth, 1)
    classes = Classes(tuple(f"class {k}" for k in range(300)))
    view = CloudView("a", rng.normal(size=(2000, 3)), classes, truth=np.where(truth == 5, IGNORE, truth))
    view = replace(view, prediction=prediction)
    few = view.grouped(100)
    assert len(few.classes) == 100
    assert few.classes.names[-1] == "201 other classes"
    assert few.truth is not None
    assert ((few.truth == IGNORE) == (truth == 5)).all()
    for old, new in ((view.truth, few.truth), (view.prediction, few.prediction)):
        assert old is not None
        assert new is not None
        kept = (new != IGNORE) & (new != 99)
        assert [few.classes.names[k] for k in new[kept]] == [classes.names[k] for k in old[kept]]
    counts = np.bincount(np.concatenate([view.truth[view.truth != IGNORE], prediction]), minlength=300)
    kept_counts = [counts[classes.names.index(name)] for name in few.classes.names[:-1]]
    assert min(kept_counts) >= max(counts[k] for k in range(300) if classes.names[k] not in few.classes.names)
    assert few.notes == ("300 classes, of which the 201 rarest are shown as one",)
    assert view.grouped(300) is view


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
        ({"confidence": np.zeros(3)}, "confidence of 3 points"),
    ],
)
def test_refuses(change: dict[str, np.ndarray], words: str) -> None:
    with pytest.raises(InputError, match=words):
        replace(room(20), **change)


def test_names_and_notes_that_are_no_text_can_be_drawn(tmp_path: Path) -> None:
    view = replace(room(50), name="a\udcffb", notes=("x\udcff: is strange",))
    assert (view.name, view.notes) == ("a\\udcffb", ("x\\udcff: is strange",))
    write_html(tmp_path / "a.html", view)
    write_png(tmp_path / "a.png", view)
