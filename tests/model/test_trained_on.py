"""The scenes a checkpoint was trained on: kept in its record, and read from the configs of the first version."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pcseg.model.trained_on import TrainedOn, seen, trained_on, training_splits


def test_a_record_gives_back_what_was_put_in() -> None:
    scenes = TrainedOn("data/rooms", ("Area_1", "Area_2"), ())
    assert trained_on(json.loads(json.dumps({"trained_on": scenes.to_json()}))) == scenes


def test_the_config_of_the_first_version_holds_them_too() -> None:
    data = {"root": "rooms", "train": ["Area_1", "Area_5/"], "test": ["Area_5"], "voxel_size": 0.05}
    assert trained_on({"config": {"data": data}}) == TrainedOn("rooms", ("Area_1",), ("Area_5",))


@pytest.mark.parametrize("record", [{}, {"trained_on": None, "config": {"data": {}}}, {"config": {"data": [1]}}])
def test_any_other_record_names_none(record: dict[str, object]) -> None:
    assert trained_on(record) is None


def test_splits_held_back_are_not_trained_on() -> None:
    assert training_splits(["a", "b/", "c"], ["b", "d"]) == ("a", "c")
    assert training_splits(["a_4x4", "b_4x4", "b_4x3"], ["b"]) == ("a_4x4", "b_4x3")  # parts of pictures
    assert seen({"trained_on": TrainedOn("r", ("a_2x2",), ()).to_json()}, ["a", "b"]) == ["a"]


def test_weights_have_seen_what_earlier_runs_were_trained_on(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    here, elsewhere = str(tmp_path / "a"), str(tmp_path / "b")
    earlier = [TrainedOn(here, ("Area_5/",), ()).to_json(), TrainedOn(elsewhere, ("Area_6",), ()).to_json()]
    record = {"began_from": earlier, "trained_on": TrainedOn(here, ("Area_1",), ("Area_5", "Area_6")).to_json()}
    splits = ("Area_1", "Area_5", "Area_6")
    assert seen(record, splits) == ["Area_1", "Area_5"]
    assert seen(record, splits, str(tmp_path / "b" / ".." / "a")) == ["Area_1", "Area_5"]
    assert seen(record, splits, elsewhere) == ["Area_6"]
    assert seen(record, ["Area_2"]) == []
    for unknown in ({**record, "began_from": [*earlier, None]}, {**record, "began_from": 5}, {"began_from": earlier}):
        assert seen(unknown, ["Area_2"]) is None
    assert seen({"began_from": earlier}, splits, here) == ["Area_5"]  # found, though the last run does not say
