"""The page: what goes in comes out again, nothing is fetched, no name can break out, and a browser draws it."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pcseg.errors import InputError
from pcseg.labels import IGNORE, Classes
from pcseg.vis.html import write_html
from pcseg.vis.view import CloudView
from tests.vis.clouds import CLASSES, room


class Page(HTMLParser):
    """The tags of a page with their attributes, and the text of its title and scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = [("", {})]
        self.texts: dict[str, str] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        tag, attributes = self.tags[-1]
        key = str(attributes.get("id", tag))
        self.texts[key] = self.texts.get(key, "") + data

    @property
    def payload(self) -> Any:
        return json.loads(self.texts["data"])

    def array(self, name: str, kind: str, columns: int = 1) -> np.ndarray:
        values = np.frombuffer(base64.b64decode(self.payload["data"][name]), kind)
        return values.reshape(-1, columns) if columns > 1 else values


def page(path: Path) -> Page:
    return Page(path.read_text(encoding="utf-8"))


def test_all_points_come_out_as_they_went_in(tmp_path: Path) -> None:
    view = room(900)
    found = page(write_html(tmp_path / "a.html", view))
    assert found.payload["shown"] == 900
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
    found = page(write_html(tmp_path / "a.html", view, most=500))
    assert "500 of 3,000 points shown" in found.payload["about"]
    assert view.labels is not None
    assert (found.array("labels", "u1") != 255).sum() == (view.labels != IGNORE).sum()


def test_eighty_thousand_points_make_a_page_of_a_megabyte_and_a_half(tmp_path: Path) -> None:
    assert write_html(tmp_path / "a.html", room(90_000)).stat().st_size < 1.55e6


def test_names_stay_names(tmp_path: Path) -> None:
    evil = "</script><img src=x onerror=alert(1)>@@\u2028'\"&amp;"
    view = replace(room(30), name=evil, classes=Classes((evil, "<!--<script>", "c", "d")))
    found = page(write_html(tmp_path / "a.html", view))
    assert found.payload["name"] == evil
    assert found.payload["classes"][0]["name"] == evil
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
    assert found.payload["layers"] == ["colour"]
    assert min(found.payload["extent"]) > 0


def test_more_classes_than_a_byte_can_tell_apart(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="256 classes"):
        write_html(tmp_path / "a.html", replace(room(20), classes=Classes(tuple(map(str, range(256))))))


BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--virtual-time-budget=5000",
)  # fmt: skip


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
def test_a_browser_draws_it(tmp_path: Path) -> None:
    path = write_html(tmp_path / "a.html", room(2000))
    command = [str(BROWSER), *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", path.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    found = Page(done.stdout)
    assert next(a for t, a in found.tags if t == "body").get("data-drawn") == "2000", done.stderr[-2000:]
    assert found.texts["name"] == "Area_1/office_1"
