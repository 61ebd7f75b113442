"""The page holds all that went in, fetches nothing, and no name from a file can break out of its place."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pcseg.classes import IGNORE, Classes
from pcseg.vis.html import write_html
from pcseg.vis.view import CloudView
from tests.vis.clouds import CLASSES, room
from tests.vis.pages import page


def test_all_points_come_out_as_they_went_in(tmp_path: Path) -> None:
    view = room(900)
    found = page(write_html(tmp_path / "a.html", view))
    assert found.payload["points"] == 900
    extent = np.array(found.payload["extent"])
    coord = found.array("position", "<u2", 3) / 65535 * extent + view.coord.min(axis=0)
    assert np.abs(coord - view.coord).max() <= extent.max() / 65535 / 2 + 1e-6
    assert (found.array("color", "u1", 3) == view.color).all()
    for name in ("truth", "prediction", "labels"):
        values = getattr(view, name)
        assert (found.array(name, "u1") == np.where(values == IGNORE, 255, values)).all()
    assert view.confidence is not None
    assert np.abs(found.array("confidence", "u1") / 255 - view.confidence).max() <= 0.5 / 255
    assert [c["name"] for c in found.payload["classes"]] == list(CLASSES.names)
    assert found.payload["layers"] == list(view.layers)
    assert 1.9 < found.payload["cut"] < 2.6  # the ceiling is at 2.6


def test_large_clouds_are_thinned_and_the_page_says_so(tmp_path: Path) -> None:
    view = room(3000)
    found = page(write_html(tmp_path / "a.html", replace(view, rows=np.arange(3000) * 100), most=500))
    assert "500 of 3,000 points shown" in found.payload["about"]
    assert view.labels is not None
    assert (found.array("labels", "u1") != 255).sum() == (view.labels != IGNORE).sum()
    rows = found.rows
    assert len(set(rows)) == 500
    assert (rows % 100 == 0).all()
    assert view.truth is not None
    assert (found.array("truth", "u1") == view.truth[rows // 100]).all()


def test_eighty_thousand_points_make_a_page_of_less_than_two_megabytes(tmp_path: Path) -> None:
    assert write_html(tmp_path / "a.html", room(90_000)).stat().st_size < 1.8e6


def test_names_stay_names(tmp_path: Path) -> None:
    evil = "</script><img src=x onerror=alert(1)>@@\u2028'\"&amp;"
    view = replace(room(30), name=evil, classes=Classes((evil.replace("\u2028", ""), "<!--<script>", "c", "d")))
    view = replace(view, notes=(evil,))
    found = page(write_html(tmp_path / "a.html", view))
    assert found.payload["name"] == evil
    assert found.payload["classes"][0]["name"] == evil.replace("\u2028", "")
    assert found.payload["notes"] == [evil]
    assert found.texts["title"].strip() == evil
    plain = page(write_html(tmp_path / "b.html", room(30)))
    assert [tag for tag, _ in found.tags] == [tag for tag, _ in plain.tags]


def test_nothing_is_fetched(tmp_path: Path) -> None:
    path = write_html(tmp_path / "a.html", room(30))
    assert not [
        (t, a) for t, a in page(path).tags if {"src", "href", "srcset", "action"} & set(a) or t in ("link", "iframe")
    ]
    assert not re.search(r"https?:|url\(|import\b|fetch\(|XMLHttp", path.read_text(encoding="utf-8"))
    assert "default-src 'none'" in str(page(path).tags)


@pytest.mark.parametrize("points", [1, 5])
def test_few_points_of_which_nothing_is_known(tmp_path: Path, points: int) -> None:
    found = page(write_html(tmp_path / "a.html", CloudView("a", room().coord[:points], CLASSES)))
    assert found.payload["layers"] == ["height"]
    assert min(found.payload["extent"]) > 0


def test_more_classes_than_a_byte_can_distinguish(tmp_path: Path) -> None:
    truth = np.arange(2000) % 400
    classes = Classes(tuple(map(str, range(400))))
    view = CloudView("a", room(2000).coord, classes, truth=truth, prediction=np.roll(truth, 1))
    found = page(write_html(tmp_path / "a.html", view))
    assert len(found.payload["classes"]) == 255
    assert found.payload["notes"] == ["400 classes, of which the 146 rarest are shown as one"]
    assert len({tuple(c["color"]) for c in found.payload["classes"]}) == 255
    names = [found.payload["classes"][k]["name"] for k in found.array("truth", "u1")]
    assert all(name in (str(t), "146 other classes") for name, t in zip(names, truth, strict=True))
    assert (found.array("errors", "u1") == 1).all()  # also where both are among the others


@pytest.mark.parametrize("stray", [(0.0, 0, -1e9), (1e9, 0, 0), (70.0, 0, 0)])
def test_a_stray_changes_nothing_about_the_others(tmp_path: Path, stray: tuple[float, float, float]) -> None:
    view = room(900)
    clean = page(write_html(tmp_path / "a.html", view))
    coord = np.insert(view.coord, 5, stray, axis=0)
    found = page(write_html(tmp_path / "b.html", CloudView("a", coord, CLASSES)))
    for key in ("extent", "origin", "cut", "spacing"):
        np.testing.assert_allclose(found.payload[key], clean.payload[key], rtol=1e-5)
    assert found.payload["points"] == 900
    assert found.rows.tolist() == [*range(5), *range(6, 901)]
    assert "1 points far from all others" in found.payload["notes"][0]


@pytest.mark.parametrize(
    ("size", "origin", "digits"),
    [(0.1, 0, 5), (5, 0, 3), (5, 4.5e6, 3), (300, 4.5e6, 3), (20_000, 4.5e6, 2)],
)
def test_coordinates_are_those_of_the_file_to_the_last_digit(
    tmp_path: Path, size: float, origin: float, digits: int
) -> None:
    rng = np.random.default_rng(0)
    coord = rng.uniform(0, size, (500, 3))
    view = CloudView("a", coord.astype(np.float32), CLASSES, origin=np.array([origin, -origin, 400]))
    found = page(write_html(tmp_path / "a.html", view))
    assert found.payload["digits"] == digits
    assert np.abs(found.places - (coord + view.origin)).max() <= 10.0**-digits


def test_few_of_many_notes_are_shown(tmp_path: Path) -> None:
    found = page(write_html(tmp_path / "a.html", replace(room(30), notes=tuple(map(str, range(20))))))
    assert found.payload["notes"] == ["0", "1", "2", "3", "and 16 more notes"]


def test_layers_of_numbers_say_their_range(tmp_path: Path) -> None:
    view = replace(room(900), color=None, intensity=np.linspace(100, 900, 900), origin=np.array([0, 0, 50.0]))
    found = page(write_html(tmp_path / "a.html", view))
    assert found.payload["layers"][:2] == ["intensity", "height"]
    assert found.payload["scales"]["height"] == pytest.approx([50, 52.6], abs=0.05)
    assert found.payload["scales"]["intensity"] == pytest.approx([108, 892], abs=1)
    assert found.payload["scales"]["confidence"] == [0, 1]
    assert (np.diff(found.array("intensity", "u1").astype(int)) >= 0).all()
    assert "color" not in found.payload["data"]
