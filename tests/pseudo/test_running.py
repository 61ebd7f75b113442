"""Running means of what not every batch shows."""

from __future__ import annotations

import torch

from pcseg.pseudo.running import move


def test_the_first_sight_sets_the_mean_and_later_ones_move_it() -> None:
    mean, met = torch.zeros(3, 2), torch.tensor([True, False, False])
    now, seen = torch.full((3, 2), 10.0), torch.tensor([True, True, False])
    move(mean, met, now, seen, 0.75)
    assert mean.tolist() == [[2.5, 2.5], [10.0, 10.0], [0.0, 0.0]]
    assert met.tolist() == [True, True, False]
    move(mean, met, torch.full((3, 2), torch.nan), torch.zeros(3, dtype=torch.bool), 0.75)
    assert mean[0].tolist() == [2.5, 2.5], "what was not seen may be anything"


def test_scalars_too() -> None:
    mean, met, seen = torch.zeros(()), torch.tensor(False), torch.tensor(True)
    for value, wanted in ((4.0, 4.0), (8.0, 5.0)):
        move(mean, met, torch.tensor(value), seen, 0.75)
        assert float(mean) == wanted
