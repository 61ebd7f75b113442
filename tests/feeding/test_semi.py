"""Batches of labeled and unlabeled scenes, whatever is labeled and however many views fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pcseg.errors import InputError
from pcseg.feeding.samplers import Item, MixedSampler, Plan, SemiSampler


class Scenes:
    """Six scenes, of which the first ``labeled`` have labels."""

    strong = object()

    def __init__(self, labeled: int) -> None:
        self.has = np.arange(6) < labeled

    def __len__(self) -> int:
        return 6

    def counts(self) -> np.ndarray:
        return self.has[:, None].astype(np.int64)

    def labeled(self) -> np.ndarray:
        return self.has


def batch(labeled: int, size: int, views: int = 1) -> list[Item]:
    (found,) = SemiSampler(Scenes(labeled), Plan(size, 1), views=views)
    return found


@pytest.mark.parametrize(("views", "wanted"), [(1, (4, 4)), (2, (4, 4)), (3, (5, 3))])
def test_labeled_samples_take_the_place_of_views_that_do_not_fit(views: int, wanted: tuple[int, int]) -> None:
    found = batch(2, 8, views)
    assert [item.domain for item in found] == [0] * wanted[0] + [1] * wanted[1]
    assert all((item.scene < 2) == (item.domain == 0) for item in found)
    strong = [item.strong for item in found if item.domain == 1]
    assert strong == [i % views > 0 for i in range(wanted[1])]


@pytest.mark.parametrize(("views", "usual"), [(1, 8), (2, 4), (3, 5)])
def test_where_all_have_labels_some_come_as_views(views: int, usual: int) -> None:
    found = batch(6, 8, views)
    assert len(found) == 8
    assert all(item.domain is None for item in found)
    assert [item.view is None for item in found] == [i < usual for i in range(8)]
    rest = found[usual:]
    assert [item.strong for item in rest] == [i % views > 0 for i in range(len(rest))]
    parts = [{(item.scene, item.view) for item in rest[i : i + views]} for i in range(0, len(rest), views)]
    assert all(len(part) == 1 for part in parts)


def test_where_all_have_labels_every_scene_takes_its_turn() -> None:
    items = [item for found in SemiSampler(Scenes(6), Plan(6, 6), views=2, labeled=0.6) for item in found]
    for chosen in ([i for i in items if i.view is None], [i for i in items if i.strong]):
        assert {item.scene for item in chosen} == set(range(6))


@pytest.mark.parametrize("labeled", [0, 2, 6])
def test_a_batch_of_one_takes_scenes_in_turn(labeled: int) -> None:
    items = [found[0] for found in SemiSampler(Scenes(labeled), Plan(1, 6))]
    assert {item.scene for item in items} == set(range(6))
    assert all(item.domain is None for item in items)


def test_a_batch_too_small_for_the_views_is_refused() -> None:
    for labeled, size in ((6, 2), (2, 3), (2, 1)):
        with pytest.raises(InputError, match=rf"batch_size={size}: is too small for .* 3 view.*; give batch_size=4$"):
            batch(labeled, size, 3)
    with pytest.raises(InputError, match=r"batch_size=4: .*; give batch_size=8, 4 in each of 2 processes"):
        SemiSampler(Scenes(2), Plan(4, 1, world=2), views=3)


@pytest.mark.parametrize("share", [0.05, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("views", [1, 2, 3])
@pytest.mark.parametrize("kind", [MixedSampler, SemiSampler])
def test_the_batch_size_that_is_named_is_the_smallest(kind: type[Any], views: int, share: float) -> None:
    def named(size: int) -> int | None:
        try:
            kind(Scenes(2), Plan(size, 1), share, views)
        except InputError as error:
            return int(str(error).rpartition("=")[2])
        return None

    found = {size: named(size) for size in range(2, 64)}
    smallest = next(size for size, other in found.items() if other is None)
    assert set(found.values()) <= {None, smallest}
