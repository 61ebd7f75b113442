"""Label the pixels of a picture of any size with a trained network."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from pcseg.engine.evaluating import CPU, evaluating
from pcseg.errors import InputError
from pcseg.exact import softmax
from pcseg.feeding.pictures.window import whole
from pcseg.model.inputs import ImageInputs
from pcseg.model.model import Model
from pcseg.refine import CRF, refine_scene
from pcseg.scenes.arrays import pixel_places
from pcseg.scenes.scene import Scene, read_scene

ZOOMS = (1.0, 0.75, 1.25)
"""Magnifications that votes take in turn."""


@dataclass(frozen=True)
class PicturePredictor:
    """A model ready to label pictures. ``classes`` are the names that its labels index.

    ``votes`` views are averaged (1: the picture as it is; 2: and mirrored; up to 6: magnified by ZOOMS too). A picture
    of more than ``max_pixels``, as the network sees it, is labeled in windows that overlap by ``overlap`` pixels, whose
    probabilities are averaged. ``crf`` refines the mean of all, of the whole picture at full resolution: its time and
    memory grow with the pixels. ``smooth`` is for point clouds and must be 0.
    """

    model: Model
    device: torch.device = CPU
    votes: int = 1
    max_pixels: int = 300_000
    overlap: int = 64
    smooth: float = 0.0
    crf: CRF | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.votes <= 2 * len(ZOOMS):
            raise InputError(f"votes={self.votes}: give 1 to {2 * len(ZOOMS)} for pictures")
        if self.max_pixels < (2 * self.overlap) ** 2:
            raise InputError(f"max_voxels={self.max_pixels}: give {(2 * self.overlap) ** 2} pixels or more")
        if self.smooth:
            raise InputError(f"smooth={self.smooth:g}: is for point clouds; set it to 0")
        if not isinstance(self.model.inputs, ImageInputs):
            raise InputError(f"checkpoint: its network takes {self.model.inputs}; give one that takes pictures")
        self.model.network.to(self.device)

    def __repr__(self) -> str:
        return f"PicturePredictor on {self.device.type}: {self.model}"

    @property
    def classes(self) -> tuple[str, ...]:
        """The name of the class of each label."""
        return self.model.classes.names

    @property
    def _inputs(self) -> ImageInputs:
        assert isinstance(self.model.inputs, ImageInputs)
        return self.model.inputs

    def protocol(self) -> str:
        """Return in words how labels are made."""
        return (
            f"every pixel at full resolution, seen at {self._inputs.scale:g} of it, "
            f"{self.votes} vote{'s' * (self.votes > 1)}, windows of up to {self.max_pixels} pixels"
            + (f", refined by a {self.crf}" if self.crf else "")
        )

    def predict(self, image: np.ndarray, name: str = "the picture") -> tuple[np.ndarray, np.ndarray]:
        """Return the label (H, W) int64 of each pixel of ``image`` (H, W, 3) uint8 and its mean probability (H, W).

        A label is an index into ``classes``. Raises InputError, which begins with ``name``, for another array.
        """
        image = np.asarray(image)
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
            raise InputError(f"{name}: {image.shape} {image.dtype}; give the colors (H, W, 3) uint8 of a picture")
        sure, label = self._mean(image).max(dim=0)
        return label.cpu().numpy(), sure.cpu().numpy()

    def check(self, folder: Path) -> None:
        """Raise InputError for a picture in a folder that cannot be predicted or scored."""
        if read_scene(folder, self.model.classes, with_labels=True).size is None:
            raise InputError(f"{folder}: is a point cloud, but the network takes {self._inputs}; give pictures")

    def read(self, folder: Path, with_labels: bool = True) -> Scene:
        """Return the picture in a folder; raises InputError where it cannot be read."""
        return read_scene(folder, self.model.classes, with_labels=with_labels)

    def predict_scene(self, scene: Scene) -> tuple[np.ndarray, np.ndarray]:
        """Return label (P,) int64 and confidence (P,) float32 of the pixels of a picture, row by row."""
        label, sure = self.predict(scene.image, scene.name)
        return label.reshape(-1), sure.reshape(-1)

    def probabilities(self, scene: Scene) -> np.ndarray:
        """Return the mean probability (P, K) float32 of each class."""
        return self._mean(scene.image).flatten(1).T.contiguous().cpu().numpy()

    def _mean(self, image: np.ndarray) -> Tensor:
        """Return the mean probabilities (K, H, W) of all votes, refined where that is asked for."""
        size = image.shape[:2]
        total = torch.zeros(len(self.classes), *size, device=self.device)
        with evaluating(self.model.network):
            for vote in range(self.votes):
                zoom, flip = ZOOMS[vote // 2], vote % 2 == 1
                seen = whole(size, self._inputs.scale * zoom, flip).colors(image)
                found = self._seen(seen)
                found = found.flip(-1) if flip else found
                if found.shape[1:] != size:
                    found = F.interpolate(found[None], size, mode="bilinear", align_corners=False)[0]
                total += found
        if not torch.isfinite(total).all():
            raise InputError("checkpoint: its network gives scores that are no numbers; it is damaged, use another")
        if self.crf is None:
            return total / self.votes
        scene = Scene(pixel_places(*size), {"color": image.reshape(-1, 3)}, size=size)
        return refine_scene(self.crf, (total / self.votes).flatten(1).T, scene).T.reshape(total.shape)

    def _seen(self, image: Image.Image) -> Tensor:
        """Return the probabilities (K, h, w) of a picture as the network sees it, window by window."""
        mean, std = (torch.tensor(v)[:, None, None] for v in (self._inputs.mean, self._inputs.std))
        colors = torch.from_numpy(np.array(image, dtype=np.float32).transpose(2, 0, 1) / 255)
        inputs = ((colors - mean) / std)[None].to(self.device)
        _, _, height, width = inputs.shape
        total = torch.zeros(len(self.classes), height, width, device=self.device)
        count = torch.zeros(height, width, device=self.device)
        for rows, columns in self._windows(height, width):
            part = inputs[..., rows, columns]
            logits = self.model.network(part.contiguous()).logits.float()
            total[:, rows, columns] += softmax(logits).T.reshape(-1, *part.shape[2:])
            count[rows, columns] += 1
        return total / count

    def _windows(self, height: int, width: int) -> Iterator[tuple[slice, slice]]:
        """Yield rows and columns of the windows that cover a picture."""
        if height * width <= self.max_pixels:
            yield slice(0, height), slice(0, width)
            return
        edge = math.isqrt(self.max_pixels)
        tall = min(height, max(edge, self.max_pixels // width))
        wide = min(width, self.max_pixels // tall)
        for top in _starts(height, tall, self.overlap):
            for left in _starts(width, wide, self.overlap):
                yield slice(top, top + tall), slice(left, left + wide)


def _starts(length: int, window: int, overlap: int) -> list[int]:
    """Return the first pixels of windows that cover ``length`` pixels, neighbors sharing ``overlap`` or more."""
    if window >= length:
        return [0]
    count = 1 + math.ceil((length - window) / (window - overlap))
    return [round(i * (length - window) / (count - 1)) for i in range(count)]
