"""A scan too large to be held: opened tile by tile, its clicks and exports are those of the whole scan."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pcseg.annotation.desk import Desk
from pcseg.annotation.log import read_entries
from pcseg.annotation.sources import open_place
from pcseg.annotation.tiles import cut
from pcseg.annotation.training import Training
from pcseg.budgets.label_imports import import_clicks
from pcseg.budgets.weak_labels import WeakLabels
from pcseg.datasets import ClassFile
from pcseg.errors import InputError
from pcseg.formats import read_cloud, write_cloud
from pcseg.scenes.scene import Scene
from tests.annotation.rooms import CLASSES, room, write_root
from tests.annotation.served import Client, served

COUNT, MOST = 6000, 2000
WHOLE = "train/scan"


def wide() -> Scene:
    """Return a room stretched over 40 by 40 meters, far from zero."""
    scene = room(COUNT)
    return Scene(scene.coord * 20, scene.attributes, WHOLE, np.array([400_000.0, 5_000_000.0, 90.0]), CLASSES)


@pytest.fixture(params=["las", "laz", "folder"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "folder":
        return write_root(tmp_path / "root", (WHOLE,), COUNT)
    scene = wide()
    fields = {"intensity": np.arange(COUNT) % 500}
    write_cloud(tmp_path / f"scan.{request.param}", scene.coord + scene.origin, color=scene.color, fields=fields)
    return tmp_path / f"scan.{request.param}"


def desk(path: Path, most: int = MOST) -> Desk:
    place = open_place(path, ClassFile(CLASSES)).cut(most)
    return Desk(place, "Ada", Training(place, Path("none.py"), 1))


def titles(client: Client) -> list[str]:
    return [scene["name"] for scene in client.ask("scenes")[1]["scenes"]]


def opened(client: Client, name: str) -> np.ndarray:
    """Open a scan or tile, and return the coordinates (P, 3) of its points at their places in the picture."""
    status, about, _ = client.send("open", scene=name)
    assert status == 200, about
    parts = [client.ask("points", scene=name, **{"from": 0})[2]["position"]]
    seen: np.ndarray = np.concatenate(parts).reshape(-1, 3) / 65535 * about["extent"] + about["origin"]
    return seen


def click(client: Client, name: str, where: np.ndarray, k: int, seen: np.ndarray, number: int) -> dict[str, Any]:
    place = int(np.linalg.norm(seen - where, axis=1).argmin())
    request = {"kind": "label", "places": [place], "class": CLASSES[k], "how": "click", "seconds": 1, "id": f"{number}"}
    status, about, _ = client.send("act", scene=name, **request)
    assert status == 200, about
    return about


def places(path: Path) -> np.ndarray:
    (source,) = open_place(path, ClassFile(CLASSES)).sources.values()
    scene = source.read()
    found: np.ndarray = np.asarray(scene.coord, dtype=np.float64) + scene.origin
    return found


def test_tiles_hold_every_point_once_and_no_more_than_they_may(path: Path) -> None:
    (source,) = open_place(path, ClassFile(CLASSES)).cut(MOST).sources.values()
    whole = open_place(path, ClassFile(CLASSES)).sources[source.name].read()
    assert source.tiles is not None
    assert source.tiles.identity == (COUNT, whole.digest())
    numbers = []
    for part in source.parts():
        found = part.open()
        assert found.numbers is not None
        assert len(found.scene) <= MOST
        np.testing.assert_array_equal(found.scene.coord, np.asarray(whole.coord)[found.numbers])
        np.testing.assert_array_equal(found.scene.color, np.asarray(whole.color)[found.numbers])
        np.testing.assert_allclose(found.scene.origin, whole.origin)
        numbers.append(found.numbers)
    assert len(numbers) > 3
    np.testing.assert_array_equal(np.sort(np.concatenate(numbers)), np.arange(COUNT))


def work(path: Path, most: int, chosen: list[int]) -> Iterator[Client]:
    """Label the points ``chosen``, each in the tile where it is; undo and redo one; then start anew."""
    where = places(path)
    with served(desk(path, most)) as (client, _):
        where_is = {}
        for name in titles(client):
            seen = opened(client, name)
            for point in chosen:
                if np.linalg.norm(seen - where[point], axis=1).min() < 0.02:
                    where_is[point] = name
        assert where_is.keys() == set(chosen), "no point is lost at a border"
        for number, point in enumerate(chosen):
            seen = opened(client, where_is[point])
            click(client, where_is[point], where[point], point % 3, seen, number)
        first = where_is[chosen[0]]
        opened(client, first)
        _, about, _ = client.send("act", scene=first, id="undo", kind="undo", seconds=1)
        assert about["clicks"] == len(chosen) - 1
        assert about["elsewhere"] == (where_is[chosen[-1]] != first)
        client.send("act", scene=first, id="redo", kind="redo", seconds=1)
    with served(desk(path, most)) as (client, _):
        yield client


def border(path: Path) -> list[int]:
    """Return points to click: some at random, and on either side of each border between tiles."""
    (source,) = open_place(path, ClassFile(CLASSES)).cut(MOST).sources.values()
    assert source.tiles is not None
    where, chosen = places(path), set(range(0, COUNT, 997))
    low = where.min(axis=0)
    for tile in source.tiles.about["tiles"]:
        side = low[0] + tile["corner"][0] - min(t["corner"][0] for t in source.tiles.about["tiles"])
        chosen |= set(np.abs(where[:, 0] - side).argsort()[:2].tolist())
    return sorted(chosen)


def test_clicks_and_exports_are_those_of_the_whole_scan(path: Path, tmp_path: Path) -> None:
    chosen = border(path)
    other = tmp_path / "whole" / path.name
    other.parent.mkdir()
    if path.is_dir():
        shutil.copytree(path, other)
    else:
        shutil.copy(path, other)
    shutil.rmtree(other / "annotations", ignore_errors=True)
    found = []
    for place, most in ((path, MOST), (other, 10**9)):
        for client in work(place, most, chosen):
            names = titles(client)
            assert len(names) == 1 or len(names) > 3
            rows = client.ask("scenes")[1]["scenes"]
            assert sum(row["labels"] for row in rows) == sum(row["clicks"] for row in rows) == len(chosen)
            opened(client, names[0])
            exports = {}
            for what in ("csv", "labels", "las"):
                status, about, _ = client.send("export", scene=names[0], what=what)
                assert status == 200, about
                exports[what] = Path(about["path"])
            found.append(exports)
    tiled, whole = found
    assert tiled["csv"].read_text() == whole["csv"].read_text()
    rows = list(csv.DictReader(tiled["csv"].open()))
    assert [int(row["index"]) for row in rows] == chosen
    labels, same = WeakLabels.load(tiled["labels"]), WeakLabels.load(whole["labels"])
    assert labels.sha256 == same.sha256
    scans = [source.read() for source in open_place(other, ClassFile(CLASSES)).sources.values()]
    classes = open_place(other, ClassFile(CLASSES)).classes
    assert labels.sha256 == import_clicks(scans, classes, tiled["csv"]).sha256, "as tools/draw_labels.py has it"
    one, two = read_cloud(tiled["las"]), read_cloud(whole["las"])
    np.testing.assert_array_equal(one.coord, two.coord)
    sure = one.fields["confidence"] == 1
    np.testing.assert_array_equal(np.flatnonzero(sure), chosen)
    np.testing.assert_array_equal(sure, two.fields["confidence"] == 1)
    np.testing.assert_array_equal(one.fields["label"][sure], two.fields["label"][sure])
    assert (one.fields["label"] >= 0).mean() > 0.5, "labels have spread in the tiles that have any"


def test_the_log_is_that_of_the_scan_so_that_tiles_may_change(path: Path) -> None:
    chosen = border(path)
    list(work(path, MOST, chosen))
    with served(desk(path, MOST // 3)) as (client, _):
        assert sum(row["labels"] for row in client.ask("scenes")[1]["scenes"]) == len(chosen)
    with served(desk(path, 10**9)) as (client, _):
        (name,) = titles(client)
        opened(client, name)
        marks = client.ask("nodes", scene=name)[2]["marks"]
    assert len(marks) == len(chosen)
    log = next(iter(open_place(path, ClassFile(CLASSES)).sources.values())).log
    assert [entry["points"] for entry in read_entries(log) if entry["kind"] == "label"] == [[p] for p in chosen]


def test_two_windows_cannot_have_two_tiles_of_a_scan(path: Path) -> None:
    with served(desk(path)) as (client, _):
        first, second, *_ = titles(client)
        opened(client, first)
        other = Client(client.address, "window-two")
        status, about, _ = other.send("open", scene=second)
        assert status == 409
        assert about["text"].startswith(f"{first}: is open in another window")
        assert other.send("open", scene=second, force=True)[0] == 200
        assert client.send("act", scene=first, id="1", kind="undo", seconds=1)[0] == 409


def test_strays_do_not_spoil_the_tiles(tmp_path: Path) -> None:
    scene = wide()
    coord = scene.coord + scene.origin
    coord[7] += (0, 0, 1e5)
    write_cloud(tmp_path / "scan.las", coord, color=scene.color)
    path = tmp_path / "scan.las"
    (source,) = open_place(path, ClassFile(CLASSES)).cut(MOST).sources.values()
    whole = open_place(path, ClassFile(CLASSES)).sources[WHOLE].read()
    assert source.tiles is not None
    assert source.tiles.identity == (COUNT, whole.digest())
    assert len(source.parts()) > 3


def test_a_copy_is_made_anew_when_the_scan_changes(path: Path, tmp_path: Path) -> None:
    (source,) = open_place(path, ClassFile(CLASSES)).sources.values()
    folder = tmp_path / "copy" / "scan"
    first = cut(source.path, folder, MOST)
    before = (folder / "tiles.json").stat().st_mtime_ns
    assert cut(source.path, folder, MOST).about == first.about
    assert (folder / "tiles.json").stat().st_mtime_ns == before
    cut(source.path, folder, MOST // 2)
    assert len(cut(source.path, folder, MOST // 2).names) > len(first.names)


def test_the_whole_of_a_large_scan_is_not_opened(path: Path) -> None:
    (source,) = open_place(path, ClassFile(CLASSES)).cut(MOST).sources.values()
    with pytest.raises(InputError, match="tile by tile"):
        source.open()


def test_a_copy_cut_anew_is_not_read_as_the_old_one(path: Path) -> None:
    """Another start with another tile= replaces it; a page that is still open must not take its points for the old."""
    (source,) = open_place(path, ClassFile(CLASSES)).cut(MOST).sources.values()
    tiles = source.tiles
    assert tiles is not None
    open_place(path, ClassFile(CLASSES)).cut(MOST // 2)
    for read in (
        lambda: tiles.tile(0, "a", CLASSES),
        lambda: tiles.tile_of(np.array([0])),
        lambda: tiles.scene("a", CLASSES),
    ):
        with pytest.raises(InputError, match="cut into tiles anew"):
            read()
