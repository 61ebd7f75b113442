"""The files of the page: a wheel holds them, the page takes them in whole, and a browser draws and answers."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from setuptools import Distribution

from pcseg.vis.html import write_html
from pcseg.vis.paint import RIGHT, WRONG
from tests.vis.clouds import CLASSES, room
from tests.vis.pages import Page, page

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "pcseg/vis/page"
FILES = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()}
SHADERS = ("points.vert", "points.frag", "lighting.vert", "lighting.frag")


@pytest.mark.filterwarnings("ignore:.*project.license")
def test_a_wheel_holds_the_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    distribution = Distribution()
    distribution.parse_config_files(["pyproject.toml"])
    distribution.include_package_data = False  # also with no MANIFEST.in and no version control at hand
    command = distribution.get_command_obj("build_py")
    command.ensure_finalized()
    copied = {Path(source, file) for _, source, _, files in command.data_files for file in files}
    assert {FOLDER / name for name in FILES} == {ROOT / path for path in copied if path.parent.name == "page"}


def test_the_page_holds_each_file_whole(tmp_path: Path) -> None:
    found = page(write_html(tmp_path / "a.html", room(30)))
    for name, text in FILES.items():
        if name in SHADERS:
            assert found.texts[name].startswith("#version 300 es\n"), "no browser takes the line anywhere else"
            assert found.texts[name].strip() == text.strip()
        elif name != "page.html":
            assert text in found.texts["style" if name.endswith(".css") else "script"]
    assert "{{" not in (tmp_path / "a.html").read_text(encoding="utf-8")


def test_no_file_can_end_the_element_that_holds_it() -> None:
    for name, text in FILES.items():
        assert name == "page.html" or not re.search("</|<!--|<script", text), name


def test_the_lines_of_the_files_are_short() -> None:
    assert [name for name, text in FILES.items() if max(map(len, text.splitlines())) > 120] == []


BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--virtual-time-budget=5000",
)  # fmt: skip


def opened(path: Path, tmp_path: Path, script: str = "", size: str = "1280,800") -> Page:
    """Return the page as it is in a browser after ``script``."""
    text = path.read_text(encoding="utf-8").replace(
        "</body>", f"<script>setTimeout(() => {{{script}}}, 500)</script></body>"
    )
    path.write_text(text, encoding="utf-8")
    command = [str(BROWSER), *FLAGS, f"--window-size={size}", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"]
    done = subprocess.run([*command, path.as_uri()], capture_output=True, text=True, timeout=100)
    return Page(done.stdout)


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
@pytest.mark.parametrize("size", ["1280,800", "390,844"])
def test_a_browser_draws_the_cloud_and_describes_the_point_at_the_mouse(tmp_path: Path, size: str) -> None:
    view = replace(room(2000), color=None, rows=np.arange(2000) * 7, origin=np.array([4e5, 5e6, 300]))
    script = """
draw();
for (let x = 0.3; x < 0.7 && !$("tip").textContent; x += 0.01)
  canvas.dispatchEvent(new PointerEvent(
    "pointermove", { clientX: x * innerWidth, clientY: 0.5 * innerHeight, pointerType: "mouse" }));
document.querySelectorAll("#legend .class")[1].click();
document.body.dataset.hidden = paint.filter((_, i) => i % 4 === 3).filter(v => !v).length;"""
    found = opened(write_html(tmp_path / "a.html", view), tmp_path, script, size)
    body = next(a for t, a in found.tags if t == "body")
    assert body.get("data-drawn") == "2000"
    assert found.texts["name"] == "Area_1/office_1"
    assert view.truth is not None
    assert body.get("data-hidden") == str(int((view.truth == 1).sum()))
    tip = dict(line.split(": ", 1) for line in found.texts["tip"].splitlines())
    row = int(tip["point"])
    assert row % 7 == 0
    np.testing.assert_allclose([float(tip[c]) for c in "xyz"], view.coord[row // 7] + view.origin, atol=1e-3)
    assert all(len(tip[c].partition(".")[2]) == 3 for c in "xyz")
    assert tip["truth"] == CLASSES.names[view.truth[row // 7]]
    assert view.prediction is not None
    assert view.confidence is not None
    assert tip["prediction"] == CLASSES.names[view.prediction[row // 7]]
    assert float(tip["confidence"]) == pytest.approx(view.confidence[row // 7], abs=0.01)


def share(image: np.ndarray, color: tuple[int, int, int]) -> float:
    """Return the fraction of the drawn pixels that have ``color``, however brightly lit."""
    drawn = image[(image != image[0, 0]).any(axis=2)].astype(float)
    hue = drawn / drawn.max(axis=1, keepdims=True)
    return float((np.abs(hue - np.array(color) / max(color)).max(axis=1) < 0.03).mean())


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
def test_a_browser_draws_each_layer_in_its_colors(tmp_path: Path) -> None:
    count, brown = 4000, (90, 40, 20)
    view = replace(room(count), color=np.full((count, 3), brown, np.uint8), confidence=np.ones(count))
    script = """
const pictures = {};
for (const name of scene.layers) { showLayer(name); draw(); pictures[name] = canvas.toDataURL(); }
document.body.dataset.pictures = JSON.stringify(pictures);"""
    found = opened(write_html(tmp_path / "a.html", view), tmp_path, script, "500,400")
    body = next(attributes for tag, attributes in found.tags if tag == "body")
    pictures = {}
    for name, url in json.loads(str(body["data-pictures"])).items():
        with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as image:
            pictures[name] = np.asarray(image.convert("RGB"))
    assert list(pictures) == ["color", "truth", "prediction", "errors", "labeled", "confidence"]
    assert share(pictures["color"], brown) > 0.9
    floor, wall, ceiling, table = CLASSES.colors
    for name in ("truth", "prediction"):
        assert min(share(pictures[name], color) for color in (floor, wall, table)) > 0.02, name
    assert share(pictures["truth"], ceiling) == 0  # above the height cut
    assert share(pictures["prediction"], ceiling) > 0.02  # predicted for some points below it
    assert 0.05 < share(pictures["errors"], WRONG) < 0.3
    assert share(pictures["errors"], RIGHT) > 0.6
    assert share(pictures["labeled"], RIGHT) > 0.5
    assert share(pictures["labeled"], wall) > 0.005
    assert share(pictures["confidence"], (240, 230, 80)) > 0.9
