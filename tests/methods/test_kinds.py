"""Every kind of method that the contract must carry trains through the loop, is saved and goes on after a kill."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import lightning_fabric
import numpy as np
import pytest
import torch

from pcseg.budgets.draw import draw_uniform
from pcseg.budgets.tags import SceneTags, Tags
from pcseg.budgets.weak_labels import WeakLabels
from pcseg.classes import IGNORE, Classes
from pcseg.engine.folder import RunFolder
from pcseg.engine.rounds import Relabel, label_file
from pcseg.engine.run import Settings
from pcseg.engine.train import Optimizer, Stage, train
from pcseg.errors import InputError
from pcseg.feeding.batch import Batch
from pcseg.feeding.dataset import TrainDataset
from pcseg.feeding.images import collate_images
from pcseg.feeding.loading import loader
from pcseg.feeding.samplers import Item, MixedSampler, Plan, RandomSampler, StepSampler, ViewSampler
from pcseg.feeding.transforms import Dropout, Jitter, RotateZ, SphereCrop
from pcseg.methods import Method, Supervised
from pcseg.metrics import ConfusionMatrix
from pcseg.model.checkpoint import load_model, save_model
from pcseg.model.inputs import ImageInputs, VoxelInputs
from pcseg.model.model import Model
from pcseg.model.networks import Networks, NetworkSpec
from pcseg.model.tensor_file import read_tensors
from pcseg.scenes.scene import read_scene
from pcseg.sparse import SparseTensor
from tests.methods import kinds
from tests.scenes.rooms import CLASSES, building

CONSTRUCTORS = {"points": kinds.Points, "pixels": kinds.Pixels}
NAMES = Classes(("a", "b", "c"))
FEATURES = ("color", "height")
EVERYTHING = frozenset({"tags", "matches", "domain"})


def model_of(kind: str = "points", classes: Classes = NAMES, **arguments: int) -> Model:
    inputs: Any = VoxelInputs(0.2, FEATURES) if kind == "points" else ImageInputs()
    spec = NetworkSpec(kind, {"in_channels": inputs.width, "n_classes": len(classes), **arguments}, CONSTRUCTORS[kind])
    return Model(Networks.build(spec), classes, inputs)


def voxels(number: int) -> Batch:
    """Four samples of 20 voxels: two labeled and two not, of which the last two show one scene."""
    generator = torch.Generator().manual_seed(number)
    xyz = torch.stack(torch.meshgrid(torch.arange(5), torch.arange(4), torch.arange(1), indexing="ij"), -1).view(-1, 3)
    sample = torch.arange(4).repeat_interleave(20)
    coords = torch.cat([sample[:, None], xyz.repeat(4, 1)], dim=1).int()
    feats = torch.randn(80, 4, generator=generator)
    labels = torch.where((feats[:, 0] > 0) & (sample < 2), 1, torch.where(sample < 2, 0, IGNORE))
    nothing = torch.zeros(80, 3)
    return Batch(
        SparseTensor(feats, coords), sample, nothing, nothing, labels, ("a", "b", "c", "c"),
        tags=torch.tensor([[1, 1, 0], [1, 1, 0], [1, 0, 0], [1, 0, 0]]).bool(),
        domain=torch.tensor([0, 0, 1, 1]),
        matches=torch.stack([torch.arange(40, 60), torch.arange(60, 80)]),
    )  # fmt: skip


def images(number: int) -> Batch:
    generator = torch.Generator().manual_seed(number)
    colors = torch.rand(2, 3, 6, 5, generator=generator)
    inputs = ImageInputs()
    return collate_images(colors, (colors[:, 0] > 0.5).long(), ("a", "b"), inputs.mean, inputs.std)


def endless(make: Any, model: Model, start: int) -> Iterable[Batch]:
    return (make(number) for number in range(start, 10**6))


SGD = {"main": Optimizer(partial(torch.optim.SGD, lr=0.05, momentum=0.9))}


def run(path: Path, model: Model, stages: list[Stage], resume: bool = False) -> dict[str, float]:
    """Train and return the last line of the curve."""
    fabric = lightning_fabric.Fabric(accelerator="cpu", devices=1)
    folder = RunFolder(path)
    train(fabric, model, stages, folder, Settings(checkpoint_every=2), lambda: ConfusionMatrix(3), resume)
    lines: list[dict[str, float]] = [json.loads(line) for line in (path / "curve.jsonl").read_text().splitlines()]
    return lines[-1]


def stage(kind: Any, steps: int = 4, name: str = "one", make: Any = voxels, **options: Any) -> Stage:
    options = {"optimizers": SGD, "offers": EVERYTHING, "batches": partial(endless, make)} | options
    return Stage(name, steps, kind, **options)


def tensors(path: Path, kind: str = "model") -> dict[str, bytes]:
    return {name: value.numpy().tobytes() for name, value in read_tensors(path, kind)[0].items()}


KINDS: dict[str, Any] = {
    "supervised": Supervised, "co-training": kinds.CoTraining, "mean teacher": kinds.Averaged,
    "views": kinds.Agreeing, "semi-supervised": kinds.Confident, "tags": kinds.Tagged,
    "adversary": kinds.Adversarial, "rates": kinds.FastHead, "outputs": kinds.Projected,
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_each_kind_trains_is_saved_alone_and_resumes_to_the_same_bits(tmp_path: Path, kind: Any) -> None:
    class Killed(Exception):
        pass

    def dying(number: int) -> Batch:
        if number == 5:
            raise Killed
        return voxels(number)

    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    model = model_of()
    before = copy.deepcopy(model.network.state_dict())
    run(whole, model, [stage(kind, 7)])
    assert any(not torch.equal(value, before[name]) for name, value in model.networks["main"].state_dict().items())
    with pytest.raises(Killed):
        run(stopped, model_of(), [stage(kind, 7, make=dying)])
    run(stopped, model_of(), [stage(kind, 7)], resume=True)
    for name, content in (("last", "model"), ("resume", "state")):
        assert tensors(stopped / f"{name}.safetensors", content) == tensors(whole / f"{name}.safetensors", content)
    found = load_model(whole, CONSTRUCTORS)
    assert found.network.state_dict().keys() == kinds.Points(4, 3).state_dict().keys()
    for name, value in found.network.state_dict().items():
        assert torch.equal(value, model.network.state_dict()[name])


@pytest.mark.parametrize(
    ("kind", "need"),
    [(kinds.Agreeing, "matches"), (kinds.Confident, "domain"), (kinds.Tagged, "tags"), (kinds.Adversarial, "domain")],
)
def test_a_run_whose_data_lacks_a_need_is_refused_before_the_first_step(tmp_path: Path, kind: Any, need: str) -> None:
    stages = [stage(Supervised), stage(kind, name="two", offers=EVERYTHING - {need})]
    with pytest.raises(InputError, match=rf"stages\.two: {kind.__name__} needs .*{need}: "):
        run(tmp_path, model_of(), stages)
    assert not (tmp_path / "curve.jsonl").exists()


def test_a_second_network_has_weights_of_its_own_and_is_kept_from_stage_to_stage(tmp_path: Path) -> None:
    model = model_of()
    drawn = torch.get_rng_state()
    other = copy.deepcopy(model.networks.scratch().make("other"))
    assert torch.equal(drawn, torch.get_rng_state()), "making a network must not move the global generator"
    assert not torch.equal(other.head.weight, model.network.head.weight)
    seen: list[torch.Tensor] = []

    class Second(kinds.CoTraining):
        def __init__(self, model: Model) -> None:
            super().__init__(model)
            seen.append(self.other.head.weight.detach().clone())

    run(tmp_path, model, [stage(kinds.CoTraining), stage(Second, name="two")])
    first = read_tensors(tmp_path / "resume.safetensors", "state")[0]["networks.other.head.weight"]
    assert torch.equal(model.networks["other"].head.weight, first)
    assert not torch.equal(seen[-1], other.head.weight), "the second stage must find the trained network"


def test_the_running_mean_is_scored_saved_and_carried_over_stages(tmp_path: Path) -> None:
    """Against the recursion written out over both stages."""
    model, weights = model_of(), []

    class Watched(kinds.Averaged):
        def after_step(self, step: int) -> None:
            super().after_step(step)
            weights.append(self.network.head.weight.detach().clone())

    scored = []
    fabric = lightning_fabric.Fabric(accelerator="cpu", devices=1)

    def evaluate() -> ConfusionMatrix:
        scored.append(model.network)
        return ConfusionMatrix(3)

    stages = [stage(Watched, 3), stage(Watched, 3, name="two")]
    train(fabric, model, stages, RunFolder(tmp_path), Settings(), evaluate)
    mean = weights[0]
    for now in weights[1:]:
        mean = 0.5 * mean + 0.5 * now
    torch.testing.assert_close(model.networks["mean"].head.weight, mean)
    assert scored == [model.networks["mean"]]
    saved = load_model(tmp_path, CONSTRUCTORS).network.head.weight
    assert torch.equal(saved, model.networks["mean"].head.weight)
    assert not torch.equal(saved, model.networks["main"].head.weight)


def test_a_frozen_teacher_of_another_width_comes_from_a_run_folder(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("pcseg.networks.points", kinds.Points, raising=False)
    monkeypatch.setattr("pcseg.networks.__all__", ["points"])
    teacher = model_of(width=16)
    save_model(tmp_path / "teacher" / "last.safetensors", teacher)
    model = model_of()
    method = partial(kinds.Distilled, run=str(tmp_path / "teacher"))
    run(tmp_path / "run", model, [stage(method), stage(Supervised, name="two")])
    assert model.networks["teacher"].head.weight.shape == (3, 16)
    assert torch.equal(model.networks["teacher"].head.weight, teacher.network.head.weight)
    assert not any(p.requires_grad for p in model.networks["teacher"].parameters())
    foreign = model_of(classes=Classes(("a", "b", "d")))
    with pytest.raises(InputError, match=r"teacher.*classes a, b, c; a teacher needs the run's: .*a, b, d"):
        method(foreign)


def test_images_train_predict_and_come_back(tmp_path: Path) -> None:
    model = model_of("pixels")
    first = run(tmp_path / "short", model_of("pixels"), [stage(Supervised, 1, make=images)])
    last = run(tmp_path / "long", model, [stage(Supervised, 60, make=images)])
    assert last["loss"] < 0.7 * first["loss"]
    found = load_model(tmp_path / "long", CONSTRUCTORS)
    assert found.inputs == ImageInputs()
    batch = images(3)
    assert torch.equal(
        found.network(batch.inputs, position=batch.position).logits,
        model.network.eval()(batch.inputs, position=batch.position).logits,
    )
    assert torch.equal(batch.color[30 + 7], torch.stack([batch.color[37, c] for c in range(3)]))
    assert batch.position[7].tolist() == [1, 2]
    with pytest.raises(TypeError, match="images has no voxels"):
        _ = batch.voxels


def test_players_are_stepped_in_turn_and_leave_each_other_alone(tmp_path: Path) -> None:
    """Against the same two SGD steps written out; the critic has an optimizer and a rate of its own."""
    model = model_of()
    mine = copy.deepcopy(model.network)
    critics: list[Any] = []

    class Watched(kinds.Adversarial):
        def __init__(self, model: Model) -> None:
            super().__init__(model)
            critics.append((self, copy.deepcopy(self.critic)))

    optimizers = {
        "main": Optimizer(partial(torch.optim.SGD, lr=0.05)),
        "critic": Optimizer(partial(torch.optim.SGD, lr=0.5)),
    }
    run(tmp_path, model, [stage(Watched, 1, optimizers=optimizers)])
    method, critic = critics[-1]
    oracle = kinds.Adversarial(Model(Networks(mine), NAMES, VoxelInputs(0.2, FEATURES)))
    oracle.critic = critic
    for player, parameters, rate in (("main", mine.parameters(), 0.05), ("critic", critic.parameters(), 0.5)):
        chosen = list(parameters)
        loss = sum(oracle.losses(voxels(0), 0.0, player).values())
        for weight, gradient in zip(chosen, torch.autograd.grad(loss, chosen, allow_unused=True), strict=True):
            if gradient is not None:
                weight.data -= rate * gradient
    torch.testing.assert_close(method.critic.weight, critic.weight)
    torch.testing.assert_close(model.network.head.weight, mine.head.weight)


def test_a_head_at_another_rate_moves_that_much_more(tmp_path: Path) -> None:
    moved = {}
    for kind in (Supervised, kinds.FastHead):
        model = model_of()
        before = copy.deepcopy(model.network)
        optimizers = {"main": Optimizer(partial(torch.optim.SGD, lr=0.01))}
        run(tmp_path / kind.__name__, model, [stage(kind, 1, optimizers=optimizers)])
        moved[kind] = [model.network.head.bias - before.head.bias, model.network.body[0].bias - before.body[0].bias]
    torch.testing.assert_close(moved[kinds.FastHead][0], 10 * moved[Supervised][0])
    torch.testing.assert_close(moved[kinds.FastHead][1], moved[Supervised][1])


def test_every_kind_ends_with_the_same_weights_in_two_processes(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
    done = subprocess.run(
        [*command, "-m", "tests.methods.two_processes", str(tmp_path)],
        cwd=Path(__file__).parents[2], env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert "same in both" in done.stdout


# ---- with scenes on disk


@pytest.fixture
def scenes(tmp_path: Path) -> list[Path]:
    return building(tmp_path / "rooms")


def budget(folders: list[Path], labeled: int = 4) -> WeakLabels:
    """Labels of a third of the points of the first ``labeled`` scenes, of none of the others."""
    whole = draw_uniform((read_scene(f, CLASSES, with_labels=True) for f in folders), CLASSES, 0.3)
    kept = [
        s if i < labeled else type(s)(s.name, s.points, s.sha256, s.index[:0], s.label[:0])
        for i, s in enumerate(whole.scenes)
    ]
    return WeakLabels(whole.classes, whole.rule, whole.parameters, whole.seed, tuple(kept))


def dataset(folders: list[Path], labels: WeakLabels | None, classes: Classes = CLASSES, **options: Any) -> TrainDataset:
    return TrainDataset(folders, classes, labels, FEATURES, 0.2, **options)


def from_scenes(data: TrainDataset, sampler: type[StepSampler], size: int = 4, **options: Any) -> dict[str, Any]:
    made = sampler(data, Plan(size, 1), **options)

    def batches(model: Model, start: int) -> Iterable[Batch]:
        return loader(data, sampler(data, Plan(size, 100, start=start), **options))

    return {"batches": batches, "offers": data.offers | made.offers}


def test_views_of_a_scene_match_point_by_point(tmp_path: Path, scenes: list[Path]) -> None:
    """Colors are unique to a point here: matched voxels that hold one point each must agree in them."""
    turn, weak = RotateZ(), Jitter(0.3)
    data = dataset(
        scenes, budget(scenes), transform=weak, strong=lambda points, rng: Dropout(0.5)(turn(points, rng), rng)
    )
    options = from_scenes(data, ViewSampler, strong=1)
    batch = next(iter(options["batches"](model_of(), 0)))
    assert batch.matches is not None
    first, second = batch.matches
    assert len(first) > 100
    assert (batch.sample[first] + 1 == batch.sample[second]).all()
    assert {batch.names[int(s)] for s in batch.sample[first]} == {batch.names[int(s)] for s in batch.sample[second]}
    same = (batch.color[first] == batch.color[second]).all(dim=1)
    chance = (batch.color[first] == batch.color[second.roll(1)]).all(dim=1)
    assert same.float().mean() > 0.5 > 0.1 > chance.float().mean()
    assert not torch.equal(batch.position[first], batch.position[second])
    run(tmp_path / "run", model_of(classes=CLASSES), [stage(kinds.Agreeing, **options)])


def test_labeled_and_unlabeled_scenes_train_together(tmp_path: Path, scenes: list[Path]) -> None:
    data = dataset(scenes, budget(scenes, labeled=1))
    options = from_scenes(data, MixedSampler, labeled=0.25)
    batch = next(iter(options["batches"](model_of(), 0)))
    assert batch.domain is not None
    assert batch.domain.tolist() == [0, 1, 1, 1]
    assert ((batch.labels == IGNORE) | (batch.domain[batch.sample] == 0)).all()
    run(tmp_path / "run", model_of(classes=CLASSES), [stage(kinds.Confident, **options)])


def test_samples_of_tagged_sub_clouds_are_centered_on_them(scenes: list[Path]) -> None:
    """Each sample is a ball around a seed, and has the tags of that ball."""
    seeds = np.array([[1.0, 1.0, 1.0], [3.0, 3.0, 1.0]])
    inside = np.eye(4, dtype=bool)[:2]
    known = tuple(
        SceneTags(f"Area_1/room_{i}", np.zeros(4, dtype=bool), seeds, np.array([1.0, 1.0]), inside) for i in range(4)
    )
    tags = Tags(CLASSES.names, "file", {}, None, known)
    data = dataset(scenes, budget(scenes), tags=tags, crop=SphereCrop(1.0))
    seen = set()
    for seed in range(20):
        sample = data[Item(seed % 4, seed)]
        assert sample.tags is not None
        number = int(sample.tags.int().argmax())
        assert sample.tags.tolist() == inside[number].tolist()
        scene = read_scene(scenes[seed % 4], CLASSES, with_labels=False)
        ball = np.linalg.norm(scene.coord - seeds[number], axis=1) <= 1.0
        assert len(sample.inverse) == ball.sum()
        seen.add(number)
    assert seen == {0, 1}


def test_weights_of_labels_reach_the_batch(scenes: list[Path]) -> None:
    labels = budget(scenes)
    weighted = [replace(s, weight=np.full(len(s.index), 0.5, np.float16)) for s in labels.scenes]
    data = dataset(scenes, replace(labels, rule="pseudo", scenes=tuple(weighted)), max_voxels=100)
    batch = next(iter(from_scenes(data, RandomSampler)["batches"](model_of(), 0)))
    assert batch.weights is not None
    assert torch.equal(batch.weights, torch.where(batch.labels != IGNORE, 0.5, 0.0))


def test_tags_reach_the_method(tmp_path: Path, scenes: list[Path]) -> None:
    present = {f"Area_1/room_{i}": np.arange(4) == i for i in range(4)}
    known = tuple(SceneTags(name, values) for name, values in present.items())
    data = dataset(scenes, budget(scenes), tags=Tags(CLASSES.names, "file", {}, None, known))
    options = from_scenes(data, RandomSampler)
    batch = next(iter(options["batches"](model_of(), 0)))
    assert batch.tags is not None
    assert all(np.array_equal(batch.tags[b], present[name]) for b, name in enumerate(batch.names))
    run(tmp_path / "run", model_of(classes=CLASSES), [stage(kinds.Tagged, **options)])


@pytest.mark.parametrize("poisoned", [False, True])
def test_a_round_leaves_a_label_file_that_the_next_stage_learns_from(
    tmp_path: Path, scenes: list[Path], poisoned: bool
) -> None:
    labels = budget(scenes, labeled=2)
    data = dataset(scenes, labels)
    if poisoned:  # no hidden label may reach the pass
        for folder in scenes:
            (folder / "segment.npy").write_bytes(b"garbage")
    path = tmp_path / "run"
    taken: list[WeakLabels] = []

    def relabeled(model: Model, start: int) -> Iterable[Batch]:
        taken.append(WeakLabels.load(label_file(path, "two")))
        return from_scenes(dataset(scenes, taken[-1]), RandomSampler)["batches"](model, start)

    first = stage(Supervised, 20, **from_scenes(data, RandomSampler))
    second = stage(Supervised, 4, name="two", batches=relabeled, before=Relabel(data, "two", confidence=0.4))
    run(path, model_of(classes=CLASSES), [first, second])
    assert taken[0].rule == "pseudo"
    assert taken[0].parameters["budget"] == labels.sha256
    assert taken[0].count > labels.count
    for before, after in zip(labels.scenes, taken[0].scenes, strict=True):
        known = before.label != IGNORE
        kept = np.isin(after.index, before.index[known])
        assert np.array_equal(after.label[kept], before.label[known])
        assert (after.weight[kept] == 1).all()
        assert (after.weight >= 0.4 - 1e-3).all()
    stamp = label_file(path, "two").stat().st_mtime_ns
    run(path, model_of(classes=CLASSES), [first, second], resume=True)
    assert label_file(path, "two").stat().st_mtime_ns == stamp


def test_classes_that_come_later(tmp_path: Path, scenes: list[Path]) -> None:
    """The second stage knows one class more; the classifier keeps what it had, and the checkpoint follows."""
    early = Classes(CLASSES.names[:3])
    labels = budget(scenes)
    grown: list[Any] = []

    def extend(model: Model, folder: RunFolder, fabric: Any) -> None:
        before = copy.deepcopy(model.network)
        model.extend(CLASSES)
        grown.append((before, copy.deepcopy(model.network)))

    def batches(classes: Classes, model: Model, start: int) -> Iterable[Batch]:
        assert model.classes.names == classes.names
        data = dataset(scenes, labels, classes, some_classes=True)
        return from_scenes(data, RandomSampler)["batches"](model, start)

    stages = [
        stage(Supervised, 4, batches=partial(batches, early)),
        stage(Supervised, 4, name="two", batches=partial(batches, CLASSES), before=extend),
    ]
    model = model_of(classes=early)
    run(tmp_path / "run", model, stages)
    before, after = grown[0]
    assert torch.equal(after.head.weight[:3], before.head.weight)
    assert torch.equal(after.body[0].weight, before.body[0].weight)
    found = load_model(tmp_path / "run", CONSTRUCTORS)
    assert found.classes.names == CLASSES.names
    assert found.network.head.weight.shape[0] == 4
    wanted = tensors(tmp_path / "run" / "last.safetensors")
    run(tmp_path / "run", model_of(classes=early), stages, resume=True)
    assert len(grown) == 1, "a finished pass is not done again"
    assert tensors(tmp_path / "run" / "last.safetensors") == wanted
    with pytest.raises(InputError, match="chair would be lost"):
        model.extend(Classes(("floor", "wall", "board")))


def test_methods_are_wired_through_attributes(tmp_path: Path) -> None:
    """A method that trains nothing has no player to step."""

    class Idle(Method):
        def players(self) -> dict[str, Any]:
            return {"main": []}

    with pytest.raises(InputError, match=r"stages\.one\.optimizers: player 'main' has .* nothing to train"):
        run(tmp_path, model_of(), [stage(Idle)])
