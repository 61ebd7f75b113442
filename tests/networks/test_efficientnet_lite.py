"""EfficientNet-Lite0: names, sizes and outputs of the published network, and dilation in place of stride."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from pcseg.networks.efficientnet_lite import EfficientNetLite0, SameConv2d


def build(output_stride: int = 32) -> EfficientNetLite0:
    """In double precision and eval mode, with statistics unlike the initial ones."""
    torch.manual_seed(0)
    network = EfficientNetLite0(3, output_stride).double().eval()
    for name, value in network.named_buffers():
        if name.endswith("running_mean"):
            value.normal_(0, 0.1)
        elif name.endswith("running_var"):
            value.uniform_(0.5, 2)
    return network


def published(state: dict[str, Tensor], x: Tensor) -> list[Tensor]:
    """Outputs of all 16 blocks for even sizes, from weights by their names, with the "same" padding of TensorFlow."""

    def conv(x: Tensor, name: str, stride: int = 1) -> Tensor:
        weight = state[f"{name}.weight"]
        groups = x.shape[1] // weight.shape[1]
        pads = []
        for size in (x.shape[3], x.shape[2]):
            total = max((math.ceil(size / stride) - 1) * stride + weight.shape[-1] - size, 0)
            pads += [total // 2, total - total // 2]
        return F.conv2d(F.pad(x, pads), weight, stride=stride, groups=groups)

    def norm(x: Tensor, name: str) -> Tensor:
        mean, var, weight, bias = (state[f"{name}.{v}"] for v in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(x, mean, var, weight, bias, eps=1e-3)

    x = F.relu6(norm(conv(x, "_conv_stem", 2), "_bn0"))
    found = []
    for i in range(16):
        at, y = f"_blocks.{i}", x
        if f"{at}._expand_conv.weight" in state:
            y = F.relu6(norm(conv(y, f"{at}._expand_conv"), f"{at}._bn0"))
        y = F.relu6(norm(conv(y, f"{at}._depthwise_conv", 2 if i in (1, 3, 5, 11) else 1), f"{at}._bn1"))
        y = norm(conv(y, f"{at}._project_conv"), f"{at}._bn2")
        x = x + y if x.shape == y.shape else y
        found.append(x)
    return found


def test_it_has_the_published_weights_without_the_classifier() -> None:
    with torch.device("meta"):
        network = EfficientNetLite0()
    names = set(network.state_dict())
    assert sum(p.numel() for p in network.parameters()) == 4_652_008 - 1_281_000 - (320 + 2) * 1280
    assert len(names) == 296 - 2 - 6
    assert {"_conv_stem.weight", "_bn0.running_var", "_blocks.0._depthwise_conv.weight"} <= names
    assert {"_blocks.15._expand_conv.weight", "_blocks.15._bn2.num_batches_tracked"} <= names
    assert "_blocks.0._expand_conv.weight" not in names
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    assert shapes["_blocks.3._depthwise_conv.weight"] == (144, 1, 5, 5)
    assert shapes["_blocks.15._project_conv.weight"] == (320, 1152, 1, 1)


def test_it_computes_what_was_published() -> None:
    network, x = build(), torch.randn(2, 3, 64, 96, dtype=torch.float64)
    with torch.no_grad():
        maps, blocks = network(x), published(network.state_dict(), x)
    assert tuple(m.shape[1] for m in maps) == network.channels == (16, 24, 40, 112, 320)
    for found, last in zip(maps, (0, 2, 4, 10, 15), strict=True):
        torch.testing.assert_close(found, blocks[last])


def test_it_computes_what_the_package_does() -> None:
    package = pytest.importorskip("efficientnet_lite_pytorch")
    theirs = package.EfficientNet.from_name("efficientnet-lite0", drop_connect_rate=0.0)
    network, x = EfficientNetLite0(), torch.randn(2, 3, 224, 224)
    network.load_state_dict({k: v for k, v in theirs.state_dict().items() if not k.startswith(network.unused)})
    y = F.relu6(theirs._bn0(theirs._conv_stem(x)))
    for block in theirs._blocks:
        y = block(y)
    torch.testing.assert_close(network(x)[-1], y, rtol=1e-4, atol=1e-4)
    assert all(torch.equal(value, theirs.state_dict()[name]) for name, value in network.state_dict().items())


def test_dilated_it_is_the_strided_network_at_all_positions() -> None:
    """A stride of 2 computes every second position, from the second on: it pads less at the top left."""
    x = torch.randn(1, 3, 96, 128, dtype=torch.float64)
    with torch.no_grad():
        strided = build()(x)
        for output_stride in (8, 16):
            network = build(output_stride)
            maps = network(x)
            for found, expected, stride, full in zip(maps, strided, network.strides, (2, 4, 8, 16, 32), strict=True):
                step = full // stride
                assert found.shape[2:] == (96 // stride, 128 // stride)
                torch.testing.assert_close(found[:, :, step - 1 :: step, step - 1 :: step], expected)


@pytest.mark.parametrize("kernel", [3, 5])
def test_weights_meet_the_same_pixels_at_odd_and_even_sizes(kernel: int) -> None:
    torch.manual_seed(0)
    conv, x = SameConv2d(1, 4, kernel, 2), torch.randn(1, 1, 24, 24)
    whole = conv(x)
    for height, width in ((24, 24), (23, 18), (16, 17), (1, 2)):
        part = conv(x[:, :, :height, :width])
        assert part.shape[2:] == ((height + 1) // 2, (width + 1) // 2)
        rows, columns = ((size - kernel) // 2 for size in (height, width))
        if rows > 0:
            torch.testing.assert_close(part[:, :, :rows, :columns], whole[:, :, :rows, :columns])


def test_sizes_are_rounded_up() -> None:
    network = EfficientNetLite0(5, 32).eval()
    with torch.no_grad():
        maps = network(torch.randn(1, 5, 45, 67))
    assert [tuple(m.shape[2:]) for m in maps] == [(23, 34), (12, 17), (6, 9), (3, 5), (2, 3)]
