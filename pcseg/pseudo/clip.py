"""CLIP: a frozen image encoder and a text encoder with directions in common, from a file of published weights."""

from __future__ import annotations

import os
import re
from collections import OrderedDict

import torch
from torch import Tensor, nn

from pcseg.errors import InputError
from pcseg.networks.pretrained import plain_names, read_weights
from pcseg.nn.directions import directions

HEAD = 64
"""Channels of an attention head in all published models."""

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""Of the colors, from 0 to 1, that it was trained with."""

UNUSED = ("input_resolution", "context_length", "vocab_size")
"""Numbers among the weights of OpenAI's files."""


class CLIP(nn.Module):
    """CLIP with a vision transformer (Radford et al., arXiv 2103.00020); names of weights are those of OpenAI's files.

    Images: ``visual.conv1``, ``visual.class_embedding``, ``visual.transformer.resblocks.<i>.attn.in_proj_weight``, ...,
    ``visual.proj``; text: ``token_embedding``, ``transformer.resblocks.<i>...``, ``text_projection``. ``side`` in
    pixels is that of the square pictures it sees.
    """

    def __init__(
        self,
        width: int,
        depth: int,
        patch: int,
        grid: int,
        text: int,
        text_depth: int,
        words: int,
        length: int,
        out: int,
    ) -> None:
        super().__init__()
        self.side, self.length = patch * grid, length
        self.visual = _Visual(width, depth, patch, grid, out)
        self.transformer = _Transformer(text, text_depth)
        self.token_embedding = nn.Embedding(words, text)
        self.positional_embedding = nn.Parameter(torch.zeros(length, text))
        self.ln_final = nn.LayerNorm(text)
        self.text_projection = nn.Parameter(torch.zeros(text, out))
        self.logit_scale = nn.Parameter(torch.zeros(()))

    def encode_image(self, images: Tensor) -> Tensor:
        """Return a direction (B, T) for each of images (B, 3, side, side), less MEAN and divided by STD."""
        return directions(self.visual(images))

    def encode_text(self, tokens: Tensor) -> Tensor:
        """Return a direction (n, T) for each text of ``tokens`` (n, L), which ends at its largest number."""
        count = tokens.shape[1]
        later = torch.full((count, count), -torch.inf, device=tokens.device).triu(1)
        seen = self.token_embedding(tokens) + self.positional_embedding[:count]
        seen = self.ln_final(self.transformer(seen, later))
        last = seen[torch.arange(len(tokens), device=tokens.device), tokens.argmax(dim=1)]
        return directions(last @ self.text_projection)


class _Visual(nn.Module):
    def __init__(self, width: int, depth: int, patch: int, grid: int, out: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, patch, patch, bias=False)
        self.class_embedding = nn.Parameter(torch.zeros(width))
        self.positional_embedding = nn.Parameter(torch.zeros(grid**2 + 1, width))
        self.ln_pre, self.ln_post = nn.LayerNorm(width), nn.LayerNorm(width)
        self.transformer = _Transformer(width, depth)
        self.proj = nn.Parameter(torch.zeros(width, out))

    def forward(self, images: Tensor) -> Tensor:
        patches = self.conv1(images).flatten(2).transpose(1, 2)
        first = self.class_embedding.expand(len(patches), 1, -1)
        seen = self.ln_pre(torch.cat([first, patches], dim=1) + self.positional_embedding)
        found: Tensor = self.ln_post(self.transformer(seen)[:, 0]) @ self.proj
        return found


class _Transformer(nn.Module):
    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(_Block(width) for _ in range(depth))

    def forward(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        for block in self.resblocks:
            tokens = block(tokens, mask)
        return tokens


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(width, width // HEAD, batch_first=True)
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        layers = {"c_fc": nn.Linear(width, 4 * width), "gelu": _QuickGELU(), "c_proj": nn.Linear(4 * width, width)}
        self.mlp = nn.Sequential(OrderedDict(layers))

    def forward(self, tokens: Tensor, mask: Tensor | None) -> Tensor:
        seen = self.ln_1(tokens)
        tokens = tokens + self.attn(seen, seen, seen, need_weights=False, attn_mask=mask)[0]
        found: Tensor = tokens + self.mlp(self.ln_2(tokens))
        return found


class _QuickGELU(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(1.702 * x)


def load_clip(path: str | os.PathLike[str]) -> CLIP:
    """Return the frozen CLIP of a file of weights (.pt, .pth, .safetensors) with the names of OpenAI's; it tells sizes.

    No code in the file is run: OpenAI's own .pt files are programs, not weights; save their ``state_dict()`` first.
    Weights of half precision become float32. Raises InputError for a file of another model, such as one with a ResNet.
    """
    found = {name: value.float() for name, value in plain_names(read_weights(path)).items() if name not in UNUSED}
    images, words_of = (
        ("conv1.weight", "positional_embedding", "proj"),
        ("token_embedding.weight", "positional_embedding"),
    )
    needed = [*(f"visual.{name}" for name in images), *words_of]
    missing = next((name for name in needed if name not in found), None)
    if missing is not None:
        raise InputError(f"{path}: has no {missing}; give the weights of a CLIP with a ViT, with OpenAI's names")
    kernel, grid = found["visual.conv1.weight"], round((len(found["visual.positional_embedding"]) - 1) ** 0.5)
    (words, text), (length, _), out = (
        found["token_embedding.weight"].shape,
        found["positional_embedding"].shape,
        found["visual.proj"].shape[1],
    )
    if kernel.ndim != 4 or kernel.shape[0] % HEAD or text % HEAD:
        raise InputError(f"{path}: widths {kernel.shape[0]} and {text} are no multiples of {HEAD}; give another file")
    depths = [_depth(found, prefix) for prefix in ("visual.", "")]
    network = CLIP(kernel.shape[0], depths[0], kernel.shape[2], grid, text, depths[1], words, length, out)
    try:
        network.load_state_dict(found)
    except RuntimeError as error:
        first = next((line.strip() for line in str(error).splitlines()[1:]), "")
        raise InputError(f"{path}: its weights do not fit a CLIP ({first}); give another file") from error
    return network.eval().requires_grad_(False)


def _depth(found: dict[str, Tensor], prefix: str) -> int:
    """Return how many blocks the transformer has whose weights begin with ``prefix``."""
    numbers = (re.match(rf"{re.escape(prefix)}transformer\.resblocks\.(\d+)\.", name) for name in found)
    return 1 + max((int(match[1]) for match in numbers if match), default=-1)
