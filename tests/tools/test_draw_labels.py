"""tools/draw_labels.py as a user runs it: each rule, and the classes of scenes, data sets and the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from pcseg.budgets.tags import Tags
from pcseg.budgets.weak_labels import WeakLabels
from pcseg.datasets import S3disReader
from pcseg.datasets.prepare import prepare
from pcseg.scenes.scene import read_scene
from tests.scenes.rooms import CLASSES, building
from tests.tools.conftest import REPOSITORY, Call


def sources(root: Path) -> tuple[Path, Path]:
    """Write and return an official list and a click file for the rooms under ``root``."""
    torch.save({f"room_{i}": np.array([1, 2, 5 + i]) for i in range(4)}, root / "points3")
    (root / "clicks.csv").write_text("scene,index,class\nroom_1,3,wall\nArea_1/room_2,9,floor\n")
    return root / "points3", root / "clicks.csv"


@pytest.mark.parametrize(
    ("rule", "spent"),
    [
        ("rule=uniform fraction=0.05", 80),
        ("rule=per_class fraction=0.0001", 12),
        ("rule=points points=7 seed=2", 28),
        ("rule=clicks", 36),
        ("rule=scannet source={list}", 12),
        ("rule=csv source={csv}", 2),
        ("rule=scenes scenes=3", 1200),
        ("rule=scenes fraction=0.5 seed=3", 800),
        ("rule=scenes scenes=0", 0),
    ],
)
def test_each_rule_writes_the_labels_it_prints(tmp_path: Path, draw_labels: Call, rule: str, spent: int) -> None:
    folders = building(tmp_path / "data")
    official, clicks = sources(tmp_path)
    arguments = rule.format(list=official, csv=clicks).split()
    output = tmp_path / "out" / "labels.npz"
    done = draw_labels(f"root={tmp_path / 'data'}", "splits=[Area_1]", f"output={output}", *arguments)
    assert done.returncode == 0, done.stderr
    labels = WeakLabels.load(output)
    assert labels.classes == CLASSES.names
    assert labels.spent == spent
    assert labels.sha256 in done.stdout
    assert labels.summary() in done.stdout
    assert all(name in done.stdout for name in CLASSES.names)
    assert "4/4" in done.stderr
    for folder in folders:
        labels.labels(read_scene(folder, CLASSES, with_labels=False))


@pytest.mark.parametrize(
    ("rule", "parts"),
    [
        ("rule=tags", 0),
        ("rule=tags radius=1.5 points=5 seed=2", 20),
        ("rule=tags source={csv}", 0),
        ("rule=tags source={balls}", 1),
        ("rule=tags source={yaml}", 0),
    ],
)
def test_tags_are_written_as_printed(tmp_path: Path, draw_labels: Call, rule: str, parts: int) -> None:
    """Only tags without a source may open the ground truth."""
    folders = building(tmp_path / "data")
    if "source" in rule:
        for folder in folders:
            (folder / "segment.npy").write_bytes(b"unreadable")
    scenes = [f"Area_1/room_{i}" for i in range(4)]
    texts = {
        "csv": "scene,class\n" + "".join(f"{name},wall\n" for name in scenes),
        "balls": "scene,class,x,y,z,radius\nroom_0,wall,1,1,1,2\n" + "".join(f"{name},floor,,,,\n" for name in scenes),
        "yaml": "".join(f"{name}: [wall, 0]\n" for name in scenes),
    }
    files = {name: tmp_path / f"tags.{'yaml' if name == 'yaml' else 'csv'}" for name in texts}
    for name, text in texts.items():
        if f"{{{name}}}" in rule:
            files[name].write_text(text)
    output = tmp_path / "out" / "tags.json"
    arguments = rule.format(**files).split()
    done = draw_labels(f"root={tmp_path / 'data'}", "splits=[Area_1]", f"output={output}", *arguments)
    assert done.returncode == 0, done.stderr
    tags = Tags.load(output)
    assert tags.classes == CLASSES.names
    assert tags.summary() in done.stdout
    assert sum(len(scene.radius) for scene in tags.scenes) == parts
    assert all(tags.of(name).any() for name in scenes)
    assert "4/4" in done.stderr


def test_clicks_need_no_ground_truth(tmp_path: Path, draw_labels: Call) -> None:
    for folder in building(tmp_path / "data"):
        (folder / "segment.npy").write_bytes(b"unreadable")
        (folder / "instance.npy").unlink()
    done = draw_labels(
        f"root={tmp_path / 'data'}",
        "splits=[Area_1]",
        f"output={tmp_path / 'o'}",
        "rule=csv",
        f"source={sources(tmp_path)[1]}",
    )
    assert done.returncode == 0, done.stderr


def test_classes_come_from_the_data_set_the_scene_or_the_command_line(tmp_path: Path, draw_labels: Call) -> None:
    folders = building(tmp_path / "data")
    common = (f"root={tmp_path / 'data'}", "splits=[Area_1]", f"output={tmp_path / 'o.npz'}", "rule=points")
    turned = list(CLASSES.names[::-1])
    (tmp_path / "data" / "dataset.json").write_text(json.dumps({"classes": turned, "colors": [[1, 2, 3]] * 4}))
    assert draw_labels(*common).returncode == 0
    from_dataset = WeakLabels.load(tmp_path / "o.npz")
    assert from_dataset.classes == tuple(turned)
    (tmp_path / "data" / "dataset.json").unlink()
    (tmp_path / "classes.yaml").write_text(f"names: {turned}\n")
    for choice in (",".join(turned), str(tmp_path / "classes.yaml")):
        assert draw_labels(*common, f"classes={choice}", "overwrite=true").returncode == 0
        assert WeakLabels.load(tmp_path / "o.npz").sha256 == from_dataset.sha256
    (folders[0] / "scene.json").unlink()
    done = draw_labels(*common, "overwrite=true")
    assert done.returncode == 2
    assert "classes=s3dis" in done.stderr


REAL = REPOSITORY.parent / "shared" / "data" / "s3dis_raw"


@pytest.mark.skipif(not REAL.is_dir(), reason="no real rooms here")
def test_real_rooms(tmp_path: Path, draw_labels: Call) -> None:
    prepare(S3disReader(REAL), tmp_path / "rooms", workers=1)
    done = draw_labels(
        f"root={tmp_path / 'rooms'}", "splits=[Area_3,Area_5]", f"output={tmp_path / 'l.npz'}", "rule=clicks"
    )
    assert done.returncode == 0, done.stderr
    assert WeakLabels.load(tmp_path / "l.npz").count == 24
