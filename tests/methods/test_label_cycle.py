"""The label cycle: what is painted, which losses reach whom, and with labels of whole scenes or of a few elements."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from pcseg.classes import IGNORE
from pcseg.errors import InputError
from pcseg.feeding.batch import Batch
from pcseg.losses import cross_entropy
from pcseg.methods.label_cycle import LabelCycle
from pcseg.model.inputs import VoxelInputs
from pcseg.nn.levels import rows_of
from tests.methods.tiny_network import TinyNetwork, make_batch, model_of


def method_of(**options: float) -> LabelCycle:
    torch.manual_seed(0)
    return LabelCycle(model_of(TinyNetwork()), **{"warmup": 0.0, "ramp": 0.0, **options})  # type: ignore[arg-type]


def divided(**options: int) -> Batch:
    """The last two samples are unlabeled."""
    batch = make_batch(**options)
    labels = torch.where(batch.sample < 2, batch.labels, IGNORE)
    return replace(batch, labels=labels, domain=torch.tensor([0, 0, 1, 1]))


def gradient(method: LabelCycle, name: str, batch: Batch, player: str = "main") -> dict[str, bool]:
    """Which modules a loss reaches."""
    method.zero_grad()
    torch.manual_seed(1)
    method.losses(batch, 0.5, player)[name].backward()
    reached = {n.split(".")[0] for n, p in method.named_parameters() if p.grad is not None and bool(p.grad.any())}
    return {module: module in reached for module in ("network", "painter", "critics")}


def test_labels_are_painted_where_they_are_known_and_probabilities_elsewhere() -> None:
    method, batch = method_of(adversarial=0.0).eval(), make_batch()
    seen = []
    method.painter.register_forward_pre_hook(lambda module, inputs: seen.append(rows_of(inputs[0])))
    method.losses(batch, 0.5)
    known = batch.labels != IGNORE
    probability = method.network(batch.inputs).logits.softmax(1)
    assert torch.equal(seen[0][known], F.one_hot(batch.labels[known], 3).float())
    torch.testing.assert_close(seen[0][~known], probability[~known])


def test_losses_by_hand() -> None:
    method, batch = method_of(paint=2.0, appearance=3.0, labels=0.5, adversarial=0.1).eval(), divided(n_labels=20)
    found = method.losses(batch, 0.5)
    logits, known = method.network(batch.inputs).logits, batch.labels != IGNORE
    maps = torch.where(known[:, None], F.one_hot(batch.labels.clamp(min=0), 3).float(), logits.softmax(1))
    painted = method.painter(batch.inputs.replace(maps))
    true = 2 * batch.inputs.feats[:, :3]  # color - 0.5
    error = (painted - true).abs().mean(1)
    torch.testing.assert_close(found["paint"], 2 * error[known].mean())
    torch.testing.assert_close(found["appearance"], 3 * error[~known].mean())
    feats = torch.cat([painted / 2, batch.inputs.feats[:, 3:]], dim=1)  # the height is geometry
    again = method.network(batch.inputs.replace(feats)).logits
    torch.testing.assert_close(found["label_cycle"], 0.5 * cross_entropy(again, batch.labels))
    colors, labels = method.critics["appearance"], method.critics["labels"]
    fooled = (colors(painted)[known] - 1).square().mean() + (labels(logits.softmax(1))[~known] - 1).square().mean()
    torch.testing.assert_close(found["adversarial"], 0.1 * fooled)
    told = method.losses(batch, 0.5, "critic")
    wanted = (colors(true) - 1).square().mean() + colors(painted)[known].square().mean()
    torch.testing.assert_close(told["appearance"], wanted / 2)
    wanted = (labels(maps)[known] - 1).square().mean() + labels(logits.softmax(1))[~known].square().mean()
    torch.testing.assert_close(told["labels"], wanted / 2)


@pytest.mark.parametrize("batch", [divided(), make_batch()], ids=["scenes", "elements"])
def test_who_learns_from_which_loss(batch: Batch) -> None:
    method = method_of().train()
    assert gradient(method, "cross_entropy", batch) == {"network": True, "painter": False, "critics": False}
    for name in ("paint", "appearance", "label_cycle", "adversarial"):
        reached = gradient(method, name, batch)
        assert reached["painter"], name
        assert reached["network"], name
    for name in ("appearance", "labels"):
        assert gradient(method, name, batch, "critic") == {"network": False, "painter": False, "critics": True}


def test_of_labels_alone_the_network_learns_what_is_read_again() -> None:
    """Samples that are labeled throughout are painted without it."""
    method, batch = method_of().eval(), divided(n_labels=40)
    assert not gradient(method, "paint", batch)["network"]
    assert gradient(method, "label_cycle", batch)["network"]
    assert gradient(method, "appearance", batch)["network"]


def test_only_passes_over_true_samples_move_the_statistics() -> None:
    method, batch = method_of().train(), divided()
    for player in method.players():
        method.losses(batch, 0.5, player)
    counts = {int(b) for n, b in method.network.named_buffers() if n.endswith("num_batches_tracked")}
    assert counts == {1}


def test_players_share_out_the_parameters() -> None:
    method = method_of()
    players = {name: {id(p) for g in groups for p in g.parameters} for name, groups in method.players().items()}
    assert players["main"].isdisjoint(players["critic"])
    assert players["main"] | players["critic"] == {id(p) for p in method.parameters()}
    assert players["critic"] == {id(p) for p in method.critics.parameters()}
    alone = method_of(adversarial=0.0)
    assert list(alone.players()) == ["main"]
    assert "adversarial" not in alone.losses(make_batch(), 0.5)


def test_weights_wait_and_settings_are_checked() -> None:
    method = method_of(warmup=0.2, ramp=0.2).eval()
    assert method.losses(make_batch(), 0.2).keys() == {"cross_entropy", "paint"}
    half, whole = (method.losses(make_batch(), progress) for progress in (0.3, 0.4))
    for name in ("appearance", "label_cycle", "adversarial"):
        torch.testing.assert_close(2 * half[name], whole[name])
    for wrong in ({"paint": -1.0}, {"appearance": -1.0}, {"labels": -1.0}, {"adversarial": -1.0}, {"ramp": -1.0}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            method_of(**wrong)
    model = model_of(TinyNetwork())
    model.inputs = VoxelInputs(0.1, ("height", "normal"))
    with pytest.raises(InputError, match="geometry alone"):
        LabelCycle(model)
