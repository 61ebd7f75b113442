"""S4L: each question against a pass written out, on pixels and voxels, what it moves, and that orientation helps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from pcseg.classes import IGNORE, Classes
from pcseg.errors import InputError
from pcseg.feeding.batch import Batch
from pcseg.feeding.pretext import shuffle_cells, turn
from pcseg.losses import cross_entropy, entropy
from pcseg.losses.triplet import batch_hard_triplet
from pcseg.methods.s4l import S4L
from pcseg.model.inputs import ImageInputs
from pcseg.model.model import Model
from pcseg.model.networks import Networks, NetworkSpec
from pcseg.nn.levels import pooled
from pcseg.ops import segment_mean
from tests.methods.glyphs import score, supervised
from tests.methods.tiny_network import TinyNetwork, TinyPixels, make_batch, make_pictures, model_of

OFF = {"orientation": 0.0, "vat": 0.0, "entropy": 0.0, "warmup": 0.0, "ramp": 0.0}
each_kind = pytest.mark.parametrize("make", [make_batch, make_pictures], ids=["voxels", "pixels"])


def model(make: Callable[..., Batch]) -> Model:
    torch.manual_seed(0)
    if make is make_batch:
        return model_of(TinyNetwork())
    spec = NetworkSpec("TinyPixels", {}, TinyPixels)
    network = TinyPixels()
    network.head.in_features = 16  # type: ignore[assignment]
    return Model(Networks(network, spec), Classes(("a", "b", "c")), ImageInputs())


def method_of(make: Callable[..., Batch] = make_batch, **options: float) -> S4L:
    return S4L(model(make), **{**OFF, **options})


def batch_of(make: Callable[..., Batch]) -> Batch:
    return make(n_samples=4, n=64, n_labels=20)


@each_kind
def test_the_way_a_sample_is_turned_and_its_labels_are_learned(make) -> None:
    method, batch = method_of(make, orientation=2.0, turned_labels=0.5).eval(), batch_of(make)
    ways = torch.randint(method.ways, (4,), generator=torch.manual_seed(5))
    torch.manual_seed(5)
    found = method.losses(batch, 0.5)
    turned, _ = turn(batch, ways, method.features)
    deepest = method.network.encode(turned.inputs)[-1]
    scores = method.heads["orientation"](pooled(deepest, 4))
    torch.testing.assert_close(found["orientation"], 2 * F.cross_entropy(scores, ways))
    logits = method.network(turned.inputs).logits
    torch.testing.assert_close(found["turned"], 0.5 * cross_entropy(logits, turned.labels))
    assert scores.shape[1] == (6 if make is make_batch else 4)
    alone = method_of(make, orientation=2.0, turned_labels=0.0).eval()
    torch.manual_seed(5)
    alone = alone.losses(batch, 0.5)
    assert alone.keys() == {"cross_entropy", "orientation"}
    torch.testing.assert_close(alone["orientation"], found["orientation"])


@each_kind
def test_the_cell_that_was_at_each_place_is_learned(make, monkeypatch) -> None:
    method, batch = method_of(make, jigsaw=3.0).eval(), batch_of(make)
    cells = 8 if make is make_batch else 4
    lot = torch.rand(4, cells)
    monkeypatch.setattr(torch, "rand", lambda *size: lot)
    found = method.losses(batch, 0.5)["jigsaw"]
    shuffled = shuffle_cells(batch, lot.argsort(1), method.unit, method.features)
    feats = method.network(shuffled.batch.inputs).feats
    means = segment_mean(feats, shuffled.place, 4 * cells)
    present = torch.bincount(shuffled.place, minlength=4 * cells) > 0
    wanted = F.cross_entropy(method.heads["jigsaw"](means[present]), lot.argsort(1).flatten()[present])
    torch.testing.assert_close(found, 3 * wanted)


@each_kind
def test_colors_are_restored_where_they_were_hidden(make, monkeypatch) -> None:
    method, batch = method_of(make, color=1.0).eval(), batch_of(make)
    hidden = torch.rand(256) < 0.3
    monkeypatch.setattr("pcseg.methods.s4l.cross_masks", lambda *arguments: hidden)
    seen = []
    original = method.network.encode
    method.network.encode = lambda x, stride=None: (seen.append(x), original(x, stride))[1]
    method.losses(batch, 0.5)
    rows = seen[-1].feats if make is make_batch else seen[-1].permute(0, 2, 3, 1).flatten(0, 2)
    before = batch.inputs.feats if make is make_batch else batch.inputs.permute(0, 2, 3, 1).flatten(0, 2)
    torch.testing.assert_close(rows[~hidden], before[~hidden])
    gray = torch.zeros(3) if make is make_batch else (0.5 - torch.tensor(ImageInputs().mean)) / torch.tensor(
        ImageInputs().std
    )  # fmt: skip
    torch.testing.assert_close(rows[hidden, :3], gray.expand(int(hidden.sum()), 3))
    if make is make_batch:
        assert torch.equal(rows[:, 3:], before[:, 3:])  # heights are not hidden


def test_views_of_a_scene_are_one_example() -> None:
    method = method_of(exemplar=2.0).eval()
    batch = replace(batch_of(make_batch), matches=torch.tensor([[64, 65, 0], [192, 193, 128]]))
    assert method.needs == {"matches"}
    assert method_of().needs == frozenset()
    embedding = method.heads["exemplar"](pooled(method.network.encode(batch.inputs)[-1], 4))
    wanted = batch_hard_triplet(embedding, torch.tensor([0, 1, 0, 1]))
    torch.testing.assert_close(method.losses(batch, 0.5)["exemplar"], 2 * wanted)


@each_kind
def test_predictions_are_to_be_steady_and_sure(make) -> None:
    batch = batch_of(make)
    method = method_of(make, vat=2.0, entropy=0.5, warmup=0.2, ramp=0.2).eval()
    assert method.losses(batch, 0.2).keys() == {"cross_entropy"}
    torch.manual_seed(3)
    half = method.losses(batch, 0.3)
    torch.manual_seed(3)
    whole = method.losses(batch, 0.4)
    for name in ("vat", "entropy"):
        torch.testing.assert_close(2 * half[name], whole[name])
    logits = method.network(batch.inputs).logits
    torch.testing.assert_close(whole["entropy"], 0.5 * entropy(logits, batch.labels))
    assert float(whole["vat"].detach()) > 0


def test_voxels_stay_where_they_are_under_vat() -> None:
    method, batch = method_of(vat=1.0).train(), batch_of(make_batch)
    seen = []
    original = method.network.encode
    method.network.encode = lambda x, stride=None: (seen.append(x), original(x, stride))[1]
    method.losses(batch, 0.5)
    assert len(seen) == 3
    assert all(x.coords is batch.voxels.coords for x in seen)
    assert not torch.equal(seen[1].feats, seen[0].feats)


def test_only_samples_as_they_are_move_the_statistics() -> None:
    on = {"orientation": 1.0, "jigsaw": 1.0, "color": 1.0, "vat": 1.0, "entropy": 1.0}
    method = method_of(**on).train()
    method.losses(batch_of(make_batch), 0.5)
    assert {int(b) for n, b in method.network.named_buffers() if n.endswith("num_batches_tracked")} == {1}


def test_without_weights_it_learns_the_labels_alone() -> None:
    method, batch = method_of().eval(), batch_of(make_batch)
    found = method.losses(batch, 0.5)
    assert found.keys() == {"cross_entropy"}
    torch.testing.assert_close(found["cross_entropy"], cross_entropy(method.network(batch.inputs).logits, batch.labels))
    assert not list(method.heads.parameters())


def test_labels_of_unlabeled_elements_are_never_learned() -> None:
    method, batch = method_of(orientation=1.0, vat=1.0).train(), batch_of(make_batch)
    nothing = replace(batch, labels=torch.full_like(batch.labels, IGNORE))
    torch.manual_seed(0)
    found = method.losses(nothing, 0.5)
    assert float(found["cross_entropy"].detach()) == float(found["turned"].detach()) == 0


@pytest.mark.parametrize(
    "wrong",
    [{name: -1.0} for name in ("orientation", "turned_labels", "jigsaw", "color", "exemplar", "vat", "entropy", "ramp")]
    + [{"cell": 0.0}, {"vat_size": 0.0}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_settings_are_checked(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        method_of(**wrong)


def test_the_question_of_orientation_helps_where_it_says_class() -> None:
    """On upright glyphs in any colors, two pictures of them labeled. Seen over 8 seeds: 0.45 to 0.60 supervised, gain
    0.084 (0.061); asserted: half of that. At the published weight 1.0 it was 0.057 over 6 seeds, with turned labels
    0.035 over three.
    """
    settings = {"orientation": 0.3, "turned_labels": 0.0, "vat": 0.0, "entropy": 0.0}
    found = [score(lambda model: S4L(model, **settings), seed) - supervised(seed) for seed in range(4)]
    assert sum(found) / len(found) > 0.042, found
