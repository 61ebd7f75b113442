"""Pictures of few large pixels, each of one of several concepts, only tags known: tokens without a network."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from pcseg.classes import IGNORE, Classes
from pcseg.elements import Elements, pixel_elements
from pcseg.feeding.batch import Batch
from pcseg.methods.base import Method
from pcseg.model.inputs import ImageInputs
from pcseg.model.model import Model
from pcseg.model.networks import Networks, NetworkSpec

NAMES = ("bus", "cat", "dog", "sea", "sky")
CHANNELS, EDGE = 16, 4


class Tokens(nn.Module):
    """Its only level are the pixels themselves."""

    strides = (1,)

    def __init__(self, in_channels: int = CHANNELS, n_classes: int = len(NAMES)) -> None:
        super().__init__()
        self.head = nn.Conv2d(in_channels, n_classes, 1)

    def channels_at(self, stride: int) -> int:
        return CHANNELS

    def encode(self, x: Tensor, stride: int | None = None) -> tuple[Tensor, ...]:
        return (x,)

    def decode(
        self, levels: tuple[Tensor, ...], position: Tensor | None = None, color: Tensor | None = None
    ) -> Elements:
        (x,) = levels
        return pixel_elements(self.head(x), x, (x.shape[2], x.shape[3]), position, color)

    def forward(self, x: Tensor, position: Tensor | None = None, color: Tensor | None = None) -> Elements:
        return self.decode(self.encode(x), position, color)


def model_of(seed: int, names: tuple[str, ...] = NAMES) -> Model:
    spec = NetworkSpec("Tokens", {"in_channels": CHANNELS, "n_classes": len(names)}, Tokens)
    return Model(Networks.build(spec, seed), Classes(names), ImageInputs())


def concepts(seed: int, count: int = len(NAMES)) -> Tensor:
    """Directions (n, CHANNELS) of the concepts."""
    return nn.functional.normalize(torch.randn(count, CHANNELS, generator=torch.Generator().manual_seed(seed)), dim=1)


def batch_of(
    vectors: Tensor, among: list[int], generator: torch.Generator, count: int = 8, halves: bool = False
) -> tuple[Batch, Tensor]:
    """Pictures of two of the concepts ``among`` them each, half of the tokens either; and the concept of each token.

    Both lie anywhere, or one to the left of the other in ``halves``. Tags and concepts are numbered as in ``among``.
    """
    each, n = EDGE * EDGE, len(among)
    truth = torch.empty(count, each, dtype=torch.int64)
    for row in truth:
        pair, anywhere = torch.randperm(n, generator=generator)[:2], torch.randperm(each, generator=generator) % 2
        row[:] = pair[torch.arange(each) % EDGE // (EDGE // 2) if halves else anywhere]
    of = torch.tensor(among)[truth]
    feats = vectors[of] + 0.25 * torch.randn(count, each, CHANNELS, generator=generator)
    inputs = feats.transpose(1, 2).reshape(count, CHANNELS, EDGE, EDGE)
    tags = torch.zeros(count, n, dtype=torch.bool).scatter_(1, truth, True)
    sample, rows = torch.arange(count).repeat_interleave(each), count * each
    nothing = torch.full((rows,), IGNORE)
    batch = Batch(inputs, sample, torch.zeros(rows, 2), torch.zeros(rows, 3), nothing, ("",) * count, tags=tags)
    return batch, truth.flatten()


def train(
    method: Method,
    vectors: Tensor,
    among: list[int],
    seed: int,
    halves: bool = False,
    steps: int = 120,
) -> None:
    """Train on new pictures at each step."""
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    optimizer = torch.optim.Adam([p for g in method.players()["main"] for p in g.parameters], lr=3e-3)
    method.train()
    for step in range(steps):
        optimizer.zero_grad()
        batch, _ = batch_of(vectors, among, generator, halves=halves)
        torch.stack(list(method.losses(batch, step / steps).values())).sum().backward()
        optimizer.step()
        method.after_step(step)
    method.eval()
