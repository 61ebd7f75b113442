"""A frozen vision transformer that reads published weights, such as DINOv2's, and gives features of patches."""

from __future__ import annotations

import os
import re

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pcseg.errors import InputError
from pcseg.networks.pretrained import plain_names, read_weights

HEAD = 64
"""Channels of an attention head in all published models."""

EPSILON = 1e-6
"""That of the layer norms."""

UNUSED = ("mask_token", "head.", "norm_pre.", "fc_norm.")
"""Weights that play no part in the features of patches; their names begin so."""


class ViT(nn.Module):
    """A vision transformer (Dosovitskiy et al., arXiv 2010.11929) in the form of DINOv2 (Oquab et al., 2304.07193).

    Names of weights are DINOv2's, and timm's: ``patch_embed.proj``, ``cls_token``, ``pos_embed``, ``blocks.<i>.norm1``,
    ``attn.qkv``, ``attn.proj``, ``ls1.gamma``, ... With ``registers`` (Darcet et al., arXiv 2309.16588); with
    ``scales``: layer scale. ``places``: side of the grid that ``pos_embed`` is of, resized for other grids.
    """

    def __init__(
        self, width: int, depth: int, patch: int, places: int, hidden: int, registers: int = 0, scales: bool = True
    ) -> None:
        super().__init__()
        self.patch, self.width, self.places, self.registers = patch, width, places, registers
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, width, patch, patch)})
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + places**2, width))
        if registers:
            self.register_tokens = nn.Parameter(torch.zeros(1, registers, width))
        self.blocks = nn.ModuleList(_Block(width, hidden, scales) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=EPSILON)

    def forward(self, images: Tensor) -> Tensor:
        """Return the features (B, C, H / patch, W / patch) of pictures (B, 3, H, W), less what ImageNet's mean and
        divided by its deviation.
        """
        patches = self.patch_embed["proj"](images)
        batch, _, height, width = patches.shape
        tokens = patches.flatten(2).transpose(1, 2) + self._positions(height, width)
        first = (self.cls_token + self.pos_embed[:, :1]).expand(batch, -1, -1)
        more = [self.register_tokens.expand(batch, -1, -1)] if self.registers else []
        tokens = torch.cat([first, *more, tokens], dim=1)
        for block in self.blocks:
            tokens = block(tokens)
        tokens = self.norm(tokens)[:, 1 + self.registers :]
        return tokens.transpose(1, 2).reshape(batch, self.width, height, width)

    def _positions(self, height: int, width: int) -> Tensor:
        """Return the embeddings (1, height * width, C) of the places of patches."""
        grid = self.pos_embed[:, 1:]
        if (height, width) == (self.places, self.places):
            return grid
        grid = grid.transpose(1, 2).reshape(1, self.width, self.places, self.places)
        return F.interpolate(grid, (height, width), mode="bicubic").flatten(2).transpose(1, 2)


class _Block(nn.Module):
    def __init__(self, width: int, hidden: int, scales: bool) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=EPSILON), nn.LayerNorm(width, eps=EPSILON)
        self.attn = nn.ModuleDict({"qkv": nn.Linear(width, 3 * width), "proj": nn.Linear(width, width)})
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, hidden), "fc2": nn.Linear(hidden, width)})
        self.ls1, self.ls2 = (_Scale(width) if scales else nn.Identity() for _ in range(2))

    def forward(self, tokens: Tensor) -> Tensor:
        batch, count, width = tokens.shape
        split = self.attn["qkv"](self.norm1(tokens)).reshape(batch, count, 3, width // HEAD, HEAD)
        found = F.scaled_dot_product_attention(*split.permute(2, 0, 3, 1, 4)).transpose(1, 2)
        tokens = tokens + self.ls1(self.attn["proj"](found.reshape(batch, count, width)))
        return tokens + self.ls2(self.mlp["fc2"](F.gelu(self.mlp["fc1"](self.norm2(tokens)))))


class _Scale(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens * self.gamma


def load_vit(path: str | os.PathLike[str]) -> ViT:
    """Return the frozen ViT of a file of weights (.pth, .pt, .safetensors) with DINOv2's names; it tells the sizes.

    No code in the file is run. Raises InputError for a file of another network, or of a ViT of another form (of
    SwiGLU, as DINOv2's giant).
    """
    found = {name: value for name, value in plain_names(read_weights(path)).items() if not name.startswith(UNUSED)}
    depth = 1 + max((int(match[1]) for name in found if (match := re.match(r"blocks\.(\d+)\.", name))), default=-1)
    needed = ("patch_embed.proj.weight", "pos_embed", "cls_token", "blocks.0.mlp.fc1.weight", "norm.weight")
    missing = next((name for name in needed if name not in found), None)
    if missing is not None:
        raise InputError(f"{path}: has no {missing}; give the weights of a ViT with the names of DINOv2's")
    kernel, places = found["patch_embed.proj.weight"], found["pos_embed"]
    registers = found["register_tokens"].shape[1] if "register_tokens" in found else 0
    side = round((places.shape[1] - 1) ** 0.5)
    if kernel.ndim != 4 or kernel.shape[0] % HEAD or side**2 + 1 != places.shape[1]:
        raise InputError(
            f"{path}: {tuple(kernel.shape)} patches at {places.shape[1] - 1} places are no ViT's; give one"
        )
    hidden, scales = found["blocks.0.mlp.fc1.weight"].shape[0], "blocks.0.ls1.gamma" in found
    network = ViT(kernel.shape[0], depth, kernel.shape[2], side, hidden, registers, scales)
    try:
        network.load_state_dict(found)
    except RuntimeError as error:
        first = next((line.strip() for line in str(error).splitlines()[1:]), "")
        raise InputError(
            f"{path}: its weights do not fit a ViT of DINOv2's form ({first}); give another file"
        ) from error
    return network.eval().requires_grad_(False)
