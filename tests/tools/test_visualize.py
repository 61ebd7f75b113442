"""tools/visualize.py from the command line: scene folders, predicted and raw clouds, and its error messages."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pcseg.budgets.draw import draw_points
from pcseg.files import write_json
from pcseg.formats import Cloud, read_cloud, write_cloud
from pcseg.formats.defects import Defect
from pcseg.scenes.scene import Scene, write_scene
from pcseg.vis.png import write_png
from tests.tools._runs import CLASSES, checkpoint, tool, tool_here
from tests.vis.pages import page


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two scenes of three classes, a prediction of each, and a label file."""
    rng = np.random.default_rng(0)
    scenes = []
    for name in ("Area_5/a", "Area_5/b"):
        coord = rng.uniform(0, 3, (400, 3)).astype(np.float32)
        segment = (coord[:, 2] // 1.01).astype(np.int64)
        color = rng.integers(0, 255, (400, 3)).astype(np.uint8)
        scenes.append(Scene(coord, {"color": color, "segment": segment}, name, classes=CLASSES.names))
        write_scene(tmp_path / "data", scenes[-1])
        (tmp_path / "predictions" / "Area_5").mkdir(parents=True, exist_ok=True)
        np.save(tmp_path / "predictions" / f"{name}.npy", np.roll(segment, 40).astype(np.int16))
    write_json(tmp_path / "data/dataset.json", {"classes": CLASSES.names, "colors": CLASSES.colors})
    draw_points(scenes, CLASSES, 7, 0).save(tmp_path / "labels.npz")
    draw_points(scenes[:1], CLASSES, 7, 0).save(tmp_path / "labels_of_a.npz")
    return tmp_path


@pytest.fixture(autouse=True)
def small_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw panels of 80 pixels, not 640, within this process; other processes draw them as they are."""
    monkeypatch.setattr(write_png, "__defaults__", (*write_png.__defaults__[:-1], 80))


def test_a_scene_outside_the_budget_has_no_labeled_point(root: Path) -> None:
    done = tool("visualize", f"input={root}/data/Area_5/b", f"labels={root}/labels_of_a.npz", f"output={root}/b.html")
    assert done.returncode == 0, done.stderr
    assert (page(root / "b.html").array("labels", "u1") == 255).all()


def test_a_folder_of_scenes_becomes_a_folder_of_pictures(root: Path) -> None:
    done = tool(
        "visualize", f"input={root}/data/Area_5", f"prediction={root}/predictions", f"labels={root}/labels.npz",
        f"output={root}/pictures",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert sorted(p.name for p in (root / "pictures").iterdir()) == [
        f"{n}.{e}" for n in "ab" for e in ("html", "ply", "png")
    ]
    found = page(root / "pictures/b.html")
    assert found.payload["name"] == "Area_5/b"
    assert found.payload["layers"] == ["color", "truth", "prediction", "errors", "labeled"]
    assert (found.array("labels", "u1") != 255).sum() == 7
    cloud = read_cloud(root / "pictures/b.ply")
    predicted = np.load(root / "predictions/Area_5/b.npy")
    assert (cloud.fields["label"] == predicted).all()
    assert cloud.color is not None
    assert (cloud.color == CLASSES.palette()[predicted]).all()


def test_a_predicted_and_a_raw_cloud(root: Path) -> None:
    coord = np.load(root / "data/Area_5/a/coord.npy").astype(np.float64) + np.array([5e5, 6e6, 100])
    coord[3] = np.nan
    write_cloud(root / "p.ply", coord, labels=np.arange(400) % 3, confidence=np.full(400, 0.5, np.float32))
    done = tool_here("visualize", f"input={root}/p.ply", f"output={root}/p.html")
    assert done.returncode == 0, done.stderr
    found = page(root / "p.html")
    assert found.payload["layers"] == ["height", "prediction", "confidence"]
    assert [c["name"] for c in found.payload["classes"]] == ["class 0", "class 1", "class 2"]
    assert found.payload["points"] == 399
    assert found.payload["extent"][0] == pytest.approx(3, abs=0.1)
    write_cloud(root / "raw.xyz", coord[:3])
    assert tool_here("visualize", f"input={root}/raw.xyz", f"output={root}/raw.png").returncode == 0
    (root / "c.yaml").write_text("names: [low, middle, high]\nids: {5: low, 6: middle, 7: high}\n")
    write_cloud(root / "t.npz", coord, labels=np.arange(400) % 3 + 5)
    done = tool_here("visualize", f"input={root}/t.npz", f"classes={root}/c.yaml", f"output={root}/t.html")
    assert done.returncode == 0, done.stderr
    assert page(root / "t.html").payload["layers"] == ["height", "truth"]


def test_a_prediction_from_tools_predict_over_its_scene(root: Path) -> None:
    coord = np.load(root / "data/Area_5/a/coord.npy").astype(np.float64)
    write_cloud(root / "p.las", coord, labels=np.arange(400) % 3, confidence=np.linspace(0, 1, 400, dtype=np.float32))
    done = tool_here("visualize", f"input={root}/data/Area_5/a", f"prediction={root}/p.las", f"output={root}/a.html")
    assert done.returncode == 0, done.stderr
    found = page(root / "a.html")
    assert found.payload["layers"] == ["color", "truth", "prediction", "errors", "confidence"]
    assert (found.array("prediction", "u1") == np.arange(400) % 3).all()


def test_a_predicted_cloud_is_numbered_as_its_network_is_whatever_the_scans_were(root: Path) -> None:
    """A .las file has a column of its own called classification, all zeros, which the user's scans had labels in."""
    coord = np.load(root / "data/Area_5/a/coord.npy").astype(np.float64)
    write_cloud(root / "p.las", coord, labels=np.arange(400) % 3, confidence=np.full(400, 0.5, np.float32))
    (root / "c.yaml").write_text(
        "names: [low, middle, high]\nlabel: classification\nids: {5: low, 6: middle, 7: high}\n"
    )
    network = checkpoint(root / "net.safetensors")
    for choice, names in ((root / "c.yaml", ["low", "middle", "high"]), (network, list(CLASSES.names))):
        done = tool_here("visualize", f"input={root}/p.las", f"classes={choice}", f"output={root}/p.html")
        assert done.returncode == 0, done.stderr
        found = page(root / "p.html")
        assert [c["name"] for c in found.payload["classes"]] == names
        assert (found.array("prediction", "u1") == np.arange(400) % 3).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["input={}/data/Area_5/a"], "nothing to do"),
        (["input={}/none.ply", "output={}/a.png"], "input={}/none.ply: no such file or folder"),
        (["input={}/empty", "output={}/a.png"], "neither a point file nor a scene folder"),
        (["input={}/data", "output={}/a.png"], "give one split, {}/data/Area_5"),
        (["input={}/data/Area_5/a", "output={}/a.gif"], "cannot draw '.gif'"),
        (["input={}/data/Area_5", "output={}/a.png"], "one file for 2 scenes"),
        (["input={}/data/Area_5/a", "output={}/a.png", "prediction={}/short.npy"], "3 labels for the 400 points"),
        (["input={}/data/Area_5/a", "output={}/a.png", "prediction={}/none.npy"], "no such file"),
        (["input={}/short.npy", "output={}/a.png", "labels={}/labels.npz"], "is for scene folders"),
        (["input={}/data/Area_5/a", "output={}/a.png", "classes=s3diss"], "s3diss"),
        (["input={}/data/Area_5/a", "output={}/a.png", "classes={}/net.pth"], "tools/convert_checkpoint.py"),
        (["input={}/data/Area_5/a", "output={}/labels.npz/a.png"], "labels.npz is a file and no folder"),
        (["input={}/data/Area_5", "output={}/file"], "file is a file and no folder"),
        (["input={}/scan.ply", "output={}/scan.ply"], "would overwrite"),
        (["input={}/scan.ply", "output={}"], "would overwrite"),
        (["input={}/scan.ply", "output={}/../{name}/scan.ply"], "would overwrite"),
        (["input={}/data/Area_5/a", "output={}/a.png", "outptu=x"], "outptu=x"),
    ],
)
def test_refuses_in_one_line(root: Path, arguments: list[str], message: str) -> None:
    np.save(root / "short.npy", np.zeros(3, np.int64))
    write_cloud(root / "scan.ply", np.eye(3))
    (root / "empty").mkdir(exist_ok=True)
    before = (root / "scan.ply").read_bytes()
    for name in ("file", "net.pth"):
        (root / name).write_text("")
    done = tool_here("visualize", *(a.format(root, name=root.name) for a in arguments))
    assert done.returncode == 2
    assert (root / "scan.ply").read_bytes() == before
    assert message.replace("{}", str(root)) in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (root / "a.png").exists()


@pytest.mark.parametrize("label", [255, 300, 65535, 2**31, -100, 0.5])
@pytest.mark.parametrize("ending", ["ply", "PLY", "html", "PNG"])
def test_a_file_of_any_labels_is_drawn(tmp_path: Path, label: float, ending: str) -> None:
    labels = np.where(np.arange(60) % 2, label, 1)
    coord = np.random.default_rng(0).uniform(0, 1, (60, 3))
    np.savetxt(tmp_path / "a.txt", np.c_[coord, labels], fmt="%.10g", header="x y z label", comments="")
    done = tool_here("visualize", f"input={tmp_path}/a.txt", f"output={tmp_path}/a.{ending}")
    assert done.returncode == 0, done.stderr
    unknown = label in (255, -100, 0.5)
    assert ("note: a.txt: label" in done.stdout) == unknown
    if ending.lower() == "ply":
        written = read_cloud(tmp_path / f"a.{ending}").fields["label"]
        assert written.astype(float).tolist() == [1 if n == 1 else -1 if unknown else n for n in labels]


def test_one_bad_scene_is_one_line_and_the_others_are_drawn(root: Path) -> None:
    done = tool_here("visualize", f"input={root}/data/Area_5", f"output={root}/whole")
    assert done.returncode == 0, done.stderr
    (root / "data/Area_5/c").mkdir()
    np.save(root / "data/Area_5/c/segment.npy", np.zeros(3, np.int64))
    (root / "data/Area_5/a/coord.npy").write_bytes(b"no array")
    done = tool_here("visualize", f"input={root}/data/Area_5", f"output={root}/pictures")
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 2
    assert "Area_5/a/coord.npy" in lines[0]
    assert "Area_5/c: arrays of a scene, but no coord.npy" in lines[1]
    assert "Traceback" not in done.stderr
    assert sorted(p.name for p in (root / "pictures").iterdir()) == ["b.html", "b.ply", "b.png"]
    assert (root / "pictures/b.html").read_bytes() == (root / "whole/b.html").read_bytes()


def test_links_to_scenes_are_followed_and_keep_their_names(root: Path) -> None:
    (root / "links").mkdir()
    for name in ("one", "two"):
        (root / "links" / name).symlink_to(root / "data/Area_5/a")
    done = tool_here("visualize", f"input={root}/links", f"output={root}/pictures")
    assert done.returncode == 0, done.stderr
    assert sorted(p.stem for p in (root / "pictures").glob("*.png")) == ["one", "two"]
    (root / "links" / "gone").symlink_to(root / "nowhere")
    done = tool_here("visualize", f"input={root}/links", f"output={root}/pictures")
    assert done.returncode == 2
    assert "gone: a link to" in done.stderr


@pytest.mark.parametrize("output", ["pictures.v2", "new/", "new.v3/"])
def test_folders_with_an_ending(root: Path, output: str) -> None:
    (root / "pictures.v2").mkdir()
    done = tool_here("visualize", f"input={root}/data/Area_5/a", f"output={root}/{output}")
    assert done.returncode == 0, done.stderr
    assert sorted(p.name for p in (root / output).iterdir()) == ["a.html", "a.ply", "a.png"]


def test_many_notes_are_counted(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    defects = tuple(Defect("a.xyz", line, "strange\x1b", "left out") for line in range(9))
    cloud = Cloud(np.random.default_rng(0).uniform(0, 1, (50, 3)), defects=defects)
    monkeypatch.setattr("pcseg.vis.load.read_cloud", lambda *_: cloud)
    (root / "a.xyz").write_text("")
    done = tool_here("visualize", f"input={root}/a.xyz", f"output={root}/a.html")
    assert done.returncode == 0, done.stderr
    notes = [line for line in done.stdout.splitlines() if line.startswith("note: ")]
    assert notes[0] == "note: a.xyz:0: strange\\x1b; left out"
    assert notes[-1] == "note: and 4 more"
    assert len(notes) == 6


def test_the_codes_of_a_checkpoint_are_what_its_predictions_hold(root: Path) -> None:
    classes = replace(CLASSES, codes=((2, 9), (5,), (6,)))
    network = checkpoint(root / "net.safetensors", classes=classes)
    coord = np.load(root / "data/Area_5/a/coord.npy").astype(np.float64)
    labels = np.arange(400) % 3
    write_cloud(root / "p.ply", coord, labels=classes.to_codes(labels), confidence=np.ones(400, np.float32))
    done = tool_here("visualize", f"input={root}/p.ply", f"classes={network}", f"output={root}/out/")
    assert done.returncode == 0, done.stderr
    found = page(root / "out/p.html")
    assert [c["name"] for c in found.payload["classes"]] == list(CLASSES.names)
    assert (found.array("prediction", "u1") == labels).all()
    assert (read_cloud(root / "out/p.ply").fields["label"] == classes.to_codes(labels)).all()
    done = tool_here(
        "visualize", f"input={root}/data/Area_5/a", f"classes={network}", f"prediction={root}/p.ply",
        f"output={root}/a.html",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (page(root / "a.html").array("prediction", "u1") == labels).all()


def test_help() -> None:
    done = tool_here("visualize", "--help")
    assert done.returncode == 0
    assert "prediction" in done.stdout
