"""DeepLab on images: the contract of networks for each head, any size of image, and what each head computes."""

from __future__ import annotations

import inspect
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from pcseg.elements import Elements
from pcseg.errors import InputError
from pcseg.model.networks import Networks, NetworkSpec
from pcseg.networks import DeepLab
from pcseg.networks.protocol import LeveledNetwork, Network
from pcseg.nn import BatchNorm, frozen_statistics

C, K = 3, 5

NETWORKS = {
    "v3plus": {},
    "v3plus, stride 8": {"output_stride": 8},
    "resnet, stride 32": {"backbone": "resnet18", "output_stride": 32},
    "aspp": {"head": "aspp"},
    "ocr": {"head": "ocr"},
    "ocr, stride 32": {"head": "ocr", "output_stride": 32},
}
MAKERS = [partial(DeepLab, C, K, width=12, **arguments) for arguments in NETWORKS.values()]
each_network = pytest.mark.parametrize("make", MAKERS, ids=NETWORKS.keys())


def build(make) -> DeepLab:
    torch.manual_seed(0)
    network = make()
    for module in network.modules():  # statistics unlike the initial ones, or eval mode would hide mistakes
        if isinstance(module, BatchNorm):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    return network


def images(*shape: int) -> Tensor:
    return torch.randn(*(shape or (2, C, 21, 34)), generator=torch.Generator().manual_seed(0))


@each_network
def test_it_offers_the_protocol(make):
    network = build(make)
    assert isinstance(network, Network)
    assert isinstance(network, LeveledNetwork)
    for name in ("forward", "encode", "decode", "channels_at"):
        wanted = list(inspect.signature(getattr(LeveledNetwork, name)).parameters)[1:]
        assert list(inspect.signature(getattr(network, name)).parameters) == wanted


@each_network
def test_elements_are_the_pixels_row_by_row(make):
    network, x = build(make).eval(), images()
    rows = len(x) * 21 * 34
    position, color = torch.rand(rows, 2), torch.rand(rows, 3)
    out = network(x, position=position, color=color)
    assert isinstance(out, Elements)
    assert out.logits.shape == (rows, K)
    assert out.logits.isfinite().all()
    assert torch.equal(out.sample, torch.arange(2).repeat_interleave(21 * 34))
    assert out.position is position
    assert out.color is color
    assert {name: value.shape for name, value in out.outputs.items()} == (
        {"aux": (rows, K)} if network.head.aux is not None else {}
    )
    # Resizing and a linear map commute: the features are those that the scores are computed from.
    again = F.linear(out.feats, network.head.weight.flatten(1), network.head.bias)
    torch.testing.assert_close(again, out.logits, rtol=1e-4, atol=1e-4)
    default = network(x)
    assert default.position[35].tolist() == [1, 1]
    assert default.color is None


def test_scores_stand_where_the_pixels_are():
    """A pixel changes the scores around it most, in its own image: rows and columns are not exchanged."""
    network, x = build(partial(DeepLab, C, K, output_stride=8)).eval(), images(2, C, 48, 80)
    moved = x.clone()
    moved[1, :, 28:36, 60:68] += 5
    change = (network(moved).logits - network(x).logits).abs().sum(1).view(2, 48, 80)
    assert not change[0].any()
    peak = F.avg_pool2d(change[1][None], 9, 1, 4).argmax().item()
    assert abs(peak // 80 - 32) <= 8
    assert abs(peak % 80 - 64) <= 8


@each_network
@pytest.mark.parametrize("training", [False, True])
def test_cut_at_any_stride_it_is_the_same_network(make, training):
    network, x = build(make).train(training), images()
    with torch.no_grad():
        whole = network(x)
        for stride in network.strides:
            levels = network.encode(x, stride)
            assert levels[0] is x
            used = [s for s in network.strides if s <= stride]
            assert [tuple(m.shape[1:]) for m in levels] == [
                (network.channels_at(s), -(-21 // s), -(-34 // s)) for s in used
            ]
            assert torch.equal(network.decode(levels).logits, whole.logits)
        assert len(network.encode(x)) == len(network.strides)


@each_network
def test_replaced_maps_are_decoded(make):
    network, x = build(make).eval(), images()
    whole = network(x).logits
    for stride in network.strides[::2]:
        *finer, last = network.encode(x, stride)
        other = torch.randn_like(last).contiguous().requires_grad_()
        logits = network.decode((*finer, other)).logits
        assert not torch.equal(logits, whole)
        logits.square().sum().backward()
        assert (other.grad.abs().sum(1) > 0).float().mean() > 0.9


@each_network
def test_images_of_a_batch_do_not_see_each_other(make):
    network, x = build(make).eval(), images()
    with torch.no_grad():
        both, last = network(x), network(x[1:])
    size = float(both.logits.abs().max())
    torch.testing.assert_close(both.logits[21 * 34 :], last.logits, rtol=1e-4, atol=1e-4 * size)
    for name in both.outputs:
        torch.testing.assert_close(both.outputs[name][21 * 34 :], last.outputs[name], rtol=1e-4, atol=1e-4)


@each_network
def test_gradients_reach_all_parameters(make):
    network = build(make)
    out = network(images())
    sum(value.square().sum() for value in (out.logits, *out.outputs.values())).backward()
    silent = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == []


@each_network
@pytest.mark.parametrize("size", [(16, 16), (17, 31), (1, 1)])
def test_single_small_images_in_training(make, size):
    """At stride 16 the smallest have one pixel, and the mean of any image is one."""
    network = build(make)
    out = network(images(1, C, *size))
    assert out.logits.shape == (size[0] * size[1], K)
    assert out.logits.isfinite().all()
    out.logits.sum().backward()
    assert all(p.grad.isfinite().all() for p in network.parameters() if p.grad is not None)


@each_network
def test_classes_can_be_added(make):
    """Only the classifier's weights have a row for each class, and their names begin as checkpoints expect."""
    arguments = {"in_channels": C, "n_classes": K, "width": 12, **make.keywords}
    spec = NetworkSpec("DeepLab", arguments)
    networks = Networks(build(make), spec)
    before = networks["main"].state_dict()
    networks.resize([2, None, 0])
    for name, value in networks["main"].state_dict().items():
        if name.startswith("head."):
            assert len(value) == 3
            assert torch.equal(value[[0, 2]], before[name][[2, 0]])
        else:
            assert torch.equal(value, before[name])
    assert networks["main"](images()).logits.shape[1] == 3


@each_network
def test_activation_checkpointing_changes_memory_alone(make):
    """Also with a second pass that does not update the running statistics."""
    x, found, sizes = images(), [], []
    for checkpointing in (False, True):
        network, kept = build(partial(make, activation_checkpointing=checkpointing)), {}

        def pack(tensor: Tensor, kept: dict = kept) -> Tensor:
            kept[tensor.untyped_storage().data_ptr()] = tensor
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            levels = network.encode(x, 8)
            loss = network.decode(levels).logits.square().sum()
            with frozen_statistics(network):
                loss = loss + network.decode((*levels[:-1], levels[-1].flip(0))).logits.square().sum()
        sizes.append(sum(tensor.untyped_storage().nbytes() for tensor in kept.values()))
        loss.backward()
        grads = [p.grad for p in network.parameters() if p.grad is not None]
        found.append([loss.detach(), *grads, *network.buffers()])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))
    assert sizes[1] < 0.7 * sizes[0]


@pytest.mark.parametrize(("head", "rates"), [("largefov", [12]), ("aspp", [6, 12, 18, 24])])
def test_the_heads_of_deeplab_v2_have_its_rates(head, rates):
    pyramid = build(partial(DeepLab, C, K, head=head, width=4)).decoder.pyramid
    assert [branch[0].conv.dilation for branch in pyramid.branches] == [(rate, rate) for rate in rates]


@pytest.mark.parametrize(("output_stride", "rates"), [(8, [12, 24, 36]), (16, [6, 12, 18]), (32, [3, 6, 9])])
def test_the_rates_of_v3plus_follow_the_output_stride(output_stride, rates):
    pyramid = build(partial(DeepLab, C, K, output_stride=output_stride, width=4)).decoder.pyramid
    assert [branch[0].conv.dilation[0] for branch in pyramid.branches[1:]] == rates


def test_auxiliary_scores_decide_the_regions():
    network, x = build(partial(DeepLab, C, K, head="ocr", width=12)).eval(), images()
    before = network(x).logits
    with torch.no_grad():
        network.head.aux.weight.mul_(-3)
    assert not torch.allclose(network(x).logits, before, atol=1e-4)


def test_the_usual_width_is_that_of_the_backbone():
    with torch.device("meta"):
        found = {name: DeepLab(C, K, name).head.in_channels for name in ("efficientnet_lite0", "resnet18", "resnet50")}
    assert found == {"efficientnet_lite0": 128, "resnet18": 128, "resnet50": 256}


def test_other_channels_are_taken():
    assert DeepLab(5, K, width=8)(images(1, 5, 20, 20)).logits.shape == (400, K)


def test_wrong_values_are_refused_in_one_line():
    network = build(partial(DeepLab, C, K, width=8))
    for action, message in (
        (lambda: network(images(1, 4, 16, 16)), r"images of shape \(1, 4, 16, 16\): the network takes \(B, 3, H, W\)"),
        (lambda: network(images(3, 16, 16)), r"images of shape \(3, 16, 16\)"),
        (lambda: network.encode(images(), 3), "stride=3: the network has strides 1, 2, 4, 8, 16"),
        (lambda: network.channels_at(32), "stride=32"),
        (
            lambda: DeepLab(C, K, "vgg"),
            "backbone=vgg: must be one of efficientnet_lite0, resnet18, resnet50",
        ),
        (lambda: DeepLab(C, K, head="fcn"), "head=fcn: must be one of v3plus, ocr, largefov, aspp"),
        (lambda: DeepLab(C, K, output_stride=4), "output_stride=4: must be one of 8, 16, 32"),
        (lambda: DeepLab(0, K), "in_channels=0; give a whole number, at least 1"),
        (lambda: DeepLab(C, 0), "DeepLab: n_classes=0"),
        (lambda: DeepLab(C, K, width=0), "DeepLab: width=0"),
    ):
        with pytest.raises(InputError, match=message) as error:
            action()
        assert "\n" not in str(error.value)
