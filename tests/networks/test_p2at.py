"""P2AT: the contract of networks on images, the size of each variant, and what its parts compute."""

from __future__ import annotations

import inspect

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pcseg.elements import Elements
from pcseg.errors import InputError
from pcseg.model.networks import Networks, NetworkSpec
from pcseg.networks import P2AT
from pcseg.networks.p2at_layers import GlobalContext, PyramidAxialBlock
from pcseg.networks.protocol import LeveledNetwork, Network
from pcseg.nn import BatchNorm

C, K = 3, 5


def prepared(network: nn.Module) -> nn.Module:
    """Statistics unlike the initial ones, or eval mode would hide mistakes; residuals as after training."""
    for module in network.modules():
        if isinstance(module, BatchNorm):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    for name, parameter in network.named_parameters():
        if name.endswith("scale"):
            nn.init.ones_(parameter)
    return network


def build(variant: str = "s") -> P2AT:
    torch.manual_seed(0)
    network = prepared(P2AT(C, K, variant))
    assert isinstance(network, P2AT)
    return network


def images(*shape: int) -> Tensor:
    return torch.randn(*(shape or (2, C, 70, 50)), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("variant", "encoder"), [("s", 11_176_512), ("m", 21_284_672), ("l", 23_508_032)])
def test_the_size_of_each_variant(variant: str, encoder: int) -> None:
    """Those of the encoders are torchvision's without the classifier; the rest is small beside them."""
    with torch.device("meta"):
        network = P2AT(C, 19, variant)
    assert sum(p.numel() for p in network.encoder.parameters()) == encoder
    rest = sum(p.numel() for p in network.parameters()) - encoder
    assert 0.9e6 < rest < 1.2e6


def test_it_offers_the_protocol() -> None:
    network = build()
    assert isinstance(network, Network)
    assert isinstance(network, LeveledNetwork)
    for name in ("forward", "encode", "decode", "channels_at"):
        wanted = list(inspect.signature(getattr(LeveledNetwork, name)).parameters)[1:]
        assert list(inspect.signature(getattr(network, name)).parameters) == wanted


@pytest.mark.parametrize("variant", ["s", "m", "l"])
def test_elements_are_the_pixels_row_by_row(variant: str) -> None:
    network, x = build(variant).eval(), images()
    rows = 2 * 70 * 50
    position, color = torch.rand(rows, 2), torch.rand(rows, 3)
    out = network(x, position=position, color=color)
    assert isinstance(out, Elements)
    assert out.logits.shape == (rows, K)
    assert out.logits.isfinite().all()
    assert torch.equal(out.sample, torch.arange(2).repeat_interleave(70 * 50))
    assert out.position is position
    assert out.color is color
    # Resizing and a linear map commute: the features are those that the scores are computed from.
    again = F.linear(out.feats, network.head.weight.flatten(1), network.head.bias)
    torch.testing.assert_close(again, out.logits, rtol=1e-4, atol=1e-4)
    assert network(x).position[51].tolist() == [1, 1]


def test_auxiliary_scores_are_there_in_training_alone() -> None:
    network, x = build(), images()
    shapes = {name: scores.shape for name, scores in network(x).outputs.items()}
    assert shapes == {"aux8": (7000, K), "aux4": (7000, K)}
    assert dict(network.eval()(x).outputs) == {}


@pytest.mark.parametrize("size", [(1, 1), (31, 33), (64, 32), (2, 97)])
def test_any_size_of_image(size: tuple[int, int]) -> None:
    """In training a single small image has maps of one pixel, which have no variance."""
    network, x = build(), images(1, C, *size)
    for training in (True, False):
        out = network.train(training)(x)
        assert out.logits.shape == (size[0] * size[1], K)
        assert out.logits.isfinite().all()
    out.logits.sum().backward()


def test_cut_at_any_stride_it_is_the_same_network() -> None:
    network, x = build(), images()
    whole = network(x)
    assert network.strides == (1, 2, 4, 8, 16, 32)
    for stride in network.strides:
        levels = network.encode(x, stride)
        assert [len(level[0]) for level in levels] == [network.channels_at(s) for s in network.strides if s <= stride]
        assert [level.shape[2] for level in levels] == [-(-70 // s) for s in network.strides if s <= stride]
        assert torch.equal(network.decode(levels).logits, whole.logits)


def test_replaced_maps_are_decoded() -> None:
    network, x = build().eval(), images()
    for stride in (4, 32):
        *finer, last = network.encode(x, stride)
        other = torch.randn_like(last, requires_grad=True)
        network.decode((*finer, other)).logits.square().sum().backward()
        assert (other.grad.abs().sum(dim=1) > 0).float().mean() > 0.9


def test_gradients_reach_all_parameters() -> None:
    out = (network := build())(images())
    sum(scores.square().sum() for scores in (out.logits, *out.outputs.values())).backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []


def test_images_of_a_batch_do_not_see_each_other() -> None:
    network, x = build().eval(), images()
    both = network(x).logits.view(2, -1, K)
    for i in range(2):
        torch.testing.assert_close(network(x[i : i + 1]).logits, both[i], rtol=1e-3, atol=1e-4)


def test_activation_checkpointing_changes_memory_alone() -> None:
    x, found, sizes = images(), [], []
    for checkpointing in (False, True):
        network, kept = build(), {}
        network.activation_checkpointing = checkpointing

        def pack(tensor: Tensor, kept: dict[int, Tensor] = kept) -> Tensor:
            kept[tensor.untyped_storage().data_ptr()] = tensor
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            loss = network(x).logits.square().sum()
        weights = {p.untyped_storage().data_ptr() for p in network.parameters()}
        sizes.append(sum(t.untyped_storage().nbytes() for pointer, t in kept.items() if pointer not in weights))
        loss.backward()
        found.append([loss.detach(), *(p.grad for p in network.parameters() if p.grad is not None), *network.buffers()])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))
    assert sizes[1] < 0.5 * sizes[0]


def test_all_weights_of_classes_are_in_the_head() -> None:
    networks = Networks.build(NetworkSpec("P2AT", {"in_channels": C, "n_classes": 3}))
    before = networks["main"].state_dict()
    networks.resize([0, 2, None, 1])
    changed = {name for name, value in networks["main"].state_dict().items() if value.shape != before[name].shape}
    assert changed == {f"head.{name}{kind}" for name in ("", "aux8.", "aux4.") for kind in ("weight", "bias")}


def test_wrong_arguments_are_refused() -> None:
    network = build()
    for action, message in (
        (lambda: P2AT(C, K, variant="xl"), "variant=xl: must be one of s, m, l"),
        (lambda: P2AT(C, 0), "n_classes=0"),
        (lambda: network(images(2, 4, 32, 32)), r"the network takes \(B, 3, H, W\)"),
        (lambda: network.channels_at(64), "stride=64: the network has strides 1, 2, 4"),
    ):
        with pytest.raises(InputError, match=message):
            action()


def test_the_pyramid_has_chained_means_of_3_5_and_7_present_pixels() -> None:
    torch.manual_seed(0)
    block, found = PyramidAxialBlock(4).eval(), []
    block.gate.register_forward_hook(lambda _, given, out: found.append(out))
    block.pyramid.register_forward_pre_hook(lambda _, given: found.append(given[0]))
    block(torch.randn(1, 4, 5, 6))
    level, means = found[0], []
    for reach in (1, 2, 3):
        rows = [[level[..., max(i - reach, 0) : i + reach + 1, max(j - reach, 0) : j + reach + 1].mean(dim=(2, 3))
                 for j in range(6)] for i in range(5)]  # fmt: skip
        level = torch.stack([torch.stack(row, dim=2) for row in rows], dim=2)
        means.append(level)
    for channel in range(4):
        group = found[1][:, 3 * channel : 3 * channel + 3]
        torch.testing.assert_close(group, torch.stack([mean[:, channel] for mean in means], dim=1))


def test_each_pixel_sees_the_whole_map() -> None:
    torch.manual_seed(0)
    block = prepared(PyramidAxialBlock(8)).eval()
    maps = torch.randn(1, 8, 40, 30, requires_grad=True)
    (grad,) = torch.autograd.grad(block(maps)[0, :, 0, 0].square().sum(), maps)
    assert (grad.abs().sum(dim=1) > 0).float().mean() > 0.9  # the gate is closed at some


def test_on_a_mean_convolutions_are_linear_maps() -> None:
    """The 3x3 and 7x7 convolutions of the paper, on a map of one pixel with zeros around it."""
    torch.manual_seed(0)
    layer, maps = prepared(GlobalContext(4)).eval(), torch.randn(2, 4, 5, 6)
    kernels = [torch.randn(4, 4, size, size) for size in (3, 7)]
    for kernel, linear in zip(kernels, layer.linears, strict=True):
        kernel[:, :, kernel.shape[2] // 2, kernel.shape[3] // 2] = linear.weight.data
    inner = F.conv2d(maps.mean(dim=(2, 3), keepdim=True), kernels[0], layer.linears[0].bias, padding=1)
    inner = F.conv2d(inner, kernels[1], padding=3).flatten(1)
    expected = maps + torch.relu(layer.norm(inner))[:, :, None, None]
    torch.testing.assert_close(layer(maps), expected, rtol=1e-4, atol=1e-5)
