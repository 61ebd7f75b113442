"""A published folder: the same numbers to the last bit, a card of what is known, and no place of this machine."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

import pcseg
from pcseg.classes import Classes
from pcseg.errors import InputError
from pcseg.model.checkpoint import load_model, save_model
from pcseg.model.trained_on import TrainedOn
from pcseg.share import publish as module
from pcseg.share.publish import publish
from tests.tools._runs import checkpoint, room, tool_here

LABELS = {"count": 123, "fraction": 0.0125, "sha256": "abc" * 20}
FIGURES = {
    "miou": 0.5, "iou": {"floor": 0.75, "wall": 0.25, "chair": None}, "accuracy": 0.875,
    "protocol": "2 scenes of Area_5; voxel 0.2 m", "labels": LABELS,
}  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder as training leaves it, of scenes at an absolute place."""
    folder = tmp_path / "run"
    folder.mkdir()
    model = load_model(
        checkpoint(folder / "last.safetensors", scenes=TrainedOn("/home/me/rooms", ("Area_1",), ("Area_5",)))
    )
    config = {"labels": {"file": "/home/me/labels/1pct.npz"}, "data": {"root": "~/rooms", "features": ["color"]}}
    model.record |= {
        "labels": LABELS, "config": config, "pcseg": "0.2.0", "torch": "2.9", "stages": {"main": 40}, "colored": 1.0,
        "began_from": [{"root": "data/sim", "train": ["Area_2"], "test": []}],
    }  # fmt: skip
    save_model(folder / "last.safetensors", model)
    (folder / "metrics.json").write_text(json.dumps(FIGURES))
    return folder


def header(card: str) -> dict[str, Any]:
    return dict(yaml.safe_load(card.split("---\n")[1]))


def test_it_gives_the_same_numbers_to_the_last_bit(run: Path, tmp_path: Path) -> None:
    folder = publish(run, tmp_path / "out", license="cc-by-4.0")
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    scene = room("Area_5/x", 7)
    labels, confidence = pcseg.load(run).predict(scene.coord, scene.color)
    again, sure = pcseg.load(folder).predict(scene.coord, scene.color)
    assert np.array_equal(labels, again)
    assert np.array_equal(confidence, sure)
    content = (folder / "model.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    assert json.loads(content[8 : 8 + length])["__metadata__"].keys() == {"pcseg"}


def test_the_card_tells_what_is_known(run: Path, tmp_path: Path) -> None:
    card = (
        publish(run, tmp_path / "out", "me/rooms", "cc-by-4.0", notes="Mind the *glass*.") / "README.md"
    ).read_text()
    found = header(card)
    assert found["license"] == "cc-by-4.0"
    assert found["library_name"] == "pcseg"
    assert "point-cloud" in found["tags"]
    for text in (
        "# me/rooms", 'pcseg.load("hf://me/rooms")', "3 classes: floor, wall, chair", "Trained on Area_1 of rooms",
        "held back: Area_5", "It began from weights trained on Area_2 of data/sim", "main 40 steps",
        "123 labels, 1.25 % of the points", "1pct.npz", LABELS["sha256"], "Protocol: 2 scenes of Area_5; voxel 0.2 m.",
        "| mean IoU | 50.0 |", "| overall accuracy | 87.5 |", "| IoU of chair | none there |", "Mind the *glass*.",
        "License of the weights: cc-by-4.0. Trained with pcseg 0.2.0, torch 2.9",
    ):  # fmt: skip
        assert text in card, text


def test_no_place_of_this_machine_is_published(run: Path, tmp_path: Path) -> None:
    folder = publish(run, tmp_path / "out")
    for path in folder.iterdir():
        assert b"/home/me" not in path.read_bytes(), path.name
        assert str(tmp_path).encode() not in path.read_bytes(), path.name
    record = load_model(folder).record
    assert record["config"]["data"] == {"root": "rooms", "features": ["color"]}
    assert record["labels"] == LABELS
    config = json.loads((folder / "config.json").read_text())
    assert config["classes"]["names"] == ["floor", "wall", "chair"]
    assert config["inputs"]["voxel_size"] == 0.2
    assert config["arguments"]["n_classes"] == 3


def test_a_network_of_unknown_training_says_so(tmp_path: Path) -> None:
    evil = Classes(("a|b", "<script>", "[x](y)"))
    card = (publish(checkpoint(tmp_path / "x.safetensors", classes=evil), tmp_path / "out") / "README.md").read_text()
    assert header(card)["license"] == "unknown"
    for text in ("does not say on which scenes", "does not say from how many labels", "Not evaluated."):
        assert text in card
    assert "<script>" not in card
    assert "\\[x\\](y)" in card
    assert "a\\|b" in card


def test_figures_of_other_weights_are_refused(run: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    for change in ({"labels": {**LABELS, "sha256": "x"}}, {"labels": [LABELS]}, {"iou": {"floor": 1.0}}):
        other.write_text(json.dumps({**FIGURES, **change}))
        with pytest.raises(InputError, match=r"other\.json: is of weights trained from other labels"):
            publish(run, tmp_path / "out", metrics=other)
    other.write_text("[]")
    with pytest.raises(InputError, match="holds no figures"):
        publish(run, tmp_path / "out", metrics=other)
    assert not (tmp_path / "out").exists()


def test_half_the_size_at_16_bits(run: Path, tmp_path: Path) -> None:
    whole, half = publish(run, tmp_path / "whole"), publish(run, tmp_path / "half", half=True)
    sizes = [(folder / "model.safetensors").stat().st_size for folder in (whole, half)]
    assert sizes[1] < 0.7 * sizes[0]
    learned = dict(load_model(run).network.named_parameters())
    rounded = load_model(half).network.state_dict()
    for name, value in load_model(run).network.state_dict().items():
        assert rounded[name].dtype == value.dtype
        expected = value.half().float() if name in learned else value
        assert torch.equal(rounded[name], expected), name


def test_nothing_else_is_replaced(run: Path, tmp_path: Path) -> None:
    folder = publish(run, tmp_path / "out")
    with pytest.raises(InputError, match="is there already; choose another name, or overwrite=true"):
        publish(run, folder)
    publish(run, folder, license="mit", overwrite=True)
    assert header((folder / "README.md").read_text())["license"] == "mit"
    (folder / "thesis.tex").write_text("years")
    with pytest.raises(InputError, match=r"holds thesis\.tex, which would be lost"):
        publish(run, folder, overwrite=True)
    with pytest.raises(InputError, match="is a file"):
        publish(run, folder / "thesis.tex", overwrite=True)


def test_a_folder_appears_whole_or_not_at_all(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "card", broken)
    with pytest.raises(InputError, match="No space left"):
        publish(run, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_the_tool(run: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("Small rooms only.")
    out = tmp_path / "out"
    done = tool_here(
        "publish", f"run={run}", f"output={out}", "name=me/rooms", "license=mit", f"notes={tmp_path}/notes.md"
    )
    assert done.returncode == 0, done.stderr
    assert f"hf upload me/rooms {out}" in done.stdout
    assert "Small rooms only." in (out / "README.md").read_text()
    for words, more in {"license=My Own": "license=My Own", "no such checkpoint": f"run={tmp_path}/no"}.items():
        given = {"run": str(run), "output": f"{tmp_path}/new", **dict([more.split("=")])}
        done = tool_here("publish", *(f"{key}={value}" for key, value in given.items()))
        assert done.returncode == 2
        assert words in done.stderr
        assert len(done.stderr.splitlines()) == 1
