"""A tiny segmentation task on which methods show what they are for: shapes in pictures, few of them labeled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import torch
from torch import Tensor, nn

from pcseg.classes import Classes
from pcseg.feeding.batch import Batch
from pcseg.feeding.pictures.sample import PictureSample, collate_pictures
from pcseg.methods import Method, Supervised
from pcseg.model.inputs import ImageInputs
from pcseg.model.model import Model
from pcseg.model.networks import Networks, NetworkSpec
from tests.methods.tiny_network import TinyPixels

K, EDGE, STEPS = 4, 24, 120
"""Classes (background, square, disc, ring), pixels along an edge, steps of training."""

INPUTS = ImageInputs((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))

USUAL = torch.tensor([[0.25, 0.25, 0.25], [0.7, 0.4, 0.4], [0.4, 0.7, 0.4], [0.4, 0.4, 0.7]])
"""Usual colors of the classes."""

Make = Callable[[Model], Method]


class ShapeNetwork(TinyPixels):
    """A convolution at full resolution and four at half of it; level 0 is the picture itself."""

    def __init__(self, in_channels: int = 3, n_classes: int = K, width: int = 16) -> None:
        nn.Module.__init__(self)  # with layers of its own
        self.channels = (in_channels, width)

        def layer(cin: int, stride: int, dilation: int) -> nn.Module:
            conv = nn.Conv2d(cin, width, 3, stride, dilation, dilation, bias=False)
            return nn.Sequential(conv, nn.BatchNorm2d(width), nn.ReLU())

        self.fine = layer(in_channels, 1, 1)
        self.down = nn.Sequential(layer(in_channels, 2, 1), layer(width, 1, 1), layer(width, 1, 2), layer(width, 1, 2))
        self.head = nn.Conv2d(2 * width, n_classes, 1)


def model_of(seed: int, width: int = 16) -> Model:
    """A model of fresh weights."""
    spec = NetworkSpec("ShapeNetwork", {"in_channels": 3, "n_classes": K, "width": width}, ShapeNetwork)
    return Model(Networks.build(spec, seed), Classes(("background", "square", "disc", "ring")), INPUTS)


def draw_shapes(count: int, generator: torch.Generator, noise: float = 0.05) -> tuple[Tensor, Tensor]:
    """Return pictures (n, 3, EDGE, EDGE) in [0, 1] and their classes (n, EDGE, EDGE): three shapes, one of each class.

    A class has a usual color, from which each shape's own and the light of the picture differ widely.
    """

    def uniform(low: float, high: float, *size: int) -> Tensor:
        return low + (high - low) * torch.rand(size, generator=generator)

    row, column = torch.meshgrid(torch.arange(EDGE), torch.arange(EDGE), indexing="ij")
    images, labels = torch.empty(count, 3, EDGE, EDGE), torch.zeros(count, EDGE, EDGE, dtype=torch.int64)
    for i in range(count):
        light, images[i] = uniform(-0.15, 0.15, 3, 1), uniform(0.1, 0.4, 3, 1, 1)
        for shape in (1 + torch.randperm(K - 1, generator=generator)).tolist():
            radius = float(uniform(3.5, 5.5, 1))
            y, x = uniform(radius, EDGE - 1 - radius, 2).tolist()
            away = torch.stack([row - y, column - x]).abs()
            far = away.amax(0) if shape == 1 else (away**2).sum(0).sqrt()
            inside = (far <= radius * (0.9 if shape == 1 else 1.0)) & ((shape != 3) | (far > 0.55 * radius))
            images[i][:, inside] = USUAL[shape, :, None] + light + uniform(-0.25, 0.25, 3, 1)
            labels[i][inside] = shape
    images += noise * torch.randn(images.shape, generator=generator)
    return images.clamp(0, 1), labels


@cache
def drawn(seed: int, *counts: int) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
    """Return sets of pictures with their classes, one for each of ``counts``, and the state of the generator after."""
    generator = torch.Generator().manual_seed(seed)
    found = [draw_shapes(count, generator) for count in counts]
    return generator.get_state(), found


class Shapes:
    """``labeled`` pictures with labels and ``unlabeled`` ones without, and others to score on; drawn from ``seed``."""

    def __init__(self, seed: int, labeled: int = 4, unlabeled: int = 48, test: int = 32) -> None:
        state, ((self.labeled, self.labels), (self.unlabeled, _), (self.test, self.truth)) = drawn(
            seed, labeled, unlabeled, test
        )
        self.generator = torch.Generator().set_state(state)

    def batch(self, n_labeled: int = 4, n_unlabeled: int = 4, views: int = 1) -> Batch:
        """Return labeled and unlabeled pictures, these as ``views`` of which all but the first differ in color."""
        own = torch.randint(len(self.labeled), (n_labeled,), generator=self.generator)
        other = torch.randint(len(self.unlabeled), (n_unlabeled,), generator=self.generator)
        number = torch.arange(EDGE * EDGE).view(EDGE, EDGE)
        samples = [PictureSample(*self._turned(self.labeled[i], self.labels[i]), number, "l", domain=0) for i in own]
        for i in other:
            image, nothing = self._turned(self.unlabeled[i], torch.full((EDGE, EDGE), -1))
            for view in range(views):
                seen = image if view == 0 else self._strong(image)
                of = int(i) if views > 1 else None
                samples.append(PictureSample(seen, nothing, number, f"u{i}", domain=1, view=of))
        batch = collate_pictures(samples, INPUTS.mean, INPUTS.std)
        return batch if n_labeled and n_unlabeled else replace(batch, domain=None)

    def _turned(self, image: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The picture turned by a right angle and mirrored, as drawn."""
        turns, flip = int(torch.randint(4, (1,), generator=self.generator)), torch.rand(1, generator=self.generator)
        image, labels = image.rot90(turns, (1, 2)), labels.rot90(turns, (0, 1))
        return (image.flip(2), labels.flip(1)) if flip < 0.5 else (image, labels)

    def _strong(self, image: Tensor) -> Tensor:
        """The picture with other contrast, another light and more noise."""
        gain, shift = (torch.rand(2, 3, 1, 1, generator=self.generator) - 0.5).unbind(0)
        noise = 0.1 * torch.randn(image.shape, generator=self.generator)
        return ((image - 0.5) * (1 + 0.6 * gain) + 0.5 + 0.3 * shift + noise).clamp(0, 1)


def train(model: Model, make: Make, batches: Callable[[], Batch], steps: int, seed: int, rate: float = 1e-2) -> Method:
    """Train a method of one player for ``steps``, and return it in eval mode."""
    torch.manual_seed(seed)
    method = make(model).train()
    players = method.players()
    optimizers = {  # fused: a tenth faster
        name: torch.optim.Adam([p for g in groups for p in g.parameters], fused=True)
        for name, groups in players.items()
    }
    for step in range(steps):
        batch, progress = batches(), step / steps
        for name, optimizer in optimizers.items():
            for group in optimizer.param_groups:
                group["lr"] = rate * (1 - progress) ** 0.9
            method.zero_grad()
            torch.stack(list(method.losses(batch, progress, name).values())).sum().backward()
            optimizer.step()
        method.after_step(step)
    return method.eval()


@torch.no_grad()
def miou(network: nn.Module, images: Tensor, truth: Tensor) -> float:
    """Return the mean IoU of a network's decisions on pictures."""
    mean, std = (torch.tensor(v)[:, None, None] for v in (INPUTS.mean, INPUTS.std))
    return miou_of(network.eval()((images - mean) / std).logits.argmax(1), truth.reshape(-1), K)


def miou_of(found: Tensor, truth: Tensor, n_classes: int) -> float:
    """Return the mean IoU of labels ``found`` (E,) with the true ones."""
    matrix = torch.bincount(truth * n_classes + found, minlength=n_classes**2).view(n_classes, n_classes).double()
    hit = matrix.diagonal()
    return float((hit / (matrix.sum(0) + matrix.sum(1) - hit).clamp(min=1)).mean())


def score(make: Make, seed: int, steps: int = STEPS, views: int = 1, **settings: int) -> float:
    """Return the mIoU that a method reaches from few labeled and many unlabeled pictures."""
    shapes, model = Shapes(seed, **settings), model_of(seed)
    method = train(model, make, lambda: shapes.batch(views=views), steps, seed)
    return miou(model.networks[method.deployed], shapes.test, shapes.truth)


@cache
def supervised(seed: int, steps: int = STEPS, **settings: int) -> float:
    """Return the mIoU of supervised training on as many labeled pictures a step as a method sees in all."""
    shapes, model = Shapes(seed, **settings), model_of(seed)
    train(model, Supervised, lambda: shapes.batch(8, 0), steps, seed)
    return miou(model.network, shapes.test, shapes.truth)
