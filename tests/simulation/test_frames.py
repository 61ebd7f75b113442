"""Frames, back-projected with the matrices in their files, lie on the surfaces of the room and have their labels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.spatial import cKDTree

from pcseg.classes import S3DIS
from pcseg.simulation import Difficulty, Settings, simulate_room

FRAMES = 3


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = Settings(points=60_000, frames=FRAMES, seed=1, difficulty=Difficulty(range_noise=0.001, dropout=0.3))
    return simulate_room(tmp_path_factory.mktemp("raw"), 2, 6, settings)


def back_project(room: Path, i: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return points (P, 3) in the scan's frame, their class names and their colors, from the files alone."""
    depth = np.asarray(Image.open(room / "depth" / f"{i}.png")).astype(np.float64) / 1000
    label = np.asarray(Image.open(room / "label" / f"{i}.png"))
    names = json.loads((room / "label" / "classes.json").read_text())
    camera = np.loadtxt(room / "intrinsic" / "intrinsic_depth.txt")
    pose = np.loadtxt(room / "pose" / f"{i}.txt")
    v, u = np.nonzero(depth)
    z = depth[v, u]
    local = np.stack([(u - camera[0, 2]) * z / camera[0, 0], (v - camera[1, 2]) * z / camera[1, 1], z], axis=1)
    color = np.asarray(Image.open(room / "color" / f"{i}.jpg"))
    return local @ pose[:3, :3].T + pose[:3, 3], np.array([names[str(k)] for k in label[v, u]]), color[v, u]


def test_labels_and_depth_agree_with_the_scan(room: Path) -> None:
    objects = sorted((room / "Annotations").glob("*.txt"))
    scanned = [np.loadtxt(path, ndmin=2) for path in objects]
    names = np.repeat([path.name.partition("_")[0] for path in objects], [len(rows) for rows in scanned])
    cloud = np.concatenate(scanned)
    tree = cKDTree(cloud[:, :3])
    for i in range(FRAMES):
        points, label, color = back_project(room, i)
        assert set(label) <= set(S3DIS.names)
        distance, nearest = tree.query(points[::7])
        close = distance < 0.03
        assert close.mean() > 0.4
        assert (label[::7][close] == names[nearest[close]]).mean() > 0.95
        difference = color[::7][close].astype(float) - cloud[nearest[close], 3:]
        assert np.abs(difference.mean(axis=0)).max() < 60  # one light, another exposure


def test_files_are_those_of_an_exported_scannet_scene(room: Path) -> None:
    for kind, suffix in (("color", "jpg"), ("depth", "png"), ("label", "png"), ("pose", "txt")):
        assert sorted(p.name for p in (room / kind).glob(f"*.{suffix}")) == [f"{i}.{suffix}" for i in range(FRAMES)]
    depth = Image.open(room / "depth" / "0.png")
    assert np.asarray(depth).dtype == np.uint16
    assert depth.size == Image.open(room / "color" / "0.jpg").size == Image.open(room / "label" / "0.png").size
    for i in range(FRAMES):
        pose = np.loadtxt(room / "pose" / f"{i}.txt")
        assert pose.shape == (4, 4)
        assert np.allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-5)
        assert np.isclose(np.linalg.det(pose[:3, :3]), 1, atol=1e-5)
        assert pose[2, 1] < 0  # y points down


def test_nothing_hit_is_nothing_labeled(room: Path) -> None:
    for i in range(FRAMES):
        depth, label = (np.asarray(Image.open(room / kind / f"{i}.png")) for kind in ("depth", "label"))
        assert ((depth == 0) == (label == 0)).all()
