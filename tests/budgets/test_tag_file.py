"""The tag file: it gives back what was saved, and damaged or changed files are refused in one line."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pcseg.budgets.draw import draw_points, draw_tags
from pcseg.budgets.tags import Tags
from tests.budgets.damage import damaged, read_or_refused, refused
from tests.budgets.tagged import ROOMS, drawn
from tests.scenes.rooms import CLASSES


def test_a_file_gives_back_what_was_saved(tmp_path: Path) -> None:
    for tags in (drawn(), draw_tags(ROOMS, CLASSES), Tags.from_labels(draw_points(ROOMS, CLASSES, 2))):
        tags.save(tmp_path / "deep" / "tags.json")
        loaded = Tags.load(tmp_path / "deep" / "tags.json")
        assert (loaded.sha256, loaded.summary()) == (tags.sha256, tags.summary())
        for scene in ROOMS:
            center = scene.coord[7] + scene.origin
            assert np.array_equal(loaded.of(scene.name), tags.of(scene.name))
            assert np.array_equal(loaded.of(scene.name, center), tags.of(scene.name, center))


def test_the_hash_follows_the_content() -> None:
    tags = drawn()
    first = tags.scenes[0]
    changed = [
        replace(tags, seed=4),
        replace(tags, rule="file"),
        replace(tags, scenes=tags.scenes[::-1]),
        replace(tags, scenes=(replace(first, radius=first.radius * 2), *tags.scenes[1:])),
        replace(tags, scenes=(replace(first, known=np.ones(4, dtype=bool)), *tags.scenes[1:])),
    ]
    assert len({tags.sha256, *(other.sha256 for other in changed)}) == 6
    assert drawn().sha256 == tags.sha256


def scene_of(**changes: object) -> dict[str, object]:
    return {"scenes": [{"name": "a", "classes": ["wall"], **changes}]}


def ball(**changes: object) -> dict[str, object]:
    return scene_of(sub_clouds=[{"center": [0, 0, 0], "radius": 1, "classes": ["wall"], **changes}])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 9}, "is of format 9, this reads 1"),
        ({"classes": ["floor", "wall", "chair", "sofa"]}, "class 'board' is not one of"),
        ({"classes": [*CLASSES.names, "sofa"]}, "does not match its hash"),
        ({"classes": None}, "TypeError"),
        ({"rule": 7}, "rule, parameters or seed"),
        ({"parameters": []}, "rule, parameters or seed"),
        ({"seed": "0"}, "rule, parameters or seed"),
        ({"seed": 4}, "does not match its hash"),
        ({"sha256": 7}, "does not match its hash"),
        ({"scenes": None}, "TypeError"),
        ({"scenes": [7]}, "TypeError"),
        ({"scenes": [{}]}, "KeyError"),
        (scene_of(), "does not match its hash"),
        (scene_of(name=[]), "the name of a scene is no text"),
        (scene_of(classes="wall"), "class 'w' is not one of"),
        (scene_of(classes=[["wall"]]), "is not one of"),
        (scene_of(sub_clouds=7), "TypeError"),
        (ball(), "does not match its hash"),
        (ball(radius=-1), "radii above 0"),
        (ball(radius="far"), "ValueError"),
        (ball(radius=[1, 2]), "ValueError"),
        (ball(center=[0, 0]), "ValueError"),
        (ball(center=None), "Error"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    path = tmp_path / "tags.json"
    drawn().save(path)
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    assert message in refused(lambda: Tags.load(path), path)


@pytest.mark.parametrize("text", ["", "[]", "7", "null", "{}", "scene,class", "[" * 10**5])
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "tags.json"
    path.write_text(text)
    refused(lambda: Tags.load(path), path)


def test_damaged_files_are_read_or_refused_in_one_line(tmp_path: Path) -> None:
    draw = random.Random(3)
    path = tmp_path / "tags.json"
    drawn().save(path)
    text = path.read_bytes()
    pieces = [b"NaN", b"1e999", b"9" * 400, b"null", b"[", b"{}", b"-", b"\xff", b"\x00", b'"', b",", b"\n"]
    for _ in range(300):
        path.write_bytes(damaged(text, draw, pieces))
        found = read_or_refused(path, lambda: Tags.load(path))
        assert found is None or found.sha256 == drawn().sha256


def test_an_unreadable_file_does_not_replace_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "tags.json"
    drawn().save(path)
    before = path.read_bytes()
    monkeypatch.setattr(Tags, "sha256", "another")
    monkeypatch.setattr(json, "dumps", lambda *_, **__: "{}")
    assert "could not be read back" in refused(lambda: drawn().save(path))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
