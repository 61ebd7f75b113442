"""ResNet encoders: names, sizes and outputs of torchvision's networks, and dilation in place of stride."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from pcseg.errors import InputError
from pcseg.networks.resnet import ResNet

BLOCKS = {18: (2, 2, 2, 2), 50: (3, 4, 6, 3)}


def build(depth: int, output_stride: int = 32) -> ResNet:
    """In double precision and eval mode, with statistics unlike the initial ones."""
    torch.manual_seed(0)
    network = ResNet(depth, 3, output_stride).double().eval()
    for name, value in network.named_buffers():
        if name.endswith("running_mean"):
            value.normal_(0, 0.1)
        elif name.endswith("running_var"):
            value.uniform_(0.5, 2)
    return network


def torchvisions(state: dict[str, Tensor], depth: int, x: Tensor) -> list[Tensor]:
    """Outputs of all stages, from weights by their names, as the paper and torchvision describe the network."""

    def norm(x: Tensor, name: str) -> Tensor:
        mean, var, weight, bias = (state[f"{name}.{v}"] for v in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(x, mean, var, weight, bias)

    def conv(x: Tensor, name: str, stride: int = 1) -> Tensor:
        weight = state[f"{name}.weight"]
        return F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)

    x = norm(conv(x, "conv1", 2), "bn1").relu()
    found = [x]
    x = F.max_pool2d(x, 3, 2, 1)
    last, strided = (2, 1) if depth == 18 else (3, 2)
    for i, count in enumerate(BLOCKS[depth], start=1):
        for j in range(count):
            at, stride, y = f"layer{i}.{j}", 2 if i > 1 and j == 0 else 1, x
            for n in range(1, last + 1):
                y = norm(conv(y, f"{at}.conv{n}", stride if n == strided else 1), f"{at}.bn{n}")
                y = y.relu() if n < last else y
            if f"{at}.downsample.0.weight" in state:
                x = norm(conv(x, f"{at}.downsample.0", stride), f"{at}.downsample.1")
            x = (x + y).relu()
        found.append(x)
    return found


@pytest.mark.parametrize(("depth", "tensors", "parameters"), [
    (18, 122 - 2, 11_689_512 - 513_000),
    (34, 218 - 2, 21_797_672 - 513_000),
    (50, 320 - 2, 25_557_032 - 2_049_000),
    (101, 626 - 2, 44_549_160 - 2_049_000),
])  # fmt: skip
def test_it_has_the_weights_of_torchvision_without_the_classifier(depth: int, tensors: int, parameters: int) -> None:
    with torch.device("meta"):
        network = ResNet(depth)
    names = set(network.state_dict())
    assert len(names) == tensors
    assert sum(p.numel() for p in network.parameters()) == parameters
    assert {"conv1.weight", "bn1.running_var", "layer1.0.conv1.weight", "layer4.1.bn2.num_batches_tracked"} <= names
    assert {"layer2.0.downsample.0.weight", "layer2.0.downsample.1.bias"} <= names
    assert ("layer1.0.downsample.0.weight" in names) == (depth > 34)
    assert {name.split(".")[0] for name in names} == {"conv1", "bn1", "layer1", "layer2", "layer3", "layer4"}


@pytest.mark.parametrize("depth", [18, 50])
@pytest.mark.parametrize("size", [(64, 64), (49, 75)])
def test_it_computes_what_torchvision_does(depth: int, size: tuple[int, int]) -> None:
    network, x = build(depth), torch.randn(2, 3, *size, dtype=torch.float64)
    with torch.no_grad():
        maps = network(x)
        for found, expected in zip(maps, torchvisions(network.state_dict(), depth, x), strict=True):
            torch.testing.assert_close(found, expected)
    assert tuple(m.shape[1] for m in maps) == network.channels
    assert [m.shape[2] for m in maps] == [-(-size[0] // stride) for stride in network.strides]


@pytest.mark.parametrize("depth", [18, 50])
def test_dilated_it_is_the_strided_network_at_all_positions(depth: int) -> None:
    x = torch.randn(1, 3, 80, 112, dtype=torch.float64)
    with torch.no_grad():
        strided = build(depth)(x)
        for output_stride in (8, 16):
            network = build(depth, output_stride)
            maps = network(x)
            for found, expected, stride, full in zip(maps, strided, network.strides, (2, 4, 8, 16, 32), strict=True):
                step = full // stride
                assert found.shape[2:] == (80 // stride, 112 // stride)
                torch.testing.assert_close(found[:, :, ::step, ::step], expected)


def test_the_first_block_of_a_dilated_stage_keeps_the_dilation_before() -> None:
    """As in torchvision with replace_stride_with_dilation=(False, True, True)."""
    with torch.device("meta"):
        network = ResNet(50, output_stride=8)
    found = [block.conv2.dilation[0] for layer in (network.layer3, network.layer4) for block in layer]
    assert found == [1, 2, 2, 2, 2, 2, 2, 4, 4]
    assert {block.conv2.stride for layer in (network.layer3, network.layer4) for block in layer} == {(1, 1)}


def test_other_channels_and_wrong_values() -> None:
    assert ResNet(18, 5)(torch.randn(1, 5, 32, 32))[-1].shape == (1, 512, 1, 1)
    for action, message in (
        (lambda: ResNet(20), "depth=20: must be one of 18, 34, 50, 101"),
        (lambda: ResNet(18, output_stride=4), "output_stride=4: must be one of 8, 16, 32"),
        (lambda: ResNet(18, 0), "ResNet: in_channels=0"),
    ):
        with pytest.raises(InputError, match=message):
            action()
