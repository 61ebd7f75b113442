"""The scanner sees only visible points, thinner with distance, and loses returns at grazing angles."""

from __future__ import annotations

import numpy as np
import pytest

from pcseg.classes import S3DIS
from pcseg.simulation.difficulty import Difficulty
from pcseg.simulation.light import Lit
from pcseg.simulation.rooms import draw_room
from pcseg.simulation.scanner import Cloud, scan
from pcseg.simulation.solids import box
from tests.oracles.first_hit import depth_inside, walk
from tests.simulation.scenes import GRAY, as_oracle, plain_room

EXACT = Difficulty(range_noise=0, dropout=0, color_noise=0)


@pytest.fixture(scope="module")
def empty() -> Cloud:
    return scan(Lit(plain_room(size=(8.0, 8.0, 2.6))), 60_000, np.random.default_rng(0), EXACT)


@pytest.mark.parametrize("index", [0, 2])
def test_nothing_stands_between_a_point_and_its_station(index: int) -> None:
    room = draw_room(3, 1, index, Difficulty())
    cloud = scan(Lit(room), 1500, np.random.default_rng(1), EXACT)
    solids = as_oracle(room.solids)
    for station, place in enumerate(cloud.stations):
        seen = cloud.coord[cloud.scan == station][:100].astype(np.float64)
        length = np.linalg.norm(seen - place, axis=1)
        met = walk(solids, place, seen, 0.01)
        assert len(seen) == 100
        assert (met > length - 0.011).all()


def test_points_hidden_from_every_station_are_never_seen() -> None:
    screen = box((2.5, 3.0, 1.3), (4.98, 0.1, 2.6), GRAY)  # closes off the back of the room
    hidden = box((2.5, 3.6, 0.5), (0.8, 0.4, 1.0), GRAY)
    open_box = box((2.5, 1.2, 0.3), (0.5, 0.5, 0.6), GRAY)
    room = plain_room(("bookcase", screen), ("table", hidden), ("chair", open_box))
    cloud = scan(Lit(room), 20_000, np.random.default_rng(2), EXACT)
    front = cloud.stations[:, 1] < 2.95
    seen = room.label[cloud.solid]
    assert front.any()
    for station in np.flatnonzero(front):
        assert not (seen[cloud.scan == station] == S3DIS.index("table")).any()
    if front.all():
        assert not (seen == S3DIS.index("table")).any()
    assert (seen == S3DIS.index("chair")).sum() > 50


def test_points_lie_on_the_solid_they_are_labeled_by() -> None:
    room = draw_room(0, 2, 1, Difficulty())
    cloud = scan(Lit(room), 3000, np.random.default_rng(1), EXACT)
    for s, solid in enumerate(as_oracle(room.solids)):
        on = cloud.coord[cloud.solid == s].astype(np.float64)
        kind, center, half, rotation = solid
        assert (depth_inside((kind, center, half + 1e-3, rotation), on) <= 1).all()
        assert (depth_inside((kind, center, half - 1e-3, rotation), on) >= 1).all()


def test_density_falls_with_distance(empty: Cloud) -> None:
    floor = empty.coord[(empty.scan == 0) & (empty.coord[:, 2] < 0.01)]
    away = np.linalg.norm(floor[:, :2] - empty.stations[0, :2], axis=1)
    x, y = empty.stations[0, :2]
    edge = min(x, y, 8 - x, 8 - y)
    outer = min(2.0, edge)
    assert outer > 0.85
    height = empty.stations[0, 2]
    rings = np.linspace(0.65, outer, 5)
    density = np.histogram(away, rings)[0] / (np.pi * np.diff(rings**2))
    # rays share the sphere evenly: on a floor h below, density goes as h / (r^2 + h^2)^1.5
    expected = (height / (rings**2 + height**2) ** 1.5)[:-1] + (height / (rings**2 + height**2) ** 1.5)[1:]
    assert np.allclose(density / density.sum(), expected / expected.sum(), rtol=0.15)
    assert density[0] > density[-1]


def test_grazing_returns_are_lost() -> None:
    lit = Lit(plain_room(size=(8.0, 8.0, 2.6)))

    def far_share(dropout: float) -> float:
        cloud = scan(lit, 10**6, np.random.default_rng(0), Difficulty(range_noise=0, dropout=dropout), 0.03)
        away = np.linalg.norm(cloud.coord - cloud.stations[cloud.scan], axis=1)
        cosine = (cloud.stations[cloud.scan, 2] - cloud.coord[:, 2]) / away
        return float(((cloud.coord[:, 2] < 0.01) & (cosine < 0.25)).mean())

    assert far_share(1.0) < 0.8 * far_share(0.0)


def test_noise_is_as_large_as_asked_for() -> None:
    lit = Lit(plain_room())
    rough = scan(lit, 20_000, np.random.default_rng(0), Difficulty(range_noise=0.01, dropout=0))
    on_floor = rough.coord[lit.room.label[rough.solid] == S3DIS.index("floor"), 2]
    assert 0.004 < on_floor.std() < 0.012
    exact = scan(lit, 20_000, np.random.default_rng(0), EXACT)
    assert np.abs(exact.coord[lit.room.label[exact.solid] == S3DIS.index("floor"), 2]).max() < 1e-3


def test_light_differs_from_room_to_room_and_place_to_place(empty: Cloud) -> None:
    on_wall = empty.color[empty.coord[:, 1] < 0.01].astype(int)
    assert on_wall.std(axis=0).min() > 3  # one paint, yet not one color
