"""Options of the propagated pass beyond the paper's form, and labels with weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from pcseg.errors import InputError
from pcseg.losses import cross_entropy
from pcseg.methods import CrossSamplePropagation, IntraSamplePropagation
from tests.methods.tiny_network import TinyNetwork, make_batch, model_of

every_stage = pytest.mark.parametrize("kind", [CrossSamplePropagation, IntraSamplePropagation])


def made(kind: Any, **options: Any) -> Any:
    torch.manual_seed(0)
    return kind(model_of(TinyNetwork()), stride=2, warmup=0.0, **options)


@every_stage
def test_the_propagated_pass_runs_in_one_step_of_every(kind: Any) -> None:
    method, batch = made(kind, every=4), make_batch()
    ran = [[len(method.losses(batch, step / 200)) > 1 for step in range(1, 200)] for _ in range(2)]
    assert ran[0] == ran[1], "the same steps in a run that goes on"
    assert 30 < sum(ran[0]) < 70
    always = made(kind)
    assert all(len(always.losses(batch, step / 20)) > 1 for step in range(1, 20))
    with pytest.raises(InputError, match="every=0: give 1"):
        made(kind, every=0)


@every_stage
def test_without_skips_the_propagated_pass_sees_the_moved_features_alone(kind: Any) -> None:
    batch, decoded = make_batch(), []
    method = made(kind, skips=False)
    decode = method.network.decode

    def keep(levels: Any, **rest: Any) -> Any:
        decoded.append(levels)
        return decode(levels, **rest)

    method.network.decode = keep
    method.losses(batch, 1.0)
    clean, other = decoded
    assert all(bool(level.feats.any()) for level in clean)
    assert [bool(level.feats.any()) for level in other] == [False, True]


@every_stage
def test_labels_count_by_their_weights_in_both_passes(kind: Any) -> None:
    batch = make_batch(n_labels=10)
    batch = replace(batch, weights=torch.rand(len(batch.labels), generator=torch.Generator().manual_seed(1)))
    method = made(kind).eval()
    found = method.losses(batch, 1.0)
    wanted = cross_entropy(method.predict(batch).logits, batch.labels, batch.weights)
    torch.testing.assert_close(found["cross_entropy"], wanted)
    plain = method.losses(replace(batch, weights=None), 1.0)
    changed = {name for name in found if not torch.equal(found[name], plain[name])}
    assert changed == {"cross_entropy", "propagated_cross_entropy"} & found.keys()
