"""Files and folders of unusual names through the tools as typed: those named are read and written, no others."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.tools._runs import TINY, checkpoint, failed, room, tool, tool_here

NAMES = (
    "data #2", "2024_01_15", "001", "20:30", "1e3", "true", "null", "~", "@x", "%x", "!x", "&x", "a=b", "it's", '"q"',
    "a\tb", "[a] b", "{a}", "`x`", "| x", "- x", "C:\\a", "über", "$x", "x\ny", "(a, b)",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_train_and_evaluate(name: str, rooms: Path, tmp_path: Path) -> None:
    place = tmp_path / name
    place.mkdir()
    shutil.copytree(rooms, place / "rooms")
    shutil.copy(rooms.parent / "labels.npz", place / f"{name}.npz")
    (place / "rooms" / "Area_5").rename(place / "rooms" / name)
    test = f"'{name}'" if set(name) & set(',"') else name  # quotes have a meaning in lists
    done = tool_here(
        "train", f"data.root={place}/rooms", "data.train=Area_1", f"data.test={test}",
        f"labels.file={place}/{name}.npz", f"output={place}/{name}", "batch_size=1", "steps=1", *TINY,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads((place / name / "metrics.json").read_text())["steps"] == 1
    done = tool_here("evaluate", f"checkpoint={place}/{name}", f"output={place}/{name}/{name}", "threads=1")
    assert done.returncode == 0, done.stderr
    assert (place / name / name / "metrics.json").is_file()
    assert {path.name for path in tmp_path.iterdir()} == {name}
    assert {path.name for path in place.iterdir()} == {"rooms", name, f"{name}.npz"}


def test_names_that_are_no_text(rooms: Path, tmp_path: Path) -> None:
    name = "a\udcffb"
    shutil.copytree(rooms, tmp_path / name)
    (tmp_path / name / "Area_5").rename(tmp_path / name / name)
    data = f"data.root={tmp_path / name}"
    settings = (
        data,
        "data.train=Area_1",
        f"data.test={name}",
        f"labels.file={rooms.parent}/labels.npz",
        "batch_size=1",
    )
    done = tool_here("train", *settings, f"output={tmp_path / name}/run", "steps=1", *TINY)
    failed(done, "UTF-8")
    assert not (tmp_path / name / "run").exists()
    done = tool_here("train", *settings, f"output={tmp_path}/run", "steps=1", *TINY)
    assert done.returncode == 0, done.stderr
    output = f"output={tmp_path / name}/evaluation"
    done = tool_here("evaluate", f"checkpoint={tmp_path}/run", output, "predictions=true", "threads=1")
    assert done.returncode == 0, done.stderr
    saved, *_ = (tmp_path / name / "evaluation" / "predictions" / name).iterdir()
    done = tool_here(
        "visualize",
        f"input={tmp_path / name / name / saved.stem}",
        f"prediction={saved}",
        f"output={tmp_path / name}/v",
    )
    assert done.returncode == 0, done.stderr
    done = tool_here("draw_labels", f"root={tmp_path / name}", f"splits={name}", f"output={tmp_path}/{name}.npz")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_predict(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / name
    place.mkdir()
    net = checkpoint(place / f"{name}.safetensors")
    scene = room("a", 0)
    assert scene.color is not None
    np.savetxt(place / f"{name}.xyz", np.column_stack([scene.coord, scene.color]), fmt="%.3f")
    done = tool_here(
        "predict", f"checkpoint={net}", f"input={place}/{name}.xyz", f"output={place}/out/{name}.ply", "device=cpu"
    )
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (place / "out").iterdir()] == [f"{name}.ply"]
    assert {path.name for path in place.iterdir()} == {f"{name}.xyz", f"{name}.safetensors", "out"}


def test_simulate_and_compare_from_another_process(tmp_path: Path) -> None:
    place = tmp_path / "2024_01_15 #2"
    done = tool("simulate", f"output={place}", "areas=1", "rooms=1", "points=1000", "frames=1", "workers=1")
    assert done.returncode == 0, done.stderr
    assert (place / "Area_1").is_dir()
    failed(tool("compare", "rows=experiment='nothing #1'", "seeds=0", f"output={place}/c"), "seed 0", "nothing #1")
    assert {path.name for path in tmp_path.iterdir()} == {"2024_01_15 #2"}
