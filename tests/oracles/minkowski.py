"""What MinkowskiEngine 0.5 computes, from its documentation, by dense convolutions in torch; knows nothing of pcseg.

Conventions (``src/kernel_region.hpp``, ``MinkowskiConvolution.py``, ``examples/minkunet.py`` of
NVIDIA/MinkowskiEngine): a kernel is (K, Cin, Cout), its index running over the region as an odometer whose first axis
turns fastest; regions of odd size are centered, those of even size start at the voxel; a convolution reads x[u + i]
under weight i, its transpose writes to y[u + i]; a kernel of volume 1 is a matrix (Cin, Cout); strided coordinates are
rounded down.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import batch_norm, conv3d, conv_transpose3d, max_pool3d, pad


def region(size: int, step: int = 1) -> list[tuple[int, int, int]]:
    """Offsets of a cubic region in ME's order, counted up like an odometer."""
    lower = -(size // 2) * step if size % 2 else 0
    upper = lower + (size - 1) * step
    at, offsets = [lower] * 3, []
    while True:
        offsets.append((at[0], at[1], at[2]))
        axis = 0
        while axis < 3 and at[axis] == upper:
            at[axis] = lower
            axis += 1
        if axis == 3:
            return offsets
        at[axis] += step


def dense_kernel(kernel: Tensor) -> Tensor:
    """ME's kernel (K, Cin, Cout) as torch's (Cout, Cin, x, y, z)."""
    size = round(kernel.shape[0] ** (1 / 3))
    out = kernel.new_zeros(kernel.shape[2], kernel.shape[1], size, size, size)
    lower = -(size // 2) if size % 2 else 0
    for weight, (x, y, z) in zip(kernel, region(size), strict=True):
        out[:, :, x - lower, y - lower, z - lower] = weight.T
    return out


class Grid:
    """Voxels of a sample as a dense grid: ``values`` (1, C, X, Y, Z), zero where ``mask`` (1, 1, X, Y, Z) is 0."""

    def __init__(self, values: Tensor, mask: Tensor) -> None:
        self.values, self.mask = values * mask, mask

    @classmethod
    def from_rows(cls, position: Tensor, feats: Tensor, multiple: int) -> Grid:
        """Rows (N, C) at ``position`` (N, 3), moved by a multiple of ``multiple``, sides divisible by it."""
        moved = position.long() - position.long().min(0).values // multiple * multiple
        sides = [int(-(-(m + 1) // multiple) * multiple) for m in moved.max(0).values]
        values, mask = feats.new_zeros(1, feats.shape[1], *sides), feats.new_zeros(1, 1, *sides)
        x, y, z = moved.T
        values[0, :, x, y, z] = feats.T
        mask[0, 0, x, y, z] = 1
        return cls(values, mask)

    def rows(self, position: Tensor, multiple: int) -> Tensor:
        """Values (N, C) at the positions that ``from_rows`` was given."""
        x, y, z = (position.long() - position.long().min(0).values // multiple * multiple).T
        return self.values[0, :, x, y, z].T

    def conv(self, kernel: Tensor) -> Grid:
        """Stride 1: outputs where there are inputs."""
        size = round(kernel.shape[0] ** (1 / 3))
        before = size // 2 if size % 2 else 0
        around = pad(self.values, (before, size - 1 - before) * 3)
        return Grid(conv3d(around, dense_kernel(kernel)), self.mask)

    def conv_down(self, kernel: Tensor) -> Grid:
        """Kernel 2, stride 2: outputs at the coordinates rounded down."""
        return Grid(conv3d(self.values, dense_kernel(kernel), stride=2), max_pool3d(self.mask, 2))

    def conv_up(self, kernel: Tensor, onto: Grid) -> Grid:
        """Transpose of kernel 2, stride 2: outputs at the voxels of ``onto``."""
        return Grid(conv_transpose3d(self.values, dense_kernel(kernel).transpose(0, 1), stride=2), onto.mask)

    def linear(self, kernel: Tensor) -> Grid:
        return Grid(torch.einsum("bixyz,io->boxyz", self.values, kernel), self.mask)

    def norm(self, state: dict[str, Tensor], name: str) -> Grid:
        mean, var = state[f"{name}.bn.running_mean"], state[f"{name}.bn.running_var"]
        return Grid(batch_norm(self.values, mean, var, state[f"{name}.bn.weight"], state[f"{name}.bn.bias"]), self.mask)

    def relu(self) -> Grid:
        return Grid(self.values.relu(), self.mask)

    def cat(self, other: Grid) -> Grid:
        return Grid(torch.cat([self.values, other.values], 1), self.mask)

    def add(self, other: Grid) -> Grid:
        return Grid(self.values + other.values, self.mask)


def minkunet(state: dict[str, Tensor], position: Tensor, feats: Tensor) -> Tensor:
    """Scores (N, K) of ME's MinkUNet (examples/minkunet.py) in eval mode for one sample, from its state_dict."""

    def block(x: Grid, name: str) -> Grid:
        index = 0
        while f"{name}.{index}.conv1.kernel" in state:
            at = f"{name}.{index}"
            bottleneck = f"{at}.conv3.kernel" in state
            if bottleneck:
                y = x.linear(state[f"{at}.conv1.kernel"]).norm(state, f"{at}.norm1").relu()
                y = y.conv(state[f"{at}.conv2.kernel"]).norm(state, f"{at}.norm2").relu()
                y = y.linear(state[f"{at}.conv3.kernel"]).norm(state, f"{at}.norm3")
            else:
                y = x.conv(state[f"{at}.conv1.kernel"]).norm(state, f"{at}.norm1").relu()
                y = y.conv(state[f"{at}.conv2.kernel"]).norm(state, f"{at}.norm2")
            if f"{at}.downsample.0.kernel" in state:
                x = x.linear(state[f"{at}.downsample.0.kernel"]).norm(state, f"{at}.downsample.1")
            x = y.add(x).relu()
            index += 1
        return x

    x = Grid.from_rows(position, feats, 16)
    x = x.conv(state["conv0p1s1.kernel"]).norm(state, "bn0").relu()
    skips = [x]
    for i in range(1, 5):
        x = x.conv_down(state[f"conv{i}p{2 ** (i - 1)}s2.kernel"]).norm(state, f"bn{i}").relu()
        x = block(x, f"block{i}")
        skips.append(x)
    skips.pop()
    for i in range(4, 8):
        skip = skips.pop()
        x = x.conv_up(state[f"convtr{i}p{2 ** (8 - i)}s2.kernel"], skip).norm(state, f"bntr{i}").relu()
        x = block(x.cat(skip), f"block{i + 1}")
    return x.linear(state["final.kernel"]).rows(position, 16) + state["final.bias"]


def random_state(
    rng: np.random.Generator,
    in_channels: int,
    n_classes: int,
    planes: tuple[int, ...],
    layers: tuple[int, ...],
    stem: int = 5,
    init_dim: int = 32,
    bottleneck: bool = False,
) -> dict[str, Tensor]:
    """A state_dict with the names and shapes of ME's MinkUNet and random float32 values."""
    state: dict[str, Tensor] = {}
    expansion = 4 if bottleneck else 1

    def kernel(name: str, volume: int, cin: int, cout: int) -> None:
        shape = (cin, cout) if volume == 1 else (volume, cin, cout)
        values = rng.normal(0, (2 / (volume * cin)) ** 0.5, shape)
        state[f"{name}.kernel"] = torch.from_numpy(values).float()

    def norm(name: str, channels: int) -> None:
        for key, low, high in (("weight", 0.5, 1.5), ("bias", -0.5, 0.5), ("running_mean", -0.5, 0.5)):
            state[f"{name}.bn.{key}"] = torch.from_numpy(rng.uniform(low, high, channels)).float()
        state[f"{name}.bn.running_var"] = torch.from_numpy(rng.uniform(0.5, 2, channels)).float()
        state[f"{name}.bn.num_batches_tracked"] = torch.tensor(7)

    def block(name: str, cin: int, width: int, count: int) -> int:
        for index in range(count):
            at, cout = f"{name}.{index}", width * expansion
            if bottleneck:
                convs = [(1, cin, width), (27, width, width), (1, width, cout)]
            else:
                convs = [(27, cin, width), (27, width, width)]
            for j, (volume, a, b) in enumerate(convs, start=1):
                kernel(f"{at}.conv{j}", volume, a, b)
                norm(f"{at}.norm{j}", b)
            if cin != cout:
                kernel(f"{at}.downsample.0", 1, cin, cout)
                norm(f"{at}.downsample.1", cout)
            cin = cout
        return cin

    kernel("conv0p1s1", stem**3, in_channels, init_dim)
    norm("bn0", init_dim)
    channels, skips = init_dim, [init_dim]
    for i in range(1, 5):
        kernel(f"conv{i}p{2 ** (i - 1)}s2", 8, channels, channels)
        norm(f"bn{i}", channels)
        channels = block(f"block{i}", channels, planes[i - 1], layers[i - 1])
        skips.append(channels)
    skips.pop()
    for i in range(4, 8):
        kernel(f"convtr{i}p{2 ** (8 - i)}s2", 8, channels, planes[i])
        norm(f"bntr{i}", planes[i])
        channels = block(f"block{i + 1}", planes[i] + skips.pop(), planes[i], layers[i])
    kernel("final", 1, channels, n_classes)
    state["final.bias"] = torch.from_numpy(rng.normal(size=(1, n_classes))).float()
    return state
