"""Multi-granularity distillation: who learns from whom, on which elements, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from pcseg.classes import Classes
from pcseg.errors import InputError
from pcseg.feeding.batch import Batch
from pcseg.losses import cross_entropy
from pcseg.losses.distillation import region_means, self_similarity_distance
from pcseg.methods.mgd import MultiGranularity
from pcseg.model.checkpoint import save_model
from pcseg.model.inputs import VoxelInputs
from pcseg.model.model import Model
from pcseg.model.networks import Networks, NetworkSpec
from pcseg.ops import segment_mean
from tests.methods.tiny_network import TinyNetwork, make_batch, model_of


def method_of(**options: object) -> MultiGranularity:
    """A student of 8 channels and teachers of 12 and of 16."""
    torch.manual_seed(0)
    model = model_of(TinyNetwork())
    for number, width in ((1, 12), (2, 16)):
        spec = NetworkSpec("TinyNetwork", {"width": width}, TinyNetwork, source=f"run_{number}")
        model.networks.add(f"teacher_{number}", spec.build().eval().requires_grad_(False), spec)
    return MultiGranularity(model, ["run_1", "run_2"], **{"boxes": 0, **options})  # type: ignore[arg-type]


def divided() -> Batch:
    """The last two samples are unlabeled."""
    batch = make_batch()
    labels = torch.where(batch.sample < 2, batch.labels, -1)
    return replace(batch, labels=labels, domain=torch.tensor([0, 0, 1, 1]))


def test_decisions_of_both_teachers_are_learned_on_labeled_and_on_unlabeled_samples() -> None:
    method, batch = method_of(pixel=2.0).eval(), divided()
    found = method.losses(batch, 0.5)
    scores = method.network(batch.inputs).logits
    labeled = batch.sample < 2
    wanted = sum(
        F.cross_entropy(scores[part], teacher(batch.inputs).logits[part].argmax(1))
        for teacher in method.teachers
        for part in (labeled, ~labeled)
    )
    torch.testing.assert_close(found["pixel"], 2 * wanted)
    torch.testing.assert_close(found["cross_entropy"], cross_entropy(scores, batch.labels))


def test_the_last_teacher_tells_the_means_and_the_first_how_regions_compare() -> None:
    method, batch = method_of(image=0.1, region=3.0, cells=4).eval(), divided()
    found = method.losses(batch, 0.5)
    rows, sample = batch.sample >= 2, batch.sample[batch.sample >= 2] - 2
    means = [segment_mean(n(batch.inputs).logits[rows], sample, 2) for n in (method.network, method.teachers[1])]
    torch.testing.assert_close(found["image"], 0.1 * (means[0] - means[1]).abs().sum())
    each = [region_means(n.encode(batch.inputs)[-1], batch.inputs, 4) for n in (method.network, method.teachers[0])]
    unlabeled = [(values[2:], present[2:]) for values, present in each]
    torch.testing.assert_close(found["region"], 3 * self_similarity_distance(*unlabeled[0], *unlabeled[1]))


def test_teachers_get_no_gradient_and_keep_their_statistics() -> None:
    method, batch = method_of(boxes=3).train(), divided()
    before = {name: value.clone() for name, value in method.teachers.state_dict().items()}
    torch.stack(list(method.losses(batch, 0.5).values())).sum().backward()
    assert all(parameter.grad is None for parameter in method.teachers.parameters())
    assert all(torch.equal(value, before[name]) for name, value in method.teachers.state_dict().items())
    trained = [p for group in method.players()["main"] for p in group.parameters]
    assert {id(p) for p in trained} == {id(p) for p in method.network.parameters()}


def test_a_student_that_is_its_teacher_is_left_with_no_distance() -> None:
    torch.manual_seed(0)
    model = model_of(TinyNetwork())
    model.networks.copy("teacher_1")
    model.networks.specs["teacher_1"] = replace(model.networks.specs["main"], source="run")
    with torch.no_grad():
        found = MultiGranularity(model, ["run"], pixel=0.0).eval().losses(make_batch(), 0.5)
    assert found.keys() == {"cross_entropy", "image", "region"}
    assert float(found["image"]) == 0
    assert float(found["region"]) < 1e-9


def test_weights_of_zero_leave_the_labels_alone() -> None:
    method, batch = method_of(pixel=0.0, image=0.0, region=0.0).eval(), divided()
    found = method.losses(batch, 0.5)
    assert found.keys() == {"cross_entropy"}
    torch.testing.assert_close(found["cross_entropy"], cross_entropy(method.network(batch.inputs).logits, batch.labels))


def test_all_networks_see_the_mixed_samples() -> None:
    method, batch = method_of(boxes=3).train(), divided()
    seen: list[torch.Tensor] = []
    for network in (method.network, *method.teachers):
        original = network.encode

        def encode(x, stride=None, original=original):
            seen.append(x.coords)
            return original(x, stride)

        network.encode = encode
    method.losses(batch, 0.5)
    mixed = [coords for coords in seen if not torch.equal(coords, batch.inputs.coords[batch.sample < 2])]
    assert len(seen) == 6
    assert len(mixed) == 3
    assert all(torch.equal(coords, mixed[0]) for coords in mixed)


def saved(path: Path, name: str, classes: tuple[str, ...] = ("a", "b", "c")) -> str:
    spec = NetworkSpec("minkunet_small", {"in_channels": 4, "n_classes": len(classes)})
    model = Model(Networks.build(spec), Classes(classes), VoxelInputs(0.1, ("color", "height")))
    save_model(path / f"{name}.safetensors", model)
    return str(path / f"{name}.safetensors")


def test_teachers_come_from_the_files_of_other_runs(tmp_path: Path) -> None:
    spec = NetworkSpec("minkunet_small", {"in_channels": 4, "n_classes": 3})
    model = Model(Networks.build(spec, 1), Classes(("a", "b", "c")), VoxelInputs(0.1, ("color", "height")))
    method = MultiGranularity(model, [saved(tmp_path, "wide")])
    assert not any(parameter.requires_grad for parameter in method.teachers.parameters())
    assert not torch.equal(method.teachers[0].head.weight, method.network.head.weight)
    with pytest.raises(InputError, match="a teacher needs the run's"):
        MultiGranularity(model, [saved(tmp_path, "other", ("a", "b"))])


def test_settings_are_checked() -> None:
    with pytest.raises(InputError, match=r"teachers=\[\]: .* name their run folders") as error:
        MultiGranularity(model_of(TinyNetwork()))
    assert "\n" not in str(error.value)
    for wrong in ({"pixel": -1.0}, {"image": -1.0}, {"region": -1.0}, {"cells": 0}, {"boxes": -1}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            method_of(**wrong)
