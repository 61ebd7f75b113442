"""What the encoder of a network of pictures sees, as columns of pixels that a forest can learn from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from pcseg.engine.evaluating import evaluating
from pcseg.model.inputs import ImageInputs
from pcseg.model.model import Model
from pcseg.networks.protocol import check_levels
from pcseg.pseudo.lifted_features import Basis
from pcseg.pseudo.picture_features import fitting
from pcseg.scenes.scene import read_scene

SIDE = 240
"""Pixels of the shorter side of a picture as the encoder sees it, about: encoders of ImageNet have learned such."""

FINEST = (4, 8)
"""Strides of the levels that are seen, beside the coarsest."""

FITTED = 64
"""Pictures, evenly among all, to whose features the principal components are fitted."""

_STEP = 32
"""Sides are multiples of it, the coarsest stride of encoders."""


class EncoderColumns:
    """The first ``components`` of the features of each level that the encoder of ``model`` sees, resized to the pixels.

    Levels are those of strides FINEST and the coarsest; their principal components are fitted to pictures in
    ``folders``. The network must not change meanwhile. Raises InputError for a network without levels.
    """

    def __init__(self, model: Model, components: int, folders: Sequence[Path]) -> None:
        check_levels("labels spread over pictures", model.network)
        assert isinstance(model.inputs, ImageInputs)
        network: Any = model.network
        self._network, self._inputs = network, model.inputs
        strides: tuple[int, ...] = network.strides
        self._chosen = [i for i, stride in enumerate(strides) if stride in FINEST or i == len(strides) - 1]
        chosen = folders[:: max(1, len(folders) // FITTED)]
        seen = [self._levels(read_scene(folder, model.classes, with_labels=False).image) for folder in chosen]
        self._bases = [
            Basis.fit(maps, min(components, maps[0].shape[-1])) for maps in map(list, zip(*seen, strict=True))
        ]

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Return the columns (H * W, D) float32 of a picture (H, W, 3) uint8, row by row."""
        found = []
        for basis, level in zip(self._bases, self._levels(image), strict=True):
            parts = torch.from_numpy(basis(level)).permute(2, 0, 1)[None]
            resized = F.interpolate(parts, image.shape[:2], mode="bilinear", align_corners=False)
            found.append(resized[0].flatten(1).T)
        return torch.cat(found, dim=1).numpy()

    def _levels(self, image: np.ndarray) -> list[np.ndarray]:
        """Return features (h, w, C) of a picture, level by level."""
        height, width = fitting(image.shape[:2], min(SIDE, *image.shape[:2]), _STEP)
        small = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
        colors = (np.asarray(small, dtype=np.float32) / 255 - self._inputs.mean) / self._inputs.std
        given = torch.from_numpy(colors.astype(np.float32).transpose(2, 0, 1).copy())[None]
        with evaluating(self._network):
            levels = self._network.encode(given.to(next(self._network.parameters()).device))
            return [levels[i][0].permute(1, 2, 0).float().cpu().numpy() for i in self._chosen]
