"""AuxSegNet: what each loss trains, when labels are refined, and what refinement does to class activation."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from pcseg.activation import cell_means
from pcseg.activation.cam import class_activation
from pcseg.errors import InputError
from pcseg.feeding.batch import Batch
from pcseg.methods.aux_seg import AuxSegNet
from pcseg.model.inputs import ImageInputs
from pcseg.nn.levels import rows_of, sample_of, with_rows
from pcseg.propagation.cross_task import rows_and_nodes, spread
from pcseg.pseudo.saliency import saliency
from tests.methods.bodies import train
from tests.methods.near_pixels import near_model, score_at
from tests.methods.tiny_network import TinyNetwork, TinyPixels, make_batch, make_pictures, model_of

both = pytest.mark.parametrize("kind", ["voxels", "pixels"])


def method_of(kind: str = "voxels", **options: object) -> AuxSegNet:
    torch.manual_seed(0)
    model = model_of(TinyNetwork() if kind == "voxels" else TinyPixels())
    model = model if kind == "voxels" else replace(model, inputs=ImageInputs())
    return AuxSegNet(model, **{"width": 8, "warmup": 0.0, "ramp": 0.0, **options})  # type: ignore[arg-type]


def batch_of(kind: str = "voxels") -> Batch:
    batch = (make_batch if kind == "voxels" else make_pictures)(n=36, n_labels=0)
    return replace(batch, tags=torch.tensor([[1, 0, 0], [1, 1, 0], [0, 0, 1], [0, 0, 0]]).bool())


@both
def test_each_loss_trains_its_part(kind: str) -> None:
    parts = {
        "tags": {"network", "head"},
        "saliency": {"network", "saliency"},
        "refined_saliency": {"network", "saliency", "segmentation", "cross"},
        "segmentation": {"network", "segmentation"},
        "refined_segmentation": {"network", "saliency", "segmentation", "cross"},
        "seen_cross_entropy": {"network"},
    }
    assert set(method_of(kind).losses(batch_of(kind), 0.5)) == {*parts, "cross_entropy"}
    for name, wanted in parts.items():
        method = method_of(kind, high=0.01, salient=0.0).train()
        method.losses(batch_of(kind), 0.5)[name].backward()
        moved = {n.split(".")[0] for n, p in method.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
        assert moved == wanted, name


@both
def test_labels_come_of_class_activation_first_and_of_the_refined_later(kind: str) -> None:
    method, batch = method_of(kind, update=0.5).eval(), batch_of(kind)
    assert batch.tags is not None
    levels = method.network.encode(batch.inputs, method.stride)
    torch.manual_seed(1)
    _, seen, apart = method.tasks(levels, batch, 0.5)
    sample, feats = sample_of(levels[-1]), rows_of(levels[-1])
    torch.testing.assert_close(seen, class_activation(feats, method.head.weight, sample, batch.tags))
    torch.manual_seed(1)
    given = cell_means(with_rows(batch.inputs, saliency(batch)[:, None]), levels[-1])
    torch.testing.assert_close(apart, given)
    _, later, other = method.tasks(levels, batch, 0.51)
    pairs = rows_and_nodes(sample, None)
    mixed = method.cross(*(branch(levels[-1], pairs)[1] for branch in (method.segmentation, method.saliency)))
    torch.testing.assert_close(later, (seen + spread(mixed, seen)) / 2)
    assert not torch.allclose(seen, later)
    assert not torch.allclose(apart, other)
    assert not bool(later[~batch.tags[sample]].any())
    assert 0 <= float(later.min()) <= float(later.max()) <= 1 + 1e-6


@both
def test_segmentation_waits_for_the_warmup_and_saliency_does_not(kind: str) -> None:
    method, batch = method_of(kind, warmup=0.4).train(), batch_of(kind)
    early = {"tags", "saliency", "refined_saliency", "cross_entropy"}
    assert set(method.losses(batch, 0.4)) == early
    assert set(method.losses(batch, 0.41)) == early | {"segmentation", "refined_segmentation", "seen_cross_entropy"}


@pytest.mark.parametrize("settings", [{"salient": 2.0}, {"update": -0.1}, {"dilations": [1, 2]}, {"width": 0}])
def test_refuses_settings(settings: dict[str, object]) -> None:
    with pytest.raises(InputError, match="cout" if "width" in settings else next(iter(settings))):
        method_of(**settings)


def test_refined_activation_holds_more_of_an_object() -> None:
    """mIoU of the labels at a threshold of 0.5, of class activation and of its mean with the refined. Seen (4 seeds):
    0.53 to 0.58 and 0.63 to 0.70, 0.09 more on average; at the best threshold no more than before, 0.71 to 0.74."""
    gains = []
    for seed in range(4):
        method = AuxSegNet(near_model(seed), width=16, background="background", update=1.0)
        train(method, seed, steps=100)
        plain = score_at(method, seed, 0.5)
        method.update = 0.5  # from here on the mean with the refined
        gains.append(score_at(method, seed, 0.5) - plain)
    assert sum(gains) / 4 > 0.045, gains
