"""The scenes a checkpoint was trained on: kept in its record, and read from the configs of the first version."""

from __future__ import annotations

import json

import pytest

from pcseg.model.trained_on import TrainedOn, trained_on, training_splits


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
