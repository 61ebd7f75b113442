"""pcseg.spread, suggest and show on plain arrays: the numbers of the tools, any frame, one line for mistakes."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pcseg
from pcseg.budgets.weak_labels import WeakLabels
from pcseg.errors import InputError
from pcseg.scenes.scene import Scene, read_scene
from tests.tools._runs import CLASSES, building, room, tool_here
from tests.vis.pages import Page

CLICKS = np.array([5, 150, 205, 390, 410, 590])
"""Two points of each of floor, wall and chair."""

FAR = np.array([5e5, 5.4e6, 300])
"""A frame as surveyed scans have it."""


@pytest.fixture(scope="module")
def scene() -> Scene:
    return room("Area_1/a", 0)


def spread(scene: Scene, **more: object) -> tuple[np.ndarray, np.ndarray]:
    return pcseg.spread(scene.coord, CLICKS, scene.segment[CLICKS], scene.color, **more)  # type: ignore[arg-type, index]


def test_the_import_loads_no_torch_and_names_what_there_is() -> None:
    line = "import pcseg, sys; print({'torch', 'numpy'} & {*sys.modules}, sorted({*pcseg.__all__} & {*dir(pcseg)}))"
    done = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set() ['__version__', 'annotate', 'load', 'show', 'spread', 'suggest']"
    with pytest.raises(AttributeError, match="no attribute 'spred'"):
        pcseg.spred  # type: ignore[attr-defined]  # noqa: B018


def test_spread_gives_what_the_tool_gives(tmp_path: Path) -> None:
    rooms = building(tmp_path)
    scene = read_scene(rooms / "Area_1" / "a", CLASSES, with_labels=True)
    assert scene.segment is not None
    rows = [f"Area_1/a,{index},{CLASSES.names[scene.segment[index]]}" for index in CLICKS]
    (tmp_path / "clicks.csv").write_text("\n".join(["scene,index,class", *rows]))
    kept = [f"root={rooms}", "splits=[Area_1]", "rule=csv", f"source={tmp_path}/clicks.csv"]
    for name, arguments in {
        "draw_labels": [*kept, f"output={tmp_path}/clicks.npz"],
        "spread_labels": [
            f"root={rooms}",
            f"labels={tmp_path}/clicks.npz",
            f"output={tmp_path}/spread.npz",
            "balance=false",
        ],
        "suggest_labels": [*kept[:2], "budget=7", f"labels={tmp_path}/clicks.npz", f"output={tmp_path}/next.csv"],
    }.items():
        done = tool_here(name, *arguments)
        assert done.returncode == 0, done.stderr
    written = WeakLabels.load(tmp_path / "spread.npz")
    labels, confidence = spread(scene)
    assert np.array_equal(labels, written.labels(scene))
    weights = written.weights(scene)
    assert weights is not None
    assert np.abs(np.minimum(confidence, 0.999) - np.minimum(weights, 0.999)).max() < 1e-3  # of 16 bits there
    chosen = pcseg.suggest(scene.coord, 7, scene.color, clicks_index=CLICKS, clicks_label=scene.segment[CLICKS])
    listed = [int(row["index"]) for row in csv.DictReader((tmp_path / "next.csv").open()) if row["scene"] == "Area_1/a"]
    assert chosen.tolist() == listed


@pytest.mark.parametrize("forest", [True, False])
def test_labels_follow_the_surface(scene: Scene, forest: bool) -> None:
    labels, confidence = spread(scene, forest=forest, keep=0.0)
    assert scene.segment is not None
    assert labels.dtype == np.int64
    assert confidence.dtype == np.float32
    assert (labels == scene.segment).mean() > 0.95
    assert (labels[CLICKS] == scene.segment[CLICKS]).all()
    assert (confidence[CLICKS] == 1).all()
    kept, sure = spread(scene, forest=forest, keep=0.9)
    assert np.array_equal(kept == -1, sure == 0)
    assert np.array_equal(kept[kept != -1], labels[kept != -1])


def test_neither_frame_nor_strays_nor_the_type_of_colors_matters(scene: Scene) -> None:
    labels, _ = spread(scene)
    assert scene.color is not None
    far = np.vstack([scene.coord + FAR, [[np.nan, 0, 0], [np.inf, 0, 0]]])
    color = np.vstack([scene.color, [[0, 0, 0]] * 2]) / 255
    found, confidence = pcseg.spread(far, [*CLICKS, 600], [*scene.segment[CLICKS], 1], color)  # type: ignore[index]
    assert (found[:600] == labels).mean() > 0.99  # float64 and colors of fractions differ in the last bits
    assert found[600:].tolist() == [-1, -1]
    assert confidence[600:].tolist() == [0, 0]
    chosen = pcseg.suggest(far, 20, color)
    assert len(set(chosen.tolist())) == 20
    assert chosen.max() < 600


def test_a_column_tells_surfaces_apart_that_nothing_else_does() -> None:
    grid = np.stack(np.meshgrid(np.arange(20), np.arange(20)), axis=-1).reshape(-1, 2) * 0.1
    xyz, bright = np.pad(grid, ((0, 0), (0, 1))), (grid[:, 0] > 1.45).astype(np.float32)
    clicks = np.array([0, 3])  # of which the second is far from where its class begins
    clicks[1] = np.flatnonzero(bright)[-1]
    plain, _ = pcseg.spread(xyz, clicks, [0, 1], forest=False, keep=0)
    told, _ = pcseg.spread(xyz, clicks, [0, 1], forest=False, keep=0, columns={"scalar_Intensity": bright})
    assert (told == bright).mean() > 0.98
    assert (plain == bright).mean() < 0.9


def test_the_last_of_two_clicks_on_a_point_counts(scene: Scene) -> None:
    labels, _ = pcseg.spread(scene.coord, [5, 300, 5], [0, 1, 2], scene.color, forest=False)
    assert labels[5] == 2


def test_suggestions_follow_the_doubt_of_a_network(scene: Scene) -> None:
    sure = np.tile(np.float32([1, 0, 0]), (600, 1))
    sure[400:] = 1 / 3
    chosen = pcseg.suggest(scene.coord, 5, scene.color, probabilities=sure)
    assert (chosen >= 400).all()
    assert len(pcseg.suggest(scene.coord[:4], 9)) == 4


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"clicks_index": []}, "6 labels in clicks_label"),
        ({"clicks_index": [], "clicks_label": []}, "clicks_index: is empty"),
        ({"clicks_index": [0, 1, 2, 3, 4, 600]}, "holds 600, but the points are 0 to 599"),
        ({"clicks_index": [0.5] * 6}, "clicks_index: is float64"),
        ({"clicks_label": [0, 1, 2, 0, 1, -1]}, "clicks_label: holds -1"),
        ({"n_classes": 2}, "clicks_label: holds 2, but n_classes=2"),
        ({"xyz": np.zeros((600, 2))}, "shape (600, 2)"),
        ({"xyz": np.full((600, 3), np.nan)}, "no point has finite coordinates"),
        ({"color": np.zeros((5, 3))}, "color has shape (5, 3)"),
        ({"columns": {"height": np.zeros(600)}}, "columns: height has a meaning of its own"),
        ({"columns": {"intensity": np.zeros(5)}}, "intensity has shape (5,)"),
        ({"rule": "near"}, "rule=near"),
        ({"keep": 2.0}, "keep"),
    ],
)
def test_mistakes_are_told_in_a_line(scene: Scene, change: dict[str, object], words: str) -> None:
    arguments = {"xyz": scene.coord, "clicks_index": CLICKS, "clicks_label": [0, 0, 1, 1, 2, 2], **change}
    with pytest.raises(InputError) as error:
        pcseg.spread(**arguments)  # type: ignore[arg-type]
    assert words in str(error.value)


def test_suggest_refuses_what_does_not_fit(scene: Scene) -> None:
    for words, more in {
        "budget=0": {"budget": 0},
        "give (600, K)": {"budget": 1, "probabilities": np.zeros((5, 2))},
    }.items():
        with pytest.raises(InputError) as error:
            pcseg.suggest(scene.coord, **more)  # type: ignore[arg-type]
        assert words in str(error.value)


def test_show_draws_all_that_it_is_given(scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels, confidence = spread(scene)
    assert scene.segment is not None
    xyz = np.vstack([[[np.nan] * 3], scene.coord + FAR])
    first = np.zeros((1, 3), np.uint8)
    shown = pcseg.show(
        xyz, np.append(-1, labels), np.vstack([first, scene.color]), CLASSES.names, truth=np.append(-1, scene.segment),
        confidence=np.append(0, confidence), clicks_index=CLICKS + 1, clicks_label=scene.segment[CLICKS], name="a <b>",
    )  # fmt: skip
    page = Page(shown.save(tmp_path / "a.html").read_text(encoding="utf-8"))
    assert page.payload["titles"] == ["Labels", "Clicks", "Color", "Ground truth", "Errors", "Confidence"]
    assert page.payload["layers"] == ["prediction", "labeled", "color", "truth", "errors", "confidence"]
    assert page.payload["notes"] == ["1 points without a place are left out"]
    assert np.array_equal(page.rows, np.arange(1, 601))
    assert np.abs(page.places - xyz[1:]).max() < 1e-4
    assert np.array_equal(page.array("prediction", "u1"), labels.astype(np.uint8))
    assert np.flatnonzero(page.array("labels", "u1") != 255).tolist() == CLICKS.tolist()
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    assert shown.open().as_uri() == opened[0]
    assert shown.open().read_bytes() == (tmp_path / "a.html").read_bytes()


def test_a_cell_holds_the_page_in_a_frame_that_cannot_reach_the_notebook(scene: Scene, tmp_path: Path) -> None:
    shown = pcseg.show(scene.coord, scene.segment, most=100, name="</iframe><script>\"'")
    frame = Page(shown._repr_html_())
    ((tag, attributes),) = frame.tags[1:]
    assert tag == "iframe"
    assert attributes["sandbox"] == "allow-scripts"
    assert attributes["srcdoc"] == shown.save(tmp_path / "a.html").read_text(encoding="utf-8")
    payload = Page(str(attributes["srcdoc"])).payload
    assert payload["points"] == 100
    assert [each["name"] for each in payload["classes"]] == ["class 0", "class 1", "class 2"]
    assert "600 points, height, Labels" in repr(shown)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"labels": np.zeros(5, int)}, "labels: is of shape (5,) for 600 points"),
        ({"labels": np.zeros(600)}, "labels: is float64"),
        ({"labels": np.full(600, 3), "classes": ["a", "b"]}, "holds 3, but there are 2 classes"),
        ({"confidence": np.zeros(5)}, "confidence: is of shape (5,)"),
    ],
)
def test_show_refuses_what_does_not_fit(scene: Scene, more: dict[str, object], words: str) -> None:
    with pytest.raises(InputError) as error:
        pcseg.show(scene.coord, **more)  # type: ignore[arg-type]
    assert words in str(error.value)
