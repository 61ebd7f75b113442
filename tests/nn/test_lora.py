"""Low-rank updates: nothing changes as they begin, little is trained, and nothing of them is left when merged."""

from __future__ import annotations

import copy

import pytest
import torch

from pcseg.errors import InputError
from pcseg.model.tuning import Frozen, LoRA
from pcseg.networks import DeepLab, MinkUNet
from pcseg.nn.lora import LowRank, add_low_rank, add_saved_low_rank, merged_state
from tests.methods.tiny_network import make_batch


def network(norm: str = "batch", block: str = "basic") -> MinkUNet:
    torch.manual_seed(0)
    return MinkUNet(4, 3, (8, 8), (1, 1), norm, block, stem_kernel=3)


def trained(tune: object, steps: int = 3) -> tuple[dict[str, torch.Tensor], MinkUNet]:
    """The state of a network before it is tuned for some steps, and the network after."""
    made = network()
    before = {name: value.clone() for name, value in made.state_dict().items()}
    tune(made)  # type: ignore[operator]
    batch = make_batch()
    optimizer = torch.optim.SGD([p for p in made.parameters() if p.requires_grad], lr=0.1)
    for _ in range(steps):
        made.train()
        for module in made.modules():
            if (wanted := [p.requires_grad for p in module.parameters()]) and not any(wanted):
                module.eval()
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(made(batch.inputs).logits, batch.labels.clamp(min=0)).backward()
        optimizer.step()
    return before, made.eval()


@pytest.mark.parametrize("norm", ["batch", "layer"])
@pytest.mark.parametrize("block", ["basic", "bottleneck"])
@pytest.mark.parametrize("train", [True, False])
def test_the_outputs_are_the_same_at_the_start(norm: str, block: str, train: bool) -> None:
    base, made = network(norm, block).train(train), network(norm, block).train(train)
    add_low_rank(made, rank=2)
    batch = make_batch()
    assert torch.equal(made(batch.inputs).logits, base(batch.inputs).logits)
    assert merged_state(made).keys() == base.state_dict().keys()


def test_merged_weights_give_the_same_outputs_and_leave_no_trace() -> None:
    before, made = trained(LoRA(rank=2))
    plain = network().eval()
    plain.load_state_dict(merged_state(made))
    batch = make_batch()
    torch.testing.assert_close(plain(batch.inputs).logits, made(batch.inputs).logits, rtol=1e-5, atol=1e-6)
    with torch.no_grad():  # the fused layers too
        torch.testing.assert_close(plain(batch.inputs).logits, made(batch.inputs).logits, rtol=1e-5, atol=1e-6)
    state = merged_state(made)
    assert not [name for name in state if "parametrizations" in name]
    for name in ("stem.conv.weight", "down.0.1.conv1.weight", "merge.0.0.shortcut.linear.weight", "head.weight"):
        assert not torch.equal(state[name], before[name]), name
    change = (state["down.0.1.conv1.weight"] - before["down.0.1.conv1.weight"]).flatten(0, 1)
    assert int(torch.linalg.matrix_rank(change.double(), rtol=1e-4)) == 2
    linear = state["merge.0.0.shortcut.linear.weight"] - before["merge.0.0.shortcut.linear.weight"]
    assert int(torch.linalg.matrix_rank(linear.double(), rtol=1e-4)) == 2


def test_convolutions_of_pictures_are_tuned_too() -> None:
    """Dense, grouped and strided ones: the same outputs at the start, all move in a step, and merge without a trace."""

    def kind() -> torch.nn.Module:
        return DeepLab(3, 4, width=8)

    torch.manual_seed(0)
    made = kind()
    before = {name: value.clone() for name, value in made.state_dict().items()}
    images = torch.rand(2, 3, 40, 48)
    wanted = made.eval()(images).logits
    LoRA(rank=2)(made)
    assert torch.equal(made(images).logits, wanted)
    trained = [parameter for parameter in made.parameters() if parameter.requires_grad]
    assert sum(map(torch.Tensor.numel, trained)) < 0.1 * sum(value.numel() for value in before.values())
    # Of a sum of scores: all convolutions have a gradient, in eval mode without the means of a batch.
    made(images).logits.square().sum().backward()
    with torch.no_grad():
        for parameter in trained:
            if parameter.grad is not None:
                parameter -= 0.1 * parameter.grad / parameter.grad.norm().clamp(min=1e-20)
    state = merged_state(made)
    assert state.keys() == before.keys()
    convolutions = [f"{name}.weight" for name, layer in kind().named_modules() if isinstance(layer, torch.nn.Conv2d)]
    still = [name for name in convolutions if torch.equal(state[name], before[name])]
    assert not still
    plain = kind().eval()
    plain.load_state_dict(state)
    assert torch.equal(plain(images).logits, made(images).logits)


def test_few_numbers_are_trained() -> None:
    made = network()
    total = sum(p.numel() for p in made.parameters())
    LoRA(rank=1)(made)
    wanted = {name for name, p in made.named_parameters() if p.requires_grad}
    assert not [name for name in wanted if name.endswith("original")]
    assert {name for name in wanted if name.endswith((".up", ".down"))}
    assert {"head.weight", "head.bias", "stem.norm.weight"} <= wanted
    assert sum(p.numel() for p in made.parameters() if p.requires_grad) < total / 3


def test_frozen_moves_the_classifier_alone() -> None:
    before, made = trained(Frozen())
    moved = {name for name, value in made.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {"head.weight", "head.bias"}  # nor do the running statistics


def test_updates_of_a_saved_state_are_made_again_and_copied() -> None:
    _, made = trained(LoRA(rank=2))
    other = network()
    add_saved_low_rank(other, made.state_dict())
    add_saved_low_rank(other, made.state_dict())  # once, however often
    other.load_state_dict(made.state_dict())
    batch = make_batch()
    for same in (other.eval(), copy.deepcopy(made)):
        assert torch.equal(same(batch.inputs).logits, made(batch.inputs).logits)
    plain = network()
    add_saved_low_rank(plain, network().state_dict())
    assert not [m for m in plain.modules() if isinstance(m, LowRank)]


def test_what_cannot_be_tuned_is_refused() -> None:
    for rank, alpha in ((0, 1.0), (1, 0.0)):
        with pytest.raises(InputError, match=f"rank={rank}, alpha={alpha:g}"):
            add_low_rank(network(), rank, alpha)
    with pytest.raises(InputError, match="tune: Linear has no weight below 'head"):
        Frozen()(torch.nn.Linear(2, 2))
