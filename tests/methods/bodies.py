"""Pictures of objects with a telling head and a dull body, only tags of which are known: activation sees heads."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from pcseg.classes import IGNORE, Classes
from pcseg.feeding.batch import Batch
from pcseg.feeding.pictures.sample import PictureSample, collate_pictures
from pcseg.methods.cam import ClassActivation
from pcseg.methods.tag_method import TagMethod
from pcseg.model.model import Model
from pcseg.model.networks import Networks, NetworkSpec
from pcseg.pseudo.tag_labels import labels_of_activation
from tests.methods.shapes import INPUTS, ShapeNetwork, miou_of

K, EDGE = 4, 24
"""Classes (background and three kinds of objects), pixels along an edge."""

HEADS = torch.tensor([[0.9, 0.2, 0.2], [0.2, 0.8, 0.2], [0.2, 0.3, 0.9]])
BODIES = torch.tensor([[0.66, 0.54, 0.5], [0.54, 0.62, 0.5], [0.54, 0.54, 0.62]])
"""Colors of the heads, and of the bodies, which differ little."""


@cache
def drawn(seed: int, count: int) -> tuple[Tensor, Tensor]:
    """Return pictures (n, 3, EDGE, EDGE) in [0, 1] and their classes (n, EDGE, EDGE): one or two objects in each."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(low: float, high: float, *size: int) -> Tensor:
        return low + (high - low) * torch.rand(size, generator=generator)

    row, column = torch.meshgrid(torch.arange(EDGE), torch.arange(EDGE), indexing="ij")
    images, labels = torch.empty(count, 3, EDGE, EDGE), torch.zeros(count, EDGE, EDGE, dtype=torch.int64)
    for i in range(count):
        images[i] = uniform(0.1, 0.35, 3, 1, 1)
        for kind in torch.randperm(K - 1, generator=generator)[: 1 + i % 2].tolist():
            y, x = uniform(6, EDGE - 7, 2).tolist()
            turn = float(uniform(0, 6.283, 1))
            dy, dx = 4.5 * torch.tensor(turn).sin(), 4.5 * torch.tensor(turn).cos()
            body = (row - y) ** 2 + (column - x) ** 2 <= 4.5**2
            head = (row - y - dy) ** 2 + (column - x - dx) ** 2 <= 2.3**2
            images[i][:, body] = BODIES[kind, :, None] + uniform(-0.05, 0.05, 1)
            images[i][:, head] = HEADS[kind, :, None] + uniform(-0.1, 0.1, 3, 1)
            labels[i][body | head] = kind + 1
    images += 0.05 * torch.randn(images.shape, generator=generator)
    return images.clamp(0, 1), labels


def model_of(seed: int) -> Model:
    """A model of fresh weights."""
    spec = NetworkSpec("ShapeNetwork", {"in_channels": 3, "n_classes": K}, ShapeNetwork)
    return Model(Networks.build(spec, seed), Classes(("background", "red", "green", "blue")), INPUTS)


def batch_of(images: Tensor, labels: Tensor) -> Batch:
    """Return pictures with their tags, no label."""
    number, nothing = torch.arange(EDGE * EDGE).view(EDGE, EDGE), torch.full((EDGE, EDGE), IGNORE)
    tags = torch.stack([(labels == kind).flatten(1).any(1) for kind in range(K)], dim=1)
    samples = [PictureSample(image, nothing, number, "", tags=row) for image, row in zip(images, tags, strict=True)]
    return collate_pictures(samples, INPUTS.mean, INPUTS.std)


def train(method: TagMethod, seed: int, steps: int = 150, count: int = 64, rate: float = 0.01) -> None:
    """Train on the tags of ``count`` pictures, eight a step."""
    images, labels = drawn(seed, count)
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    optimizer = torch.optim.Adam([p for g in method.players()["main"] for p in g.parameters], lr=rate)
    method.train()
    for step in range(steps):
        chosen = torch.randint(count, (8,), generator=generator)
        optimizer.zero_grad()
        sum(method.losses(batch_of(images[chosen], labels[chosen]), step / steps).values()).backward()  # type: ignore[union-attr]
        optimizer.step()
        method.after_step(step)


@cache
def cam_score(seed: int) -> float:
    """Return :func:`score_of_labels` of class activation alone."""
    method = ClassActivation(model_of(seed), background="background")
    train(method, seed)
    return score_of_labels(method, seed)


def seen(method: TagMethod, seed: int, high: float, count: int = 32) -> tuple[Tensor, Tensor]:
    """Return the labels of the activation of pictures that were trained on, and their true classes, (E,) both.

    Elements of less than ``high`` are background.
    """
    images, labels = drawn(seed, 64)
    batch = batch_of(images[:count], labels[:count])
    method.eval()
    with torch.no_grad():
        levels = method.network.encode(batch.inputs, method.stride)
        elements = method.network.decode(levels, position=batch.position, color=batch.color)
        activation = method.activate(levels, elements, batch, 1.0)[1]
    return labels_of_activation(activation, high, high, 0), labels[:count].flatten()


def score_of_labels(method: TagMethod, seed: int) -> float:
    """Return the largest mIoU of the labels of the activation over thresholds, as papers on tags state it."""
    return max(miou_of(*seen(method, seed, high), K) for high in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6))
