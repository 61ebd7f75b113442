"""The scenes that a network was trained on, and its weights before, as its checkpoint keeps them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class TrainedOn:
    """Scenes of the splits ``train`` of the folder ``root``; ``test`` are the splits held back to score on.

    ``root`` may be relative to the folder the training was started in.
    """

    root: str
    train: tuple[str, ...]
    test: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return {"root": self.root, "train": list(self.train), "test": list(self.test)}


def trained_on(record: Mapping[str, Any]) -> TrainedOn | None:
    """Return the scenes named in ``Model.record``; None where it names none, or not as a run of ours does.

    Checkpoints of pcseg 0.1 hold them in the configuration of their run.
    """
    if "trained_on" in record:
        return _read(record["trained_on"])
    config = record.get("config")
    found = _read(config.get("data") if isinstance(config, dict) else None)
    return found and TrainedOn(found.root, training_splits(found.train, found.test), found.test)


def began_from(record: Mapping[str, Any]) -> list[TrainedOn | None]:
    """Return the scenes of the earlier runs whose weights a run began from, oldest first; None where one does not say.

    They are named in ``Model.record``; a run from fresh weights has none.
    """
    earlier = record.get("began_from", [])
    return [_read(scenes) for scenes in earlier] if isinstance(earlier, list) else [None]


def seen(record: Mapping[str, Any], splits: Sequence[str], root: str | None = None) -> list[str] | None:
    """Return those of ``splits`` that weights of this ``record`` have seen, in their own run or one they began from.

    ``root`` is the folder of the splits, by default that of the weights' own run; scenes elsewhere are others, whatever
    their splits are called. None where no such split is found and a run does not say what it was trained on.
    """
    own = trained_on(record)
    runs = [*began_from(record), own]
    root = root or (own.root if own else None)
    trained = {
        _whole(split)
        for run in runs
        if run is not None and root is not None and Path(run.root).resolve() == Path(root).resolve()
        for split in run.train
    }
    return [split for split in splits if _whole(split) in trained] or (None if None in runs else [])


def training_splits(train: Sequence[str], test: Sequence[str]) -> tuple[str, ...]:
    """Return the splits of ``train`` that ``test`` does not hold back, however it writes them, whole or in parts."""
    held_back = {_whole(split) for split in test}
    return tuple(split for split in train if _whole(split) not in held_back)


def _whole(split: str) -> Path:
    """Return the split; of parts of pictures, such as ``train_4x4``, that of the pictures (pcseg.datasets.crops)."""
    return Path(re.sub(r"_(\d+)x\1/*$", "", split))


def _read(value: Any) -> TrainedOn | None:
    """Return the scenes named in what may have any form; None where that is not the one of ``to_json``."""
    value = value if isinstance(value, dict) else {}
    root, train, test = (value.get(key) for key in ("root", "train", "test"))
    if not isinstance(train, list) or not isinstance(test, list):
        return None
    if not all(isinstance(name, str) and name and "\0" not in name for name in (root, *train, *test)):
        return None
    return TrainedOn(str(root), tuple(train), tuple(test))
