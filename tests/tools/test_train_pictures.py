"""tools/train.py on pictures: the method that CONTRIBUTING.md shows, and a part of given weights."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pcseg.model.tensor_file import read_tensors
from tests.tools._pictures import picture_checkpoint
from tests.tools._runs import CLASSES, ROOT, TINY, building, checkpoint, curve, failed, tool, tool_here
from tests.tools.test_pictures import SETTINGS, prepare_pictures

STEPS = tuple(setting for setting in SETTINGS if not setting.startswith(("steps=", "labels=")))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with prepared pictures and labels of two of them."""
    return prepare_pictures(tmp_path_factory.mktemp("pictures"))


def train(made: Path, name: str, *more: str, **variables: str) -> Path:
    """Train two steps on pictures and return the run folder."""
    where = (f"data.root={made}/data", f"labels.file={made}/labels.npz", f"output={made}/{name}")
    done = tool("train", *more, *STEPS, *where, "steps=2", **variables)
    assert done.returncode == 0, done.stderr
    return made / name


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the file and the yaml that CONTRIBUTING.md shows."""
    section = (ROOT / "CONTRIBUTING.md").read_text().split("## Adding a method\n")[1]
    (code,), (recipe,) = (re.findall(rf"```{kind}\n(.*?)```", section, re.DOTALL) for kind in ("python", "yaml"))
    folder = tmp_path_factory.mktemp("example")
    (folder / "configs" / "method").mkdir(parents=True)
    (folder / "sharpened.py").write_text(code)
    (folder / "configs" / "method" / "sharpened.yaml").write_text(recipe)
    return folder


def losses(run: Path) -> list[set[str]]:
    return [set(line) - {"step", "stage", "lr", "loss"} for line in curve(run)]


def test_the_example_of_the_guide_trains_on_pictures(made: Path, example: Path) -> None:
    run = train(made, "sharpened", f"--config-dir={example}/configs", "method=sharpened", PYTHONPATH=str(example))
    assert losses(run) == [{"cross_entropy"}, {"cross_entropy", "sharpened"}]


def test_the_example_of_the_guide_trains_on_points(example: Path, tmp_path: Path) -> None:
    rooms = building(tmp_path / "building")
    done = tool(
        "train", f"--config-dir={example}/configs", "method=sharpened", f"data.root={rooms}", "data.train=[Area_1]",
        "data.test=[Area_5]", f"labels.file={rooms.parent / 'labels.npz'}", f"output={tmp_path / 'run'}",
        "batch_size=2", "steps=2", *TINY, PYTHONPATH=str(example),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert losses(tmp_path / "run") == [{"cross_entropy"}, {"cross_entropy", "sharpened"}]


def test_networks_of_the_other_kind_of_scene_are_refused(made: Path, tmp_path: Path) -> None:
    """In training before a run begins, and in scoring."""
    rooms, point = building(tmp_path / "building"), checkpoint(tmp_path / "point.safetensors")
    flat, where = picture_checkpoint(tmp_path / "flat.safetensors", CLASSES), (f"output={tmp_path / 'run'}",)
    pictures = (f"{made}/data: its scenes are pictures (", "network takes point clouds; train one of pictures: ",
                f"experiment=camvid data.root={made}/data")  # fmt: skip
    clouds = (f"{rooms}: its scenes are point clouds (", "network takes pictures; train one of point clouds: ",
              f"experiment=custom data.root={rooms}")  # fmt: skip
    failed(tool_here("train", "experiment=custom", f"data.root={made}/data", "data.test=[val]", *where), *pictures)
    failed(tool_here("train", *STEPS, f"data.root={rooms}", "data.train=[Area_1]", "data.test=[]", *where), *clouds)
    for network, root, split, words in ((point, f"{made}/data", "val", pictures), (flat, rooms, "Area_5", clouds)):
        arguments = (f"checkpoint={network}", f"data.root={root}", f"data.test=[{split}]", *where)
        failed(tool_here("evaluate", *arguments, "device=cpu"), *words)
    assert not list((tmp_path / "run").glob("*"))


def test_a_part_of_given_weights_is_trained(made: Path) -> None:
    """Of a DeepLab: its classifier alone, or low-rank updates of all convolutions, of which the run saves the sum."""
    begun = train(made, "begun", "method=supervised")
    before, _ = read_tensors(begun / "last.safetensors", "model")
    moved = {}
    for tune in ("frozen", "lora"):
        run = train(made, tune, "method=supervised", f"weights={begun}", f"tune={tune}")
        after, _ = read_tensors(run / "last.safetensors", "model")
        assert after.keys() == before.keys()
        moved[tune] = {name for name, value in after.items() if not value.equal(before[name])}
    assert {name.rpartition(".")[0].rpartition("main.")[2] for name in moved["frozen"]} == {"head"}
    convolutions = {name for name, value in before.items() if name.endswith("weight") and value.dim() == 4}
    assert len(convolutions) > 50
    assert convolutions <= moved["lora"]
