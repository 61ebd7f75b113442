"""tools/draw_labels.py on pictures as a user runs it: scribbles, boxes, and scenes that hold every class.

Bad input and its message: clouds, options of another rule, unknown classes, too few scenes to hold every class.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pcseg.budgets.tags import SceneTags, Tags
from pcseg.budgets.weak_labels import WeakLabels
from pcseg.classes import IGNORE, Classes
from pcseg.errors import InputError
from pcseg.feeding.pictures import PictureDataset
from pcseg.scenes.arrays import pixel_places
from pcseg.scenes.scene import Scene, read_scene, write_scene
from tests.scenes.rooms import building
from tests.tools.conftest import Call

CLASSES = Classes(("road", "car", "sky"))


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """Six pictures of 20 x 30 pixels of a road and, in the last alone, a car; the sky is in none."""
    folders = []
    for i in range(6):
        segment = np.zeros((20, 30), np.int16)
        segment[5:15, 10:20] = 1 if i == 5 else IGNORE
        color = np.random.default_rng(i).integers(0, 256, (600, 3)).astype(np.uint8)
        attributes = {"color": color, "segment": segment.reshape(-1)}
        scene = Scene(pixel_places(20, 30), attributes, f"train/{i}", classes=CLASSES.names, size=(20, 30))
        folders.append(write_scene(tmp_path / "data", scene))
    return folders


@pytest.mark.parametrize(
    ("rule", "parameters"),
    [
        ("rule=scribbles seed=1", {"smallest": 100}),
        ("rule=scribbles smallest=50", {"smallest": 50}),
        ("rule=boxes", {"smallest": 100, "weight": 0.5}),
        ("rule=boxes smallest=50 only=[car,road]", {"smallest": 50, "weight": 0.5, "only": ["car", "road"]}),
    ],
)
def test_rules_for_pictures(
    tmp_path: Path, pictures: list[Path], draw_labels: Call, rule: str, parameters: dict[str, object]
) -> None:
    output = tmp_path / "labels.npz"
    done = draw_labels(f"root={tmp_path / 'data'}", "splits=train", f"output={output}", *rule.split())
    assert done.returncode == 0, done.stderr
    labels = WeakLabels.load(output)
    assert labels.parameters == parameters
    assert labels.summary() in done.stdout
    for i, folder in enumerate(pictures):
        scene = read_scene(folder, CLASSES, with_labels=True)
        known = labels.labels(scene)
        if "boxes" in rule:
            assert np.bincount(known).tolist() == ([500, 100] if i == 5 else [600])
            assert (labels.weights(scene) == 0.5).all()  # type: ignore[union-attr]
        else:
            assert labels.weights(scene) is None
            assert 0 < (known != IGNORE).sum() < 100
            assert scene.segment is not None
            assert (known[known != IGNORE] == scene.segment[known != IGNORE]).all()
            assert (1 in known) == (i == 5)


def test_scenes_that_hold_every_class(tmp_path: Path, pictures: list[Path], draw_labels: Call) -> None:
    common = (f"root={tmp_path / 'data'}", "splits=train", "rule=scenes", "scenes=2", "every_class=true")
    for seed in range(4):
        output = tmp_path / f"{seed}.npz"
        done = draw_labels(*common, f"seed={seed}", f"output={output}")
        assert done.returncode == 0, done.stderr
        labels = WeakLabels.load(output)
        chosen = labels.labeled([f"train/{i}" for i in range(6)])
        assert chosen.sum() == 2
        assert chosen[5]
        assert labels.parameters["every_class"] is True
        assert f"draws={labels.parameters['draws']}" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("rule=boxes only=[bus]", "class 'bus' is not one of: road, car, sky"),
        ("rule=boxes seed=3", "seed=3: is ignored by rule=boxes, which here takes smallest, only; leave it out"),
        ("rule=scribbles only=[car]", "only=[car]: is ignored by rule=scribbles, which here takes smallest, seed"),
        ("rule=scribbles smallest=0", "smallest=0: must be 1 or more, in pixels"),
        ("rule=scribbles smallest=601", "data, train: has no labeled point, so there is nothing to train on"),
        ("rule=points every_class=true", "every_class=true: is ignored by rule=points"),
        ("rule=scenes scenes=1 every_class=true smallest=3", "smallest=3: is ignored by rule=scenes"),
        ("rule=scenes scenes=0 every_class=true", "scenes=0: in none of 1000 draws did they hold every class"),
    ],
)
def test_mistakes(tmp_path: Path, pictures: list[Path], draw_labels: Call, arguments: str, message: str) -> None:
    output = tmp_path / "l.npz"
    done = draw_labels(f"root={tmp_path / 'data'}", "splits=train", f"output={output}", *arguments.split())
    assert done.returncode == 2
    assert message in done.stderr
    assert not output.exists()


def test_tagged_balls_are_refused(tmp_path: Path, pictures: list[Path], draw_labels: Call) -> None:
    (tmp_path / "tags.csv").write_text(
        "scene,class,x,y,z,radius\n" + "".join(f"{i},road,5,-5,0,20\n" for i in range(6))
    )
    said = "tagged balls are parts of point clouds; tag whole pictures, or the parts that prepare.py crops=4 cuts out"
    for arguments, where in (
        (("radius=20", "points=3"), "train/0: "),
        ((f"source={tmp_path / 'tags.csv'}",), "tags.csv, line 2: "),
    ):
        output = tmp_path / "tags.json"
        done = draw_labels(f"root={tmp_path / 'data'}", "splits=train", "rule=tags", f"output={output}", *arguments)
        assert done.returncode == 2
        assert where + said in done.stderr
        assert not output.exists()
    entry = SceneTags("train/0", np.array([True, False, False]), [[5, -5, 0]], [20], [[True, False, False]])  # type: ignore[arg-type]
    with pytest.raises(InputError, match=f"tags of train/0: {said}"):
        PictureDataset(
            pictures[:1], CLASSES, None, (0,) * 3, (1,) * 3, tags=Tags(CLASSES.names, "tags", {}, 0, (entry,))
        )


@pytest.mark.parametrize("rule", ["scribbles", "boxes"])
def test_clouds_are_refused(tmp_path: Path, draw_labels: Call, rule: str) -> None:
    building(tmp_path / "data")
    done = draw_labels(f"root={tmp_path / 'data'}", "splits=Area_1", f"output={tmp_path / 'l.npz'}", f"rule={rule}")
    assert done.returncode == 2
    assert f"error: Area_1/room_0: is a point cloud, and rule={rule} is for pictures; use another rule" in done.stderr
