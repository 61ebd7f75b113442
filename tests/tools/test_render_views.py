"""tools/render_views.py as typed: pictures of scans without photographs, on which the tools of frames go on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pcseg.budgets.draw import draw_uniform
from pcseg.budgets.weak_labels import WeakLabels
from pcseg.classes import IGNORE, S3DIS, Classes
from pcseg.datasets import open_dataset
from pcseg.scenes.scene import Scene, read_scene, write_scene
from pcseg.simulation import Settings, simulate_room
from tests.tools._runs import failed, tool_here

ROOM, TILE = "Area_1/office_1", Classes(("ground", "house"))


@pytest.fixture(scope="module")
def building(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a prepared room, and pictures taken inside it, prepared too."""
    root = tmp_path_factory.mktemp("views")
    simulate_room(root / "raw", 1, 0, Settings(points=20_000)).rename(root / "room")
    (root / "raw" / ROOM).parent.mkdir(exist_ok=True)
    (root / "room").rename(root / "raw" / ROOM)
    write_scene(root / "scenes", open_dataset(str(root / "raw"), "s3dis").read(ROOM)[0])
    arguments = ("cameras=inside", "size=[96,128]", "field=75", f"output={root}/views")
    done = tool_here("render_views", f"root={root}/scenes", "splits=[Area_1]", *arguments)
    assert done.returncode == 0, done.stderr
    prepared = (f"input={root}/views", f"output={root}/pictures", "dataset=frames", "workers=1")
    done = tool_here("prepare", *prepared)
    assert done.returncode == 0, done.stderr
    return root


def test_labels_of_the_pictures_come_back_to_the_points(building: Path, tmp_path: Path) -> None:
    arguments = (f"root={building}/scenes", "splits=[Area_1]", f"frames={building}/views", f"output={tmp_path}/a.npz")
    done = tool_here("lift_labels", *arguments)
    assert done.returncode == 0, done.stderr
    scene = read_scene(building / "scenes" / ROOM, S3DIS, with_labels=True)
    found = WeakLabels.load(tmp_path / "a.npz").labels(scene)
    known = found != IGNORE
    assert known.mean() > 0.7
    assert (found == scene.segment)[known].mean() > 0.93


def test_a_budget_is_drawn_into_the_pictures(building: Path, tmp_path: Path) -> None:
    scene = read_scene(building / "scenes" / ROOM, S3DIS, with_labels=True)
    draw_uniform([scene], S3DIS, 0.3).save(tmp_path / "budget.npz")
    paths = (f"root={building}/scenes", f"frames={building}/views", f"pictures={building}/pictures")
    output = (f"labels={tmp_path}/budget.npz", f"output={tmp_path}/drawn.npz")
    done = tool_here("render_labels", *paths, "splits=[Area_1]", *output)
    assert done.returncode == 0, done.stderr
    labels, right, count = WeakLabels.load(tmp_path / "drawn.npz"), 0, 0
    pictures = sorted((building / "pictures" / "Area_1").iterdir())
    assert len(labels.scenes) == len(pictures) >= 10
    for folder in pictures:
        picture = read_scene(folder, S3DIS, with_labels=True)
        found = labels.labels(picture)
        known = found != IGNORE
        count += known.sum()
        right += (found == picture.segment)[known].sum()
    assert count > 0.1 * labels.points
    assert right == count  # both are of the same nearest point


def write_tile(root: Path, name: str, seed: int) -> Scene:
    """Write 30 x 30 m of ground, of intensity 100 to 200, and a roof of 300, in coordinates of a map."""
    rng = np.random.default_rng(seed)
    segment = (np.arange(6000) >= 5000).astype(np.int16)
    coord = rng.uniform(0, 30, (6000, 3)) * [1, 1, 0.001]
    coord[segment == 1] = coord[segment == 1] * [0.3, 0.3, 1] + [10, 10, 5]
    intensity = np.where(segment, 300, rng.uniform(100, 200, 6000)).astype(np.uint16)
    columns = {"intensity": intensity, "number_of_returns": np.ones(6000, np.uint8), "segment": segment}
    origin = np.array([770000.0, 6277000, 20])
    scene = Scene(coord.astype(np.float32), columns, name, origin, TILE.names)
    write_scene(root, scene)
    return scene


ABOVE = ("size=[60,80]", "resolution=0.4", "channels=[intensity,height,number_of_returns]")


def test_an_airborne_scan_from_above(tmp_path: Path) -> None:
    root, views = tmp_path / "tiles", tmp_path / "views"
    scene = write_tile(root, "train/a", 0)
    done = tool_here("render_views", f"root={root}", "splits=[train]", *ABOVE, f"output={views}")
    assert done.returncode == 0, done.stderr
    count = len(list((views / "train/a/color").iterdir()))
    assert count >= 5
    assert count % 5 == 0
    assert f"{count} pictures of 80 x 60 pixels" in done.stdout
    color, label = (np.asarray(Image.open(views / f"train/a/{kind}/0.png")) for kind in ("color", "label"))
    assert json.loads((views / "train/a/label/classes.json").read_text())["2"] == "house"
    assert (color[label == 0] == 0).all()
    assert (color[label == 2][:, :2] > 250).all()  # the roof is brightest and highest
    assert color[label == 1][:, 0].max() < 150
    assert color[label == 1][:, 1].max() < 5
    lifted = (f"root={root}", "splits=[train]", f"frames={views}", f"output={tmp_path}/a.npz")
    done = tool_here("lift_labels", *lifted)
    assert done.returncode == 0, done.stderr
    found = WeakLabels.load(tmp_path / "a.npz").labels(scene)
    assert (found != IGNORE).mean() > 0.9
    assert (found == scene.segment)[found != IGNORE].mean() > 0.97


def test_scans_that_come_later_are_colored_alike(tmp_path: Path) -> None:
    root, views = tmp_path / "tiles", tmp_path / "views"
    write_tile(root, "train/a", 0)
    arguments = (f"root={root}", *ABOVE, f"output={views}")
    assert tool_here("render_views", *arguments, "splits=[train]").returncode == 0
    ranges, before = (views / "views.json").read_bytes(), (views / "train/a/color/0.png").stat().st_mtime_ns
    scene = write_tile(root, "val/b", 1)
    np.save(root / "val/b/intensity.npy", scene.attributes["intensity"] * 2)
    done = tool_here("render_views", *arguments, "splits=[train,val]", "truth=false")
    assert done.returncode == 0, done.stderr
    assert (views / "views.json").read_bytes() == ranges
    assert (views / "train/a/color/0.png").stat().st_mtime_ns == before
    assert not (views / "val/b/label").exists()
    first, second = (np.asarray(Image.open(views / f"{name}/color/0.png"))[..., 0] for name in ("train/a", "val/b"))
    assert np.median(second[second > 0]) > 1.5 * np.median(first[first > 0])
    other = [argument for argument in arguments if not argument.startswith("channels")]
    failed(tool_here("render_views", *other, "splits=[val]", "channels=[height,intensity,ones]"), "views.json")


def test_pictures_of_one_output_are_taken_alike(tmp_path: Path) -> None:
    root, views = tmp_path / "tiles", tmp_path / "views"
    write_tile(root, "train/a", 0)
    write_tile(root, "val/b", 1)
    arguments = (f"root={root}", *ABOVE[1:], f"output={views}")
    first = (*arguments, "size=[60,80]", "splits=[train]")
    assert tool_here("render_views", *first).returncode == 0
    assert tool_here("render_views", *first, "step=3").returncode == 0  # which is of cameras inside
    for other in (["size=[80,100]"], ["size=[60,80]", "cameras=inside"], ["size=[60,80]", "tilts=[0]"]):
        name = other[-1].partition("=")[0]
        done = tool_here("render_views", *arguments, "splits=[train]", *other)
        failed(done, "train/a/settings.json: begun with other settings", f"{name} was", "another output", "overwrite")
    other = (*arguments, "size=[80,100]", "overwrite=true")
    failed(tool_here("render_views", *other, "splits=[val]"), "train/a/settings.json", "size was")
    assert not (views / "val").exists()
    assert tool_here("render_views", *other, "splits=[train]").returncode == 0
    assert Image.open(views / "train/a/color/0.png").size == (100, 80)


def test_scans_without_a_place_for_a_camera(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    columns = {"color": rng.integers(0, 255, (9000, 3)).astype(np.uint8)}
    scene = Scene(rng.uniform(0, 2, (9000, 3)).astype(np.float32), columns, "train/full", classes=TILE.names)
    write_scene(tmp_path / "scans", scene)
    arguments = (f"root={tmp_path}/scans", "splits=[train]", f"output={tmp_path}/views")
    done = tool_here("render_views", *arguments, "cameras=inside")
    assert done.returncode == 0, done.stderr
    assert "1 scans without a place for a camera" in done.stdout
    assert not (tmp_path / "views" / "train" / "full").exists()
    (tmp_path / "views" / "views.json").write_text('{"channels": ["color"], "ranges": [1]}')
    failed(tool_here("render_views", *arguments), "views.json: holds no ranges")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["cameras=below"], ["cameras=below: give above or inside"]),
        (["size=[60]"], ["size=[60]"]),
        (["size=[60,4]"], ["size=[60, 4]"]),
        (["channels=[intensity,height]"], ["channels=['intensity', 'height']: are 2"]),
        (["channels=[color]"], ["train/a: has no color"]),
        (["channels=[intensity,height,echo]"], ["has no echo"]),
        (["tilts=[95]"], ["tilts=(95.0,)"]),
        (["resolution=0"], ["resolution=0"]),
        (["resolution=0.0001"], ["train/a: resolution=0.0001: ", "views of 30.0 x 30.0 m, more than 10,000"]),
        (["splits=[test]"], ["test: no scene folder here"]),
    ],
)
def test_options_that_cannot_be(tmp_path: Path, options: list[str], words: list[str]) -> None:
    write_tile(tmp_path / "tiles", "train/a", 0)
    arguments = {name: value for name, _, value in (part.partition("=") for part in (*ABOVE, "splits=[train]"))}
    arguments |= {name: value for name, _, value in (part.partition("=") for part in options)}
    given = [f"{name}={value}" for name, value in arguments.items()]
    done = tool_here("render_views", f"root={tmp_path}/tiles", f"output={tmp_path}/views", *given)
    failed(done, *words)
    assert not (tmp_path / "views" / "train").exists()
