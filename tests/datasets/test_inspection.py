"""What a look over a data set finds, on scenes made wrong in one way each."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from pcseg.datasets.inspection import Facts, _extent, inspect, judge, suggest_voxel_size
from pcseg.scenes.scene import Scene

NAMES = ("a", "b")


def grid(name: str = "train/s", step: float = 0.02, side: int = 12, **changes: object) -> Scene:
    """A cube of side ** 3 points, labeled a and b by turns, in two colors."""
    axis = np.arange(side) * step
    coord = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3).astype(np.float32)
    turns = np.arange(len(coord)) % 2
    values: dict = {
        "coord": coord,
        "segment": turns,
        "color": np.repeat(turns[:, None] * 9, 3, axis=1).astype(np.uint8),
    }
    values |= changes
    return Scene(values.pop("coord"), {key: array for key, array in values.items() if array is not None}, name)


def facts(*scenes: Scene) -> list[Facts]:
    return [inspect(scene, len(NAMES)) for scene in scenes]


def told(*scenes: Scene) -> list[tuple[str, bool]]:
    return [(finding.text, finding.fault) for finding in judge(facts(*scenes), NAMES)]


def test_facts() -> None:
    (found,) = facts(grid())
    assert found.points == 12**3
    assert found.split == "train"
    np.testing.assert_allclose(found.extent, 0.22, rtol=1e-5)
    assert found.spacing == pytest.approx(0.02, rel=1e-3)
    assert found.histogram is not None
    assert found.histogram.tolist() == [864, 864]
    assert found.duplicates == 0
    assert found.colors == "varied"
    assert told(grid()) == []


def test_spacing_of_a_large_cloud() -> None:
    coord = np.random.default_rng(0).random((20_000, 3)).astype(np.float32)
    exact = np.median(np.asarray(cKDTree(coord).query(coord, k=2)[0])[:, 1])
    (found,) = facts(Scene(coord, name="train/s"))
    assert found.spacing == pytest.approx(exact, rel=0.1)


def test_duplicates_are_counted() -> None:
    coord = grid().coord
    (found,) = facts(
        Scene(np.concatenate([coord, coord[:432], -coord[:1]]), name="train/s")
    )  # the last is (-0, -0, -0)
    assert found.duplicates == pytest.approx(433 / (12**3 + 432))


@pytest.mark.parametrize(
    ("changes", "text", "fault"),
    [
        ({"step": 100.0}, "probably millimeters", True),
        ({"coord": np.zeros((12**3, 3), np.float32)}, "stand in one place", True),
        ({"segment": np.full(12**3, -1)}, "every point in it is unlabeled", False),
        ({"segment": None}, "no scene has labels", False),
        ({"segment": None}, "1 of 1 scenes have no labels (train/s)", False),
        ({"segment": np.zeros(12**3, int)}, "no point of b", False),
        ({"color": None}, "1 of 1 scenes have no colors", False),
        ({"color": np.full((12**3, 3), 7, np.uint8)}, "the same color", False),
    ],
)
def test_findings(changes: dict, text: str, fault: bool) -> None:
    assert any(text in found and fault == is_fault for found, is_fault in told(grid(**changes)))


def test_a_label_alone() -> None:
    segment = np.full(12**3, -1)
    segment[5] = 1
    (found,) = facts(grid(segment=segment))
    assert found.histogram is not None
    assert found.histogram.tolist() == [0, 1]


def test_a_mountain_in_meters_is_no_millimeters() -> None:
    rng = np.random.default_rng(0)
    ground = rng.uniform(0, 1000, (3000, 1, 3))
    coord = (ground + rng.uniform(0, 1, (3000, 2, 3))).reshape(-1, 3).astype(np.float32)  # points in pairs, 0.6 m apart
    mountain = grid(coord=coord, color=None, segment=np.arange(6000) % 2)
    assert facts(mountain)[0].extent[2] > 500
    assert not any(fault for _, fault in told(mountain))


def test_twins_are_a_fault_only_across_splits() -> None:
    assert told(grid("train/a"), grid("train/b")) == [("the same points as train/a", False)]
    assert told(grid("train/a"), grid("test/b")) == [
        ("the same points as train/a, which is in another split; remove one", True)
    ]


@pytest.mark.parametrize(
    ("spacing", "extent", "size"),
    [(0.005, 8.0, 0.02), (0.029, 6.0, 0.05), (0.005, 20.0, 0.05), (0.001, 0.5, 0.005), (0.4, 300.0, 1.0)],
)
def test_voxel_size(spacing: float, extent: float, size: float) -> None:
    found = Facts("train/s", 1000, np.full(3, extent), spacing, 0.0, "varied", None, "")
    assert suggest_voxel_size([found]) == size


def of_classes(name: str, *counts: int) -> Facts:
    return Facts(name, sum(counts), np.full(3, 5.0), 0.02, 0.0, "varied", np.array(counts), name)


@pytest.mark.parametrize(
    ("members", "texts"),
    [
        (
            [of_classes("train/a", 900, 0), of_classes("test/b", 9, 9)],
            ["no point of b, which is in test; it can hardly"],
        ),
        ([of_classes("train/a", 900, 9), of_classes("test/b", 9, 9)], ["only 9 points of b, which is in test; it can"]),
        ([of_classes("train/a", 900, 9)], ["only 9 points of b; it can hardly be learned"]),
        ([of_classes("train/a", 900, 900), of_classes("test/b", 9, 0)], []),
        ([of_classes("Area_1/a", 900, 0), of_classes("Area_5/b", 9, 9)], ["the only split with b; if it is held back"]),
        ([of_classes("Area_1/a", 900, 5), of_classes("Area_5/b", 9, 9)], []),
        ([of_classes("Area_1/a", 900, 5)], []),
    ],
)
def test_classes_that_are_not_in_every_split(members: list[Facts], texts: list[str]) -> None:
    found = [finding.text for finding in judge(members, NAMES)]
    assert len(found) == len(texts)
    assert all(part in text for part, text in zip(texts, found, strict=True))


@pytest.mark.parametrize("stray", [(0, 0, 1e9), (-1e12, 0, 0), (40, 0, 0)])
def test_one_stray_decides_nothing(stray: tuple[float, float, float]) -> None:
    clean = grid()
    with_stray = grid(coord=np.concatenate([clean.coord[:-1], np.float32([stray])]))
    (alone,), (found,) = facts(clean), facts(with_stray)
    np.testing.assert_allclose(found.extent, alone.extent, rtol=1e-5)
    assert suggest_voxel_size([found]) == suggest_voxel_size([alone])
    assert [(text[:22], fault) for text, fault in told(with_stray)] == [("1 points stand apart, ", False)]


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3])
def test_scattered_strays_decide_nothing(share: float) -> None:
    clean = grid()
    far = np.random.default_rng(0).uniform(-1e6, 1e6, (int(share * len(clean.coord)), 3)).astype(np.float32)
    found, alone = _extent(np.concatenate([clean.coord, far])), _extent(clean.coord)
    np.testing.assert_allclose(found[0], alone[0], rtol=1e-5)
    assert found[1] == len(far)


def test_two_places_are_not_one() -> None:
    coord = np.zeros((1000, 3), np.float32)
    coord[-1] = 5
    assert not any("one place" in text for text, _ in told(grid(coord=coord, color=None, segment=np.arange(1000) % 2)))
