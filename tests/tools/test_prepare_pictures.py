"""tools/prepare.py on pictures, as typed: each kind end to end, the simulated building among them.

Bad input and its message: damaged pictures and masks, which cost their scene alone; options of another kind.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pcseg.classes import IGNORE, S3DIS, Classes
from pcseg.datasets.camvid import CAMVID
from pcseg.scenes.listing import list_scenes
from pcseg.scenes.scene import read_classes, read_scene
from pcseg.simulation import Settings, simulate_building
from tests.datasets.picture_files import mask, picture
from tests.tools.prepared import failed, leftovers, prepare

NAMES = "names: [road, car]\n"


def own(root: Path, *names: str) -> None:
    """Write good pictures with masks, and a classes.yaml."""
    for i, name in enumerate(names):
        picture(root / f"train/images/{name}.png", i)
        mask(root / f"train/masks/{name}.png", [0, 1], i)
    (root / "classes.yaml").write_text(NAMES)


def test_own_pictures(tmp_path: Path) -> None:
    own(tmp_path / "raw", "a", "b")
    colors = picture(tmp_path / "raw/test/images/c.png", 5)
    done = prepare(f"input={tmp_path / 'raw'}", f"output={tmp_path / 'out'}", "workers=2")
    assert done.returncode == 0, done.stderr
    assert "3 pictures prepared, 0 were there already, 0 failed" in done.stdout
    assert "labels from: masks (2), nowhere (1)" in done.stdout
    assert "test: 1 of 1 pictures have no mask, test/c first; unlabeled" in done.stdout
    assert [folder.name for folder in list_scenes(tmp_path / "out", ["train", "test"])] == ["a", "b", "c"]
    scene = read_scene(tmp_path / "out/test/c", read_classes(tmp_path / "out"), with_labels=True)
    assert scene.segment is None
    np.testing.assert_array_equal(scene.image, colors)
    written = np.load(tmp_path / "out/train/a/segment.npy")
    assert (written.shape, written.dtype) == ((6, 8), np.int16)
    np.testing.assert_array_equal(written, np.asarray(Image.open(tmp_path / "raw/train/masks/a.png")))
    assert leftovers(tmp_path / "out") == []
    assert (
        "0 pictures prepared, 3 were there already"
        in prepare(f"input={tmp_path / 'raw'}", f"output={tmp_path / 'out'}").stdout
    )


def test_bad_files_cost_their_picture_alone(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    own(raw, *"abcdefg")
    (raw / "train/images/a.png").write_bytes((raw / "train/images/a.png").read_bytes()[:60])
    (raw / "train/masks/b.png").write_text("no mask")
    mask(raw / "train/masks/c.png", [0, 1, 2])
    mask(raw / "train/masks/d.png", [0, 1], size=(8, 6))
    picture(raw / "train/masks/e.png")
    (raw / "train/images/f.png").write_bytes(b"")
    done = prepare(f"input={raw}", f"output={tmp_path / 'out'}", "workers=1")
    assert "6 of 7 pictures failed, the others are done; train/a: " in failed(done)
    told = dict(json.loads((tmp_path / "out/prepare_report.json").read_text())["failed"])
    for name, message in {
        "a": "a.png: not a readable picture (",
        "b": "b.png: not a picture of PNG",
        "c": "c.png: number 2 at row 0, column 2",
        "d": "d.png: 6 x 8 pixels, but d.png has 8 x 6",
        "e": "e.png: a mask of colors",
        "f": "f.png: is empty",
    }.items():
        assert message in told[f"train/{name}"]
    assert [folder.name for folder in list_scenes(tmp_path / "out", ["train"])] == ["g"]


def test_camvid(tmp_path: Path) -> None:
    picture(tmp_path / "raw/train/a.png")
    numbers = mask(tmp_path / "raw/trainannot/a.png", list(range(12)))
    done = prepare(f"input={tmp_path / 'raw'}", f"output={tmp_path / 'out'}", "dataset=camvid")
    assert done.returncode == 0, done.stderr
    assert read_classes(tmp_path / "out") == CAMVID
    scene = read_scene(tmp_path / "out/train/a", CAMVID, with_labels=True)
    np.testing.assert_array_equal(scene.segment, np.where(numbers == 11, IGNORE, numbers).reshape(-1))


def test_voc_with_lists_and_cityscapes(tmp_path: Path) -> None:
    picture(tmp_path / "voc/JPEGImages/2007_1.jpg")
    mask(tmp_path / "voc/SegmentationClass/2007_1.png", [0, 20, 255])
    (tmp_path / "labeled.txt").write_text("2007_1\n")
    arguments = (f"input={tmp_path / 'voc'}", f"output={tmp_path / 'out'}")
    done = prepare(*arguments, f"lists={tmp_path / 'labeled.txt'}")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out/labeled/2007_1/image.npy").is_file()
    picture(tmp_path / "city/leftImg8bit/val/ulm/ulm_1_leftImg8bit.png")
    mask(tmp_path / "city/gtFine/val/ulm/ulm_1_gtFine_labelIds.png", [7, 3])
    done = prepare(f"input={tmp_path / 'city'}", f"output={tmp_path / 'out2'}")
    assert done.returncode == 0, done.stderr
    assert np.unique(np.load(tmp_path / "out2/val/ulm_1/segment.npy")).tolist() == [-1, 0]


def test_frames_of_the_simulated_building(tmp_path: Path) -> None:
    simulate_building(tmp_path / "raw", areas=2, rooms=1, settings=Settings(points=1000, frames=2), workers=1)
    done = prepare(f"input={tmp_path / 'raw'}", f"output={tmp_path / 'out'}", "dataset=frames")
    assert done.returncode == 0, done.stderr
    assert "4 pictures prepared" in done.stdout
    assert "labels from: label, named by classes.json (4)" in done.stdout
    assert read_classes(tmp_path / "out") == S3DIS
    rooms = sorted((tmp_path / "raw").glob("Area_*/*/color/*.jpg"))
    for path in rooms:
        area, room = path.parts[-4:-2]
        scene = read_scene(tmp_path / f"out/{area}/{room}_{path.stem}", Classes(S3DIS.names[::-1]), with_labels=True)
        numbers = np.asarray(Image.open(path.parent.parent / f"label/{path.stem}.png"))
        assert scene.size == (240, 320)
        np.testing.assert_array_equal(scene.image, np.asarray(Image.open(path)))
        expected = np.where(numbers == 0, IGNORE, 13 - numbers.astype(int))
        np.testing.assert_array_equal(np.asarray(scene.segment).reshape(240, 320), expected)
    auto = prepare(f"input={tmp_path / 'raw'}", f"output={tmp_path / 'scans'}")
    assert "2 scenes prepared" in auto.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("dataset=camvid", "lists=x"), "lists=x: a camvid data set has no such choice; leave it out"),
        (("dataset=images",), "classes.yaml: no such file; write one"),
        (("dataset=frames",), "no <scene>/color/<i>.jpg here"),
    ],
)
def test_wrong_arguments(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    (tmp_path / "raw").mkdir()
    assert message in failed(prepare(f"input={tmp_path / 'raw'}", f"output={tmp_path / 'out'}", *arguments))
    assert not (tmp_path / "out").exists()
