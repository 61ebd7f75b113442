"""The tag file: it gives back what was saved, and damaged or changed files are refused in one line."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pcseg.budgets.draw import draw_points, draw_tags
from pcseg.budgets.tags import Tags
from pcseg.errors import InputError
from tests.scenes.rooms import CLASSES, room

ROOMS = [room("Area_1/a", 400), replace(room("Area_1/b", 300, (0, 3)), origin=np.array([500_000.0, 4e6, 10.0]))]
RADIUS = 0.6


def refused(action: Callable[[], object]) -> str:
    """Return the message of an InputError: one printable line of bounded length."""
    with pytest.raises(InputError) as error:
        action()
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 1000
    return str(error.value)


def drawn() -> Tags:
    return draw_tags(ROOMS, CLASSES, seed=3, radius=RADIUS, points=3)


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
    text = refused(lambda: Tags.load(path))
    assert text.startswith(str(path))
    assert message in text


@pytest.mark.parametrize("text", ["", "[]", "7", "null", "{}", "scene,class", "[" * 10**5])
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "tags.json"
    path.write_text(text)
    assert refused(lambda: Tags.load(path)).startswith(str(path))


def test_damaged_files_are_read_or_refused_in_one_line(tmp_path: Path) -> None:
    draw = random.Random(3)
    path = tmp_path / "tags.json"
    drawn().save(path)
    text = path.read_bytes()
    pieces = [b"NaN", b"1e999", b"9" * 400, b"null", b"[", b"{}", b"-", b"\xff", b"\x00", b'"', b",", b"\n"]
    for _ in range(300):
        raw = bytearray(text)
        for _ in range(draw.randint(1, 3)):
            at, kind = draw.randrange(len(raw)), draw.randrange(4)
            if kind == 0:
                raw[at] ^= 1 << draw.randrange(8)
            elif kind == 1:
                del raw[at : at + draw.randint(1, 40)]
            elif kind == 2:
                raw[at : at + 1] = draw.choice(pieces)
            else:
                raw[at:at] = raw[draw.randrange(len(raw)) :][: draw.randint(1, 40)]
        path.write_bytes(bytes(raw))
        try:
            assert Tags.load(path).sha256 == drawn().sha256
        except InputError:
            assert refused(lambda: Tags.load(path)).startswith(str(path))


def test_an_unreadable_file_does_not_replace_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "tags.json"
    drawn().save(path)
    before = path.read_bytes()
    monkeypatch.setattr(Tags, "sha256", "another")
    monkeypatch.setattr(json, "dumps", lambda *_, **__: "{}")
    assert "could not be read back" in refused(lambda: drawn().save(path))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
