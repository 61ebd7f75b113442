"""FickleNet: what its losses train, how chance enters, and what many maps show that one does not."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from pcseg.activation.aggregate import aggregated
from pcseg.activation.cam import activation_of_maps
from pcseg.errors import InputError
from pcseg.feeding.batch import Batch
from pcseg.methods.fickle import FickleNet
from pcseg.model.inputs import ImageInputs
from pcseg.nn.levels import sample_of
from pcseg.ops import segment_mean
from tests.methods.bodies import K, train
from tests.methods.bodies import model_of as bodies_model
from tests.methods.bodies import seen as labels_of
from tests.methods.shapes import miou_of
from tests.methods.tiny_network import TinyNetwork, TinyPixels, make_batch, make_pictures, model_of

both = pytest.mark.parametrize("kind", ["voxels", "pixels"])


def method_of(kind: str = "voxels", **options: object) -> FickleNet:
    torch.manual_seed(0)
    model = model_of(TinyNetwork() if kind == "voxels" else TinyPixels())
    model = model if kind == "voxels" else replace(model, inputs=ImageInputs())
    return FickleNet(model, **{"kernel": 3, "warmup": 0.0, "ramp": 0.0, **options})  # type: ignore[arg-type]


def batch_of(kind: str = "voxels") -> Batch:
    batch = (make_batch if kind == "voxels" else make_pictures)(n=36, n_labels=0)
    return replace(batch, tags=torch.tensor([[1, 0, 0], [1, 1, 0], [0, 0, 1], [0, 0, 0]]).bool())


@both
def test_each_loss_trains_its_part(kind: str) -> None:
    for name, head in (("tags", True), ("seen_cross_entropy", False)):
        method = method_of(kind, high=0.1, low=0.1).train()
        method.losses(batch_of(kind), 0.5)[name].backward()
        moved = [n for n, p in method.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0]
        assert any(n.startswith("score") for n in moved) == head
        assert any(n.startswith("network") for n in moved)


@both
def test_without_dropout_scores_and_activation_are_those_of_a_convolution(kind: str) -> None:
    method, batch = method_of(kind, drop=0.0, passes=2).eval(), batch_of(kind)
    assert batch.tags is not None
    levels = method.network.encode(batch.inputs, method.stride)
    losses, found = method.activate(levels, method.network.decode(levels), batch, 1.0)
    sample = sample_of(levels[-1])
    scores = segment_mean(method.score(levels[-1]), sample, 4)
    wanted = torch.nn.functional.binary_cross_entropy_with_logits(scores, batch.tags.float())
    torch.testing.assert_close(losses["tags"], wanted)
    alone = activation_of_maps(method.score.given(levels[-1]), sample, batch.tags)
    torch.testing.assert_close(found, method.at_elements(aggregated([alone], 0.35), levels, batch))


@both
def test_chance_acts_in_eval_mode_too_and_classes_without_a_tag_are_not_seen(kind: str) -> None:
    method, batch = method_of(kind, passes=3).eval(), batch_of(kind)
    levels = method.network.encode(batch.inputs, method.stride)
    elements = method.network.decode(levels)
    (one, first), (two, second) = (method.activate(levels, elements, batch, 1.0) for _ in range(2))
    assert not torch.equal(one["tags"], two["tags"])
    assert not torch.equal(first, second)
    assert batch.tags is not None
    assert not bool(first[~batch.tags[batch.sample]].any())
    assert 0 <= float(first.min()) <= float(first.max()) <= 1 + 1e-6


def test_maps_that_nobody_reads_are_not_made() -> None:
    method, batch, made = method_of(warmup=0.5, passes=7), batch_of(), []
    given = method.score.given
    method.score.given = lambda *of: made.append(1) or given(*of)  # type: ignore
    for train_mode, progress, count in ((True, 0.5, 1), (True, 0.6, 7), (False, 0.5, 7)):
        made.clear()
        method.train(train_mode).losses(batch, progress)
        assert len(made) == count


@pytest.mark.parametrize("settings", [{"passes": 0}, {"threshold": 1.5}, {"kernel": 2}, {"drop": 1.0}])
def test_refuses_settings(settings: dict[str, object]) -> None:
    with pytest.raises(InputError, match=next(iter(settings))):
        method_of(**settings)


def covered(method: FickleNet, seed: int, passes: int) -> tuple[float, float]:
    """Return the share of objects that has its label at a threshold of 0.35, and the best mIoU over thresholds."""
    method.passes = passes
    found = {high: labels_of(method, seed, high) for high in (0.2, 0.35, 0.5, 0.7)}
    labels, truth = found[0.35]
    share = float((labels == truth)[truth > 0].double().mean())
    return share, max(miou_of(*both, K) for both in found.values())


def test_many_maps_show_bodies_that_one_misses() -> None:
    """Seen (4 seeds): one map labels 0.40 to 0.49 of the objects, 20 maps 0.86 to 0.91, 0.44 more on average; best mIoU
    0.47 to 0.54 and 0.55 to 0.60, 0.07 more. That is no more than class activation alone, with 0.55 to 0.60."""
    gains = []
    for seed in range(4):
        method = FickleNet(bodies_model(seed), kernel=5, background="background", weight=0.0)
        train(method, seed)
        one, many = (covered(method, seed, passes) for passes in (1, 20))
        gains.append((many[0] - one[0], many[1] - one[1]))
    share, score = (sum(column) / 4 for column in zip(*gains, strict=True))
    assert share > 0.2, gains
    assert score > 0.035, gains
