"""Given and guessed labels, each with a mean of its own."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from pcseg.errors import InputError
from pcseg.methods import Supervised
from pcseg.methods.guessed_labels import GuessedLabels
from tests.methods.tiny_network import TinyNetwork, make_batch, model_of


def test_each_kind_of_label_has_its_own_mean() -> None:
    torch.manual_seed(0)
    method, batch = GuessedLabels(model_of(TinyNetwork()), weight=0.5).eval(), make_batch(n_labels=20)
    lot = torch.rand(len(batch.labels))
    weights = torch.where(lot < 0.3, 1.0, 0.2 + 0.5 * lot)
    found = method.losses(replace(batch, weights=weights), 0.5)
    each = F.cross_entropy(method.network(batch.inputs).logits, batch.labels, ignore_index=-1, reduction="none")
    known = batch.labels >= 0
    given, guessed = known & (weights == 1), known & (weights < 1)
    torch.testing.assert_close(found["cross_entropy"], each[given].mean())
    mean = (each * weights)[guessed].sum() / weights[guessed].sum()
    torch.testing.assert_close(found["guessed_cross_entropy"], 0.5 * mean)


def test_without_guesses_it_is_supervised_training() -> None:
    torch.manual_seed(0)
    model, batch = model_of(TinyNetwork()), make_batch()
    found = GuessedLabels(model).eval().losses(batch, 0.5)
    assert torch.equal(found["cross_entropy"], Supervised(model).eval().losses(batch, 0.5)["cross_entropy"])
    assert found["guessed_cross_entropy"] == 0
    with pytest.raises(InputError, match="weight=-1"):
        GuessedLabels(model, weight=-1)
