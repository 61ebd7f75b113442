"""The tools on pictures, from masks and folders to labeled pictures, as a user calls them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import pcseg
from pcseg.budgets.weak_labels import WeakLabels
from pcseg.formats.masks import read_mask
from tests.tools._runs import failed, tool, tool_here

CLASSES = """
names: [ground, house, tree]
ids: {2: ground, 0: house, 7: tree}
colors: [[120, 90, 60], [200, 40, 40], [40, 160, 40]]
"""
CODES = np.array([2, 0, 7])
SETTINGS = (
    "data=camvid", "augment=pictures", "network=deeplab_lite0", "labels=full", "data.images={scale: 1.0}",
    "data.crop.size=[32, 48]", "workers=0", "threads=1", "tensorboard=false", "device=cpu", "steps=2", "batch_size=4",
)  # fmt: skip


def write_pictures(root: Path) -> None:
    """Folders of pictures with masks: six to train on, two to score on; colors say the class."""
    (root / "classes.yaml").parent.mkdir(parents=True)
    (root / "classes.yaml").write_text(CLASSES)
    palette = np.array([(120, 90, 60), (200, 40, 40), (40, 160, 40)])
    for split, count in (("train", 6), ("val", 2)):
        for kind in ("images", "masks"):
            (root / split / kind).mkdir(parents=True)
        for number in range(count):
            rng = np.random.default_rng([count, number])
            labels = rng.integers(0, 3, (4, 6)).repeat(8, axis=0).repeat(8, axis=1)
            colors = np.clip(palette[labels] + rng.normal(0, 20, (32, 48, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(colors).save(root / split / "images" / f"{number}.png")
            Image.fromarray(CODES[labels].astype(np.uint8)).save(root / split / "masks" / f"{number}.png")


def prepare_pictures(root: Path) -> Path:
    """Write and prepare pictures below ``root``, label two of them, and return it."""
    write_pictures(root / "raw")
    for arguments in (
        ("prepare", "dataset=images", f"input={root}/raw", f"output={root}/data", "workers=1"),
        ("draw_labels", f"root={root}/data", "splits=[train]", "rule=scenes", "scenes=2", "every_class=true",
         f"output={root}/labels.npz"),
    ):  # fmt: skip
        done = tool(*arguments)
        assert done.returncode == 0, done.stderr
    return root


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with raw and prepared pictures, labels of two of them, and a run."""
    root = prepare_pictures(tmp_path_factory.mktemp("pictures"))
    where = (f"data.root={root}/data", f"labels.file={root}/labels.npz", f"output={root}/run")
    done = tool("train", *SETTINGS, *where, "method=cps")
    assert done.returncode == 0, done.stderr
    return root


def test_a_run_scores_all_pixels(made: Path) -> None:
    found = json.loads((made / "run" / "metrics.json").read_text())
    assert sum(map(sum, found["confusion"])) == 2 * 32 * 48
    assert found["labels"]["count"] == 2 * 32 * 48
    assert "every pixel at full resolution" in found["protocol"]
    done = tool_here("evaluate", f"checkpoint={made}/run", f"output={made}/scored", "predictions=true", "device=cpu")
    assert done.returncode == 0, done.stderr
    again = json.loads((made / "scored" / "metrics.json").read_text())
    assert again["confusion"] == found["confusion"]
    assert np.load(made / "scored" / "predictions" / "val" / "0.npy").shape == (32 * 48,)


def test_pictures_come_back_as_palette_pictures(made: Path, tmp_path: Path) -> None:
    source = made / "raw" / "val" / "images"
    done = tool_here("predict", f"checkpoint={made}/run", f"input={source}", f"output={tmp_path}/out", "device=cpu")
    assert done.returncode == 0, done.stderr
    assert "labeled 2 of 2 pictures" in done.stdout
    assert "labels: 2 ground, 0 house, 7 tree" in done.stdout
    model = pcseg.load(made / "run", "cpu")
    for number in range(2):
        labels, _ = model.predict(np.asarray(Image.open(source / f"{number}.png")))
        np.testing.assert_array_equal(read_mask(tmp_path / "out" / f"{number}.png")[0], CODES[labels])


def test_pictures_are_drawn_side_by_side(made: Path, tmp_path: Path) -> None:
    tool_here("evaluate", f"checkpoint={made}/run", f"output={tmp_path}/scored", "predictions=true", "device=cpu")
    done = tool_here(
        "visualize", f"input={made}/data/val", f"prediction={tmp_path}/scored/predictions", f"output={tmp_path}/seen"
    )
    assert done.returncode == 0, done.stderr
    assert Image.open(tmp_path / "seen" / "0.png").size > (640, 400)  # color, truth, prediction and errors


def test_what_does_not_fit_is_refused_in_one_line(made: Path, tmp_path: Path) -> None:
    source = made / "raw" / "val" / "images" / "0.png"
    for more, words in (
        ((f"output={tmp_path}/o.jpg",), ("o.jpg: labels of pictures are written as .png",)),
        ((f"output={tmp_path}/o.png", "smooth=0.1"), ("smooth=0.1: is for point clouds",)),
        ((f"output={tmp_path}/o.png", "paint=true"), ("are for point clouds",)),
        ((f"output={tmp_path}/o.png", "votes=9"), ("votes=9: give 1 to 6 for pictures",)),
    ):
        failed(tool_here("predict", f"checkpoint={made}/run", f"input={source}", "device=cpu", *more), *words)
    run = (*SETTINGS, f"data.root={made}/data", f"labels.file={made}/labels.npz", f"output={tmp_path}/run")
    for choice, words in (
        (("method=dense_propagation", "steps=4"), ("stages.cross", "voxels: point clouds")),
        (("augment.mix=0.5",), ("augment.mix: merges point clouds",)),
        (("data.images={scale: 0.0}",), ("scale=0",)),
        (("network=minkunet_small",), ("minkunet_small: takes point clouds, but the data are pictures; choose",)),
        (("augment=indoor",), ("augment.transforms.rotate: RotateZ takes point clouds, ", "choose augment=pictures")),
        (("+network.weights=nowhere.pth",), ("nowhere.pth",)),
    ):
        failed(tool_here("train", *run, *choice), *words)


@pytest.mark.parametrize(("method", "stage"), [("label_efficient", "spread"), ("label_rounds", "again")])
def test_labels_spread_over_pictures_before_training(made: Path, tmp_path: Path, method: str, stage: str) -> None:
    run = (*SETTINGS, f"data.root={made}/data", f"labels.file={made}/labels.npz", f"output={tmp_path}/run")
    done = tool_here("train", *run, f"method={method}", "steps=4")
    assert done.returncode == 0, done.stderr
    given, spread = made / "labels.npz", tmp_path / f"run/labels/{stage}.npz"
    assert WeakLabels.load(spread).count > 1.5 * WeakLabels.load(given).count


def test_borders_and_calibration_are_measured(made: Path, tmp_path: Path) -> None:
    done = tool_here("evaluate", f"checkpoint={made}/run", f"output={tmp_path}", "device=cpu")
    assert "expected calibration error" in done.stdout
    found = json.loads((tmp_path / "metrics.json").read_text())
    assert 0 <= found["boundary_miou"] < 1
    assert 0 < found["calibration_error"] < 1


def test_pictures_without_masks_are_unlabeled_beside_those_with_masks(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "raw", tmp_path / "raw")
    for number in range(2, 6):
        (tmp_path / "raw" / "train" / "masks" / f"{number}.png").unlink()
    done = tool("prepare", "dataset=images", f"input={tmp_path}/raw", f"output={tmp_path}/data", "workers=1")
    assert done.returncode == 0, done.stderr
    where = (f"data.root={tmp_path}/data", "labels.file=null")
    for method, more in (("cps", ()), ("dars", ("steps=6",)), ("supervised", ())):
        done = tool_here("train", *SETTINGS, *where, f"method={method}", f"output={tmp_path}/{method}", *more)
        assert done.returncode == 0, done.stderr
        assert f"labels: all {2 * 32 * 48:,}, in 2 of 6 scenes" in done.stdout
    given = WeakLabels.load(tmp_path / "dars" / "labels" / "first.npz").scenes
    assert all(len(scene.index) > 0 for scene in given)
    for name in ("0", "1"):
        (tmp_path / "data" / "train" / name / "segment.npy").unlink()
    failed(tool_here("train", *SETTINGS, *where, f"output={tmp_path}/none"), "no scene has a label")
