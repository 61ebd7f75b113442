"""Colors, packed answers, nodes, and the places that can be labeled."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.csgraph import dijkstra

from pcseg.annotation.nodes import bounded_graph, reach, voxel_size
from pcseg.annotation.palette import difference, safe_colors
from pcseg.annotation.sources import open_place
from pcseg.annotation.wire import pack, unpack
from pcseg.datasets import ClassFile
from pcseg.errors import InputError
from pcseg.formats import write_cloud
from pcseg.pseudo import surface_graph
from tests.annotation.rooms import CLASSES, room, write_root

MEANING = ClassFile(CLASSES)


@pytest.mark.parametrize(("count", "least"), [(7, 0.07), (13, 0.07), (20, 0.06)])
def test_colors_differ_to_all_eyes(count: int, least: float) -> None:
    colors = safe_colors(count)
    assert len(set(colors)) == count
    assert min(difference(one, other) for one, other in combinations(colors, 2)) > least
    assert safe_colors(count + 1)[:count] == colors


def test_red_and_green_look_alike_to_some() -> None:
    assert difference((200, 60, 40), (120, 110, 40)) < 0.1 < difference((200, 60, 40), (60, 90, 200))


ARRAYS = st.dictionaries(
    st.text(min_size=1, max_size=5),
    st.tuples(st.sampled_from(["uint8", "uint16", "uint32", "float32"]), st.lists(st.integers(0, 255), max_size=9)),
    max_size=4,
)


@settings(max_examples=50, deadline=None)
@given(ARRAYS, st.text(max_size=9))
def test_what_is_packed_is_unpacked_and_each_array_begins_at_a_multiple_of_four(
    arrays: dict[str, tuple[str, list[int]]], text: str
) -> None:
    made = {name: np.array(values, dtype=kind) for name, (kind, values) in arrays.items()}
    raw = pack({"text": text}, made)
    about, found = unpack(raw)
    assert about == {"text": text}
    assert found.keys() == made.keys()
    assert all(np.array_equal(found[name], made[name]) and found[name].dtype == made[name].dtype for name in made)
    assert int.from_bytes(raw[:4], "little") % 4 == 0
    assert len(raw) % 4 == 0


def test_large_scans_have_a_bounded_number_of_nodes() -> None:
    scene = room(30_000)
    graph, size = bounded_graph(scene, most=2000)
    assert 1000 < len(graph) <= 2400
    assert size > 0
    cells = np.floor((scene.coord - scene.coord.min(axis=0)).astype(np.float64) / size)
    assert len(np.unique(cells, axis=0)) == pytest.approx(len(graph), rel=0.1)
    whole, none = bounded_graph(room(90), most=2000)
    assert (len(whole), none) == (90, 0)


@pytest.mark.parametrize("coord", [np.zeros((5000, 3), np.float32), np.eye(3, dtype=np.float32)])
def test_a_size_is_found_for_degenerate_scans(coord: np.ndarray) -> None:
    assert voxel_size(coord, 100) > 0


def test_a_root_of_scenes_a_file_and_a_folder_of_files_can_be_labeled(tmp_path: Path) -> None:
    root = write_root(tmp_path / "root", ("train/a", "test/b"), count=30)
    (root / "annotations" / "train" / "x").mkdir(parents=True)
    place = open_place(root, MEANING)
    assert list(place.sources) == ["test/b", "train/a"]
    assert place.sources["test/b"].log == root / "annotations/test/b.jsonl"
    scans = tmp_path / "scans"
    for name in ("one.ply", "deep/er/two.xyz", "annotations/exported/three.ply", "four.ply.annotations/five.ply"):
        (scans / name).parent.mkdir(parents=True, exist_ok=True)
        write_cloud(scans / name, room(30).coord.astype(np.float64))
    place = open_place(scans, MEANING)
    assert list(place.sources) == ["deep/er_two", "train/one"]
    assert place.sources["deep/er_two"].log == scans / "annotations/deep/er_two.jsonl"
    assert len(place.sources["deep/er_two"].read()) == 30
    (only,) = open_place(scans / "one.ply", MEANING).sources.values()
    assert (only.name, only.log) == ("train/one", scans / "one.ply.clicks.jsonl")


def test_places_without_scans_are_refused(tmp_path: Path) -> None:
    (tmp_path / "note.md").write_text("x")
    for path, fault in (
        (tmp_path, "neither"),
        (tmp_path / "none", "no such"),
        (tmp_path / "note.md", "unknown format"),
    ):
        with pytest.raises(InputError, match=fault):
            open_place(path, MEANING)


def test_the_reach_of_a_label_is_a_length_and_not_a_number_of_points() -> None:
    few, many = room(1500), room(6000)
    found = []
    for scene in (few, many):
        graph = surface_graph(scene.coord, scene.attributes)
        (node,) = graph.node[[0]]
        cost = dijkstra(graph.cost, indices=int(node))
        away = np.linalg.norm(graph.position - graph.position[node], axis=1)
        found.append(float(np.interp(reach(graph), np.sort(cost[::3]), np.sort(away[::3]))))  # meters on the floor
    assert found[0] == pytest.approx(found[1], rel=0.5)
    assert reach(surface_graph(np.zeros((3, 3)), {})) > 0
