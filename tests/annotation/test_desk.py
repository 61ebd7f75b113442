"""Whole work through the page's own requests: open, label, undo, take over, ask for advice, export."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pcseg.annotation.log import read_entries
from pcseg.annotation.spread import NONE
from pcseg.budgets.weak_labels import WeakLabels
from pcseg.classes import Classes
from pcseg.formats import read_cloud, write_cloud
from pcseg.scenes.scene import read_scene
from tests.annotation.rooms import CLASSES, room, write_root
from tests.annotation.served import Client, make_desk, served

ROOM, HALL = "train/room", "train/hall"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_root(tmp_path / "root", (ROOM, HALL), count=300)


@pytest.fixture
def client(root: Path) -> Iterator[Client]:
    with served(make_desk(root)) as (found, _):
        yield found


def opened(client: Client, name: str = ROOM) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    status, about, _ = client.send("open", scene=name)
    assert status == 200, about
    return about, client.ask("nodes", scene=name)[2]


def places(client: Client, name: str, points: list[int]) -> list[int]:
    """Return the places in the picture of points, by their positions there."""
    scene = room(300, 0 if name == ROOM else 1)
    status, _, part = client.ask("points", scene=name, **{"from": 0})
    assert status == 200
    about = client.send("open", scene=name)[1]
    seen = part["position"].reshape(-1, 3) / 65535 * about["extent"] + about["low"]
    return [int(np.linalg.norm(seen - scene.coord[point], axis=1).argmin()) for point in points]


def act(client: Client, number: int, name: str = ROOM, **request: Any) -> tuple[int, dict[str, Any], dict[str, Any]]:
    return client.send("act", scene=name, id=f"id-{number}", seconds=1, **request)


def test_the_picture_is_the_scan_in_another_order(client: Client) -> None:
    about, nodes = opened(client)
    _, _, part = client.ask("points", scene=ROOM, **{"from": 0})
    scene = room(300)
    seen = part["position"].reshape(-1, 3) / 65535 * about["extent"] + about["low"]
    order = np.lexsort(np.round(seen, 3).T)
    np.testing.assert_allclose(seen[order], scene.coord[np.lexsort(np.round(scene.coord, 3).T)], atol=2e-3)
    assert len(nodes["light"]) == about["nodes"] == 300
    assert not np.array_equal(seen[:50], scene.coord[:50])


def test_labels_are_on_disk_when_they_are_confirmed_and_there_again_later(root: Path, client: Client) -> None:
    opened(client)
    floor, wall = places(client, ROOM, [0, 1])
    status, about, arrays = act(client, 1, kind="label", places=[floor], **{"class": "floor"}, how="click")
    assert status == 200
    assert about["given"] == [1, 0, 0]
    assert set(arrays["label"].tolist()) <= {0, NONE}
    log = root / "annotations/train/room.jsonl"
    assert read_entries(log)[-1]["points"] == [0]
    assert read_entries(log)[-1]["by"] == "Ada"
    act(client, 2, kind="label", places=[wall], **{"class": CLASSES[1]}, how="click")
    act(client, 3, kind="undo")
    status, about, _ = act(client, 4, kind="redo")
    assert (about["undo"], about["redo"], about["seconds"]) == (2, 0, 4)
    spread = opened(client)[1]["label"]
    client.send("open", scene=HALL)  # closes the room
    again, nodes = opened(client)
    assert again["given"] == [1, 1, 0]
    assert (nodes["label"] == spread).all()
    assert sorted(nodes["classes"].tolist()) == [0, 1]
    assert [scene["labels"] for scene in client.ask("scenes")[1]["scenes"]] == [0, 2]


def test_a_request_that_comes_twice_counts_once(client: Client) -> None:
    opened(client)
    for _ in range(2):
        status, about, _ = act(client, 1, kind="label", places=[5], **{"class": "floor"}, how="click")
        assert status == 200
    assert (about["clicks"], about["seconds"]) == (1, 1)


@pytest.mark.parametrize(
    "request_",
    [
        {"kind": "label", "places": [300], "class": "floor", "how": "click"},
        {"kind": "label", "places": ["1"], "class": "floor", "how": "click"},
        {"kind": "label", "places": [1], "class": "door", "how": "click"},
        {"kind": "label", "class": "floor", "how": "click"},
        {"kind": "undo"},
        {"kind": "scene"},
        {"kind": "note", "text": 3},
        {},
    ],
)
def test_a_request_that_makes_no_sense_leaves_no_trace(root: Path, client: Client, request_: dict[str, Any]) -> None:
    opened(client)
    before = (root / "annotations/train/room.jsonl").read_bytes()
    assert act(client, 1, **request_)[0] == 422
    assert (root / "annotations/train/room.jsonl").read_bytes() == before


def test_a_second_window_and_a_second_process_are_told(root: Path, client: Client) -> None:
    opened(client)
    other = Client(client.address, "window-two")
    status, about, _ = other.send("open", scene=ROOM)
    assert (status, about["text"]) == (409, f"{ROOM}: is open in another window")
    assert other.send("open", scene=HALL)[0] == 200
    assert other.send("open", scene=ROOM, force=True)[0] == 200
    assert act(client, 1, kind="undo")[0] == 409
    with served(make_desk(root)) as (second, _):
        status, about, _ = second.send("open", scene=ROOM)
        assert status == 422
        assert "is being labeled by Ada" in about["text"]
        assert second.send("open", scene=HALL)[0] == 200  # which window two has left


def test_a_window_that_left_and_comes_back_is_not_asked(client: Client) -> None:
    opened(client)
    client.send("leave")
    assert Client(client.address, "window-two").send("open", scene=ROOM)[0] == 200


def test_notes_are_kept_with_their_place(client: Client) -> None:
    opened(client)
    _, about, _ = act(client, 1, kind="note", text="<img src=x onerror=alert(1)>", place=7)
    assert about["notes"][0] | {"at": ""} == {
        "text": "<img src=x onerror=alert(1)>", "at": "", "by": "Ada", "place": 7,
    }  # fmt: skip


def test_advice_names_places_and_a_piece_is_labeled_as_one(client: Client) -> None:
    opened(client)
    status, about, _ = client.send("suggest", scene=ROOM, skipped=[])
    assert status == 200
    assert len({spot["place"] for spot in about["spots"]}) == len(about["spots"]) > 2
    first = about["spots"][0]
    np.testing.assert_allclose(first["at"], room(300).coord[first["point"]] - room(300).coord.min(axis=0), atol=1e-5)
    _, state, _ = act(client, 1, kind="label", places=[first["place"]], **{"class": "wall"}, how="piece")
    assert 1 < state["given"][1] <= 64
    _, after, _ = client.send("suggest", scene=ROOM, skipped=[about["spots"][1]["place"]])
    assert about["spots"][1]["place"] not in [spot["place"] for spot in after["spots"]]
    assert client.send("review", scene=ROOM)[0] == 422


def test_a_network_s_view_is_shown_and_compared(root: Path) -> None:
    desk = make_desk(root)
    with served(desk) as (client, _):
        opened(client)
        floor, wall = places(client, ROOM, [0, 1])
        act(client, 1, kind="label", places=[floor], **{"class": "floor"}, how="click")
        act(client, 2, kind="label", places=[wall], **{"class": "wall"}, how="click")
        session = desk.session(ROOM, client.page)
        sure = np.tile(np.array([0.1, 0.8, 0.1], np.float32), (300, 1))
        sure[5] = 0
        session.predicted(sure)
        views = client.ask("views", scene=ROOM)[2]
        assert (np.delete(views["prediction"], 5) == 1).all()
        assert (views["prediction"][5], views["doubt"][5]) == (NONE, 255)
        np.testing.assert_allclose(np.delete(views["doubt"], 5), round(255 * 0.3), atol=1)
        _, about, _ = client.send("review", scene=ROOM)
        mine = [spot for spot in about["spots"] if spot["whose"] == "person"]
        assert [(spot["place"], spot["label"], spot["prediction"]) for spot in mine] == [(floor, 0, 1)]
        assert all(spot["label"] != spot["prediction"] for spot in about["spots"])


def test_exports_are_what_the_tools_read(root: Path, client: Client) -> None:
    opened(client)
    status, about, _ = client.send("export", scene=ROOM, what="csv")
    assert (status, about["text"]) == (422, "there is no click yet; label points first")
    floor, wall = places(client, ROOM, [0, 1])
    act(client, 1, kind="label", places=[floor], **{"class": CLASSES[2]}, how="click")
    act(client, 2, kind="label", places=[wall], **{"class": "wall"}, how="click")
    _, about, _ = client.send("export", scene=ROOM, what="labels")
    labels = WeakLabels.load(about["path"])
    scene = read_scene(root / ROOM, Classes(CLASSES), with_labels=False)
    assert np.flatnonzero(labels.labels(scene) >= 0).tolist() == [0, 1]
    assert labels.labels(scene)[:2].tolist() == [2, 1]
    for what in ("ply", "las"):
        status, about, _ = client.send("export", scene=ROOM, what=what, classification=what == "las")
        cloud = read_cloud(about["path"])
        np.testing.assert_allclose(cloud.coord, scene.coord, atol=1e-4)
        sure = cloud.fields["confidence"]
        assert (sure == 1).nonzero()[0].tolist() == [0, 1], "only those that a person labeled"
        assert cloud.fields["label"][:2].tolist() == [2, 1]
    assert cloud.fields["classification"][:2].tolist() == [2, 1]
    assert client.send("export", scene=ROOM, what="../x")[0] == 422


def test_a_raw_scan_keeps_its_clicks_beside_it_and_its_points_in_order(tmp_path: Path) -> None:
    scene, path = room(300), tmp_path / "scan.ply"
    coord = scene.coord + np.array([400_000.0, 5_000_000.0, 100.0])
    coord[7] = np.nan
    write_cloud(path, coord, color=scene.color, fields={"intensity": np.arange(300, dtype=np.float32)})
    with served(make_desk(path)) as (client, _):
        about, _ = opened(client, "train/scan")
        assert about["points"] == 299
        assert about["intensity"]
        act(client, 1, "train/scan", kind="label", places=[3], **{"class": "wall"}, how="click")
        _, told, _ = client.send("export", scene="train/scan", what="ply")
        cloud = read_cloud(told["path"])
        np.testing.assert_array_equal(cloud.coord, coord)
        assert cloud.fields["label"][7] == -1
        assert (cloud.fields["confidence"] == 1).sum() == 1
    assert (tmp_path / "scan.ply.clicks.jsonl").is_file()


def test_a_log_of_another_scan_is_refused(root: Path, client: Client) -> None:
    opened(client)
    client.send("open", scene=HALL)
    log = root / "annotations/train/room.jsonl"
    log.write_text(log.read_text().replace('"points":300', '"points":301'))
    status, about, _ = client.send("open", scene=ROOM)
    assert status == 422
    assert "is of another scan (301 points)" in about["text"]
