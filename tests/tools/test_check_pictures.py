"""tools/check_data.py on pictures: sizes in pixels, shares and lacks of classes, and files that must be mended."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.tools._runs import tool, tool_here
from tests.tools.test_pictures import CLASSES, CODES, write_pictures


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Raw and prepared pictures, of which the masks lack the class "lake"."""
    root = tmp_path_factory.mktemp("pictures")
    write_pictures(root / "raw")
    lake = CLASSES.replace("tree]", "tree, lake]").replace("[40, 160, 40]]", "[40, 160, 40], [0, 0, 255]]")
    (root / "raw" / "classes.yaml").write_text(lake)
    done = tool("prepare", "dataset=images", f"input={root}/raw", f"output={root}/data", "workers=1")
    assert done.returncode == 0, done.stderr
    return root


@pytest.mark.parametrize("folder", ["data", "raw"])
def test_a_folder_is_told_of_in_pixels(prepared: Path, folder: str) -> None:
    done = tool_here("check_data", f"root={prepared / folder}", "workers=1")
    assert done.returncode == 0, done.stderr
    labels = np.concatenate(
        [np.asarray(Image.open(p)).reshape(-1) for p in sorted((prepared / "raw/train/masks").iterdir())]
    )
    ground = int((labels == CODES[0]).sum())
    for text in (
        "split  pictures  pixels  labeled  size (pixels)",
        "train         6   9,216   100.0%        48 x 32",
        f"ground  {ground:,} ({ground / len(labels):.1%})",
        "note: all: no pixel of lake; only a label file (clicks) can teach it, and it cannot be scored",
        "nothing must be fixed",
    ):
        assert text in done.stdout
    for word in ("voxel", "meter", " m ", "spacing", "point", "scene"):
        assert word not in done.stdout, word


def test_faults_of_pictures(prepared: Path, tmp_path: Path) -> None:
    root = tmp_path / "data"
    shutil.copytree(prepared / "data", root)
    (root / "train/0/image.npy").write_bytes(b"no array")
    np.save(root / "train/1/segment.npy", np.zeros((4, 6), np.int16))
    (root / "train/2/image.npy").unlink()
    np.save(root / "train/3/image.npy", np.full((30, 40, 3), 7, np.uint8))
    np.save(root / "train/3/segment.npy", np.full((30, 40), -1, np.int16))
    (root / "train/4/segment.npy").unlink()
    shutil.copytree(root / "train/5", root / "val/5")
    done = tool_here("check_data", f"root={root}", "workers=1")
    assert done.returncode == 2
    lines = done.stdout.splitlines()
    for name, text in (
        ("train/0", "image.npy: not a readable .npy file"),
        ("train/1", "segment.npy: shape (4, 6) beside a picture of (32, 48)"),
        ("train/2", "arrays of a picture, but no image.npy; prepare it again, or remove the folder"),
        ("val/5", "the same pixels as train/5, which is in another split; remove one"),
    ):
        found = [line for line in lines if line.startswith(f"MUST FIX: {name}: ") and text in line]
        assert len(found) == 1, (name, text, done.stdout)
    for text in (
        "train/3: every pixel has the same color; is it the right file?",
        "train/3: 40 x 30 pixels, less than the 32 that networks see as one at their coarsest; raise data.images.scale",
        "train/3: has a label file, but every pixel in it is unlabeled",
        "train: 1 of 3 pictures have no labels (train/4)",
        "all: pictures of 2 sizes, most of 48 x 32 pixels (5); a batch takes one size: give data.crop one",
    ):
        assert f"note: {text}" in lines, done.stdout
    assert "train         3   4,272    36.0%  40 x 30 to 48 x 32" in lines
    assert "faults to fix: 4; " in done.stderr


def test_a_mask_in_another_size_than_its_picture(prepared: Path, tmp_path: Path) -> None:
    shutil.copytree(prepared / "raw", tmp_path / "raw")
    mask = tmp_path / "raw/val/masks/1.png"
    Image.open(mask).resize((24, 16)).save(mask)
    done = tool_here("check_data", f"root={tmp_path / 'raw'}", "workers=1")
    assert done.returncode == 2
    assert "MUST FIX: val/1: " in done.stdout
    assert "1.png: 24 x 16 pixels, but 1.png has 48 x 32" in done.stdout
