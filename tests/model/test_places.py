"""Places of a checkpoint: files, run folders, published folders, and the hub, for which a folder stands here."""

from __future__ import annotations

import shutil
import sys
import types
from pathlib import Path
from typing import Any

import pytest

import pcseg
from pcseg.errors import InputError
from pcseg.model.checkpoint import load_model
from pcseg.model.places import checkpoint_file


def hub(monkeypatch: pytest.MonkeyPatch, answer: Path | Exception) -> list[tuple[Any, ...]]:
    """Let the hub answer with a folder or an error; return the list of what it will be asked."""
    asked: list[tuple[Any, ...]] = []

    def snapshot_download(repo_id: str, *, revision: str | None = None, allow_patterns: list[str]) -> str:
        asked.append((repo_id, revision, allow_patterns))
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    module = types.ModuleType("huggingface_hub")
    module.snapshot_download = snapshot_download  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)
    return asked


def test_a_run_folder_stands_for_its_last_weights_a_published_one_for_its_own(checkpoint: Path, tmp_path: Path) -> None:
    assert checkpoint_file(checkpoint) == checkpoint
    assert checkpoint_file(tmp_path) == checkpoint
    shutil.copy(checkpoint, tmp_path / "model.safetensors")
    assert checkpoint_file(tmp_path) == checkpoint
    checkpoint.unlink()
    assert checkpoint_file(str(tmp_path)) == tmp_path / "model.safetensors"
    assert len(load_model(tmp_path).classes) == 3
    assert checkpoint_file(tmp_path / "none") == tmp_path / "none"


@pytest.mark.parametrize(("behind", "revision"), [("", None), ("@v1.0", "v1.0"), ("@refs/pr/1", "refs/pr/1")])
def test_an_address_on_the_hub_is_fetched(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, behind: str, revision: str | None
) -> None:
    checkpoint.rename(tmp_path / "model.safetensors")
    asked = hub(monkeypatch, tmp_path)
    assert len(load_model(f"hf://owner/rooms-2.b{behind}").classes) == 3
    assert asked == [("owner/rooms-2.b", revision, ["model.safetensors", "config.json"])]


def test_what_cannot_be_fetched_is_told_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(
        InputError, match=r"^hf://owner/name: needs the package huggingface_hub; pip install 'pcseg\[hub\]'"
    ):
        checkpoint_file("hf://owner/name")
    hub(monkeypatch, OSError("404 Client Error\nmore"))
    with pytest.raises(InputError, match=r"^hf://owner/name: cannot be fetched \(404 Client Error\)"):
        checkpoint_file("hf://owner/name")
    asked = hub(monkeypatch, tmp_path)
    with pytest.raises(InputError, match=r"^hf://owner/name: holds no model.safetensors"):
        checkpoint_file("hf://owner/name")
    for wrong in ("hf://name", "hf://a/b/c", "hf://../etc/x", "hf://owner/na me", "hf://"):
        with pytest.raises(InputError, match="is no address on the hub"):
            checkpoint_file(wrong)
    assert len(asked) == 1


def test_a_network_that_comes_with_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rooms").mkdir()
    file = checkpoint_file("pcseg://rooms")
    assert file.stat().st_size < 5e6
    model = load_model("pcseg://rooms")
    assert pcseg.load(device="cpu").classes == model.classes.names
    assert model.classes.names[:3] == ("ceiling", "floor", "wall")
    assert model.record["labels"]["count"] == 4_000_000
    for name in ("pcseg://streets", "pcseg://../shipped/rooms", "pcseg://"):
        with pytest.raises(InputError, match=r"there are pcseg://rooms"):
            checkpoint_file(name)
