"""A network small enough for exact tests, behind the interface of pcseg.networks, and batches for it."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from pcseg.classes import IGNORE, Classes
from pcseg.elements import Elements, pixel_elements
from pcseg.feeding.batch import Batch
from pcseg.feeding.pictures.sample import PictureSample, collate_pictures
from pcseg.model.inputs import ImageInputs, VoxelInputs
from pcseg.model.model import Model
from pcseg.model.networks import Networks, NetworkSpec
from pcseg.sparse import SparseTensor


class TinyNetwork(nn.Module):
    """Each level averages the voxels of a cell twice as large; the decoder spreads them again, beside the skips."""

    strides = (1, 2, 4)

    def __init__(self, in_channels: int = 4, n_classes: int = 3, width: int = 8, dropout: float = 0.0) -> None:
        super().__init__()
        self.width = width
        self.down = nn.ModuleList([self._layer(in_channels if i == 0 else width, width) for i in range(3)])
        self.up = nn.ModuleList([self._layer(2 * width, width) for _ in range(2)])
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, n_classes)

    @staticmethod
    def _layer(cin: int, cout: int) -> nn.Module:
        return nn.Sequential(nn.Linear(cin, cout), nn.BatchNorm1d(cout), nn.ReLU())

    def channels_at(self, stride: int) -> int:
        return self.width

    def encode(self, x: SparseTensor, stride: int | None = None) -> tuple[SparseTensor, ...]:
        levels = [x.replace(self.down[0](x.feats))]
        return self._descend(levels, stride or self.strides[-1])

    def decode(
        self, levels: tuple[SparseTensor, ...], position: Tensor | None = None, color: Tensor | None = None
    ) -> Elements:
        levels = self._descend(list(levels), self.strides[-1])
        feats = levels[-1].feats
        for layer, fine, coarse in zip(self.up, levels[-2::-1], levels[:0:-1], strict=True):
            parent = _cells(fine.coords, coarse.stride)[1]
            feats = layer(torch.cat([feats[parent], fine.feats], dim=1))
        feats = self.dropout(feats)
        finest = levels[0]
        where = finest.coords[:, 1:].float() if position is None else position
        return Elements(self.head(feats), feats, finest.sample, where, color)

    def forward(self, x: SparseTensor, position: Tensor | None = None, color: Tensor | None = None) -> Elements:
        return self.decode(self.encode(x), position, color)

    def _descend(self, levels: list[SparseTensor], stride: int) -> tuple[SparseTensor, ...]:
        while levels[-1].stride < stride:
            coarse = 2 * levels[-1].stride
            coords, parent = _cells(levels[-1].coords, coarse)
            total = levels[-1].feats.new_zeros(len(coords), self.width).index_add(0, parent, levels[-1].feats)
            mean = total / torch.bincount(parent)[:, None]
            levels = [*levels, SparseTensor(self.down[len(levels)](mean), coords, coarse)]
        return tuple(levels)


def model_of(network: nn.Module, n_classes: int = 3) -> Model:
    """The network as methods take it."""
    classes = Classes(tuple("abcdefgh"[:n_classes]))
    spec = NetworkSpec(type(network).__name__, {}, type(network))
    return Model(Networks(network, spec), classes, VoxelInputs(0.1, ("optional_color", "height")))


def _cells(coords: Tensor, stride: int) -> tuple[Tensor, Tensor]:
    """Occupied cells of edge ``stride`` (coordinates from 0 to 1023) and the cell of each row."""
    cell = torch.cat([coords[:, :1], coords[:, 1:] // stride * stride], dim=1).long()
    key, parent = torch.unique(cell @ torch.tensor([1 << 30, 1 << 20, 1 << 10, 1]), return_inverse=True)
    return torch.stack([key >> shift & 1023 for shift in (30, 20, 10, 0)], dim=1).int(), parent


def make_batch(n_samples: int = 4, n: int = 40, n_labels: int = 3, n_classes: int = 3, seed: int = 0) -> Batch:
    """Random voxels, ``n_labels`` of each sample labeled."""
    generator = torch.Generator().manual_seed(seed)
    coords, labels = [], []
    for b in range(n_samples):
        cells = torch.randperm(16**3, generator=generator)[:n].sort().values
        xyz = torch.stack([cells // 256, cells // 16 % 16, cells % 16], dim=1)
        coords.append(torch.cat([torch.full((n, 1), b), xyz], dim=1))
        label = torch.full((n,), IGNORE)
        chosen = torch.randperm(n, generator=generator)[:n_labels]
        label[chosen] = torch.randint(n_classes, (n_labels,), generator=generator)
        labels.append(label)
    total = n_samples * n
    voxels = SparseTensor(torch.randn(total, 4, generator=generator), torch.cat(coords).int())
    return Batch(
        inputs=voxels,
        sample=voxels.sample,
        position=torch.rand(total, 3, generator=generator),
        color=torch.rand(total, 3, generator=generator),
        labels=torch.cat(labels),
        names=tuple(f"scene_{b}" for b in range(n_samples)),
    )


class TinyPixels(nn.Module):
    """A convolution at full resolution, one at half of it, and both together; level 0 is the picture itself."""

    strides = (1, 2)

    def __init__(self, in_channels: int = 3, n_classes: int = 3, width: int = 8) -> None:
        super().__init__()
        self.channels = (in_channels, width)
        self.down = nn.Sequential(nn.Conv2d(in_channels, width, 3, 2, 1), nn.BatchNorm2d(width), nn.ReLU())
        self.fine: nn.Module = nn.Conv2d(in_channels, width, 3, padding=1)
        self.head = nn.Conv2d(2 * width, n_classes, 1)

    def channels_at(self, stride: int) -> int:
        return self.channels[self.strides.index(stride)]

    def encode(self, x: Tensor, stride: int | None = None) -> tuple[Tensor, ...]:
        return (x,) if stride == 1 else (x, self.down(x))

    def decode(
        self, levels: tuple[Tensor, ...], position: Tensor | None = None, color: Tensor | None = None
    ) -> Elements:
        x, coarse = levels if len(levels) == 2 else self.encode(levels[0])
        size = (x.shape[2], x.shape[3])
        wide = nn.functional.interpolate(coarse, size, mode="bilinear", align_corners=False)
        feats = torch.cat([self.fine(x).relu(), wide], dim=1)
        return pixel_elements(self.head(feats), feats, size, position, color)

    def forward(self, x: Tensor, position: Tensor | None = None, color: Tensor | None = None) -> Elements:
        return self.decode(self.encode(x), position, color)


def make_pictures(n_samples: int = 4, n: int = 100, n_labels: int = 3, n_classes: int = 3, seed: int = 0) -> Batch:
    """Random pictures of ``n`` pixels, a square number, ``n_labels`` of each labeled."""
    generator = torch.Generator().manual_seed(seed)
    edge = math.isqrt(n)
    samples = []
    for b in range(n_samples):
        labels = torch.full((n,), IGNORE)
        chosen = torch.randperm(n, generator=generator)[:n_labels]
        labels[chosen] = torch.randint(n_classes, (n_labels,), generator=generator)
        image = torch.rand(3, edge, edge, generator=generator)
        samples.append(PictureSample(image, labels.view(edge, edge), torch.arange(n).view(edge, edge), f"picture_{b}"))
    return collate_pictures(samples, ImageInputs().mean, ImageInputs().std)
