"""The labeled frames of a scene as views: what lifting labels to its points takes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from pcseg.errors import InputError
from pcseg.formats.frames import Frames
from pcseg.pseudo.camera import Camera
from pcseg.pseudo.lift import View


class LabelPictures(Protocol):
    """Pictures of labels by the names of their frames: those of :class:`pcseg.datasets.soft_frames.SoftFrames`."""

    @property
    def folder(self) -> Path: ...

    @property
    def files(self) -> Mapping[str, Path]:
        """Where each comes from, in order."""

    def read(self, name: str) -> np.ndarray:
        """Return labels (H, W), IGNORE where unknown, or probabilities (H, W, K)."""


@dataclass(frozen=True)
class PredictedPictures:
    """The labels that ``predict`` gives the color pictures of ``frames``: (H, W, 3) uint8 to probabilities (H, W, K),
    or to features.

    Raises InputError if no frame has a color picture.
    """

    frames: Frames
    predict: Callable[[np.ndarray], np.ndarray]

    @property
    def folder(self) -> Path:
        return self.frames.path

    @cached_property
    def files(self) -> dict[str, Path]:
        found = [name for name in self.frames.names if self.frames.frame(name).read_color is not None]
        if not found:
            raise InputError(f"{self.folder}: no color picture in it; a network labels those in color/<i>.jpg")
        return {name: self.folder / name for name in found}

    def read(self, name: str) -> np.ndarray:
        color = self.frames.frame(name).color
        assert color is not None
        return self.predict(color)


@dataclass
class FrameViews:
    """Views of ``frames`` with ``labels``, each ``every``-th, decoded one at a time.

    ``lost``: how many were skipped, since tracking was lost there; ``without_depth``: how many have no depth picture,
    so that what is seen is told by the points; ``digest``: hash of all that was given out. They tell of the frames
    taken so far. Raises InputError if there is no label picture, and for one that belongs to no frame.
    """

    frames: Frames
    labels: LabelPictures
    every: int = 1
    lost: int = 0
    without_depth: int = 0
    digest: Any = field(default_factory=hashlib.sha256)

    def __post_init__(self) -> None:
        if self.every < 1:
            raise InputError(f"every={self.every}: give 1 or more")
        if not self.labels.files:
            raise InputError(f"{self.labels.folder}: no label picture in it; give the folder of <i>.png or <i>.npy")
        known = set(self.frames.names)
        for name, path in self.labels.files.items():
            if name not in known:
                raise InputError(f"{path}: no frame {name} in {self.frames.path}; name it as its frame, or remove it")

    @property
    def names(self) -> list[str]:
        """The names of the frames that are taken."""
        return list(self.labels.files)[:: self.every]

    def __iter__(self) -> Iterator[View]:
        for name in self.names:
            frame = self.frames.frame(name)
            if not frame.tracked:
                self.lost += 1
                continue
            labels = self.labels.read(name)
            size = (labels.shape[0], labels.shape[1])
            camera = Camera(frame.intrinsic(size, str(self.labels.files[name])), frame.pose, size)
            depth, intrinsic = frame.depth, frame.depth_intrinsic
            depth_camera = None
            if depth is None or intrinsic is None:
                self.without_depth += 1
            else:
                depth_camera = Camera(intrinsic, frame.pose, (depth.shape[0], depth.shape[1]))
            for array in (camera.intrinsic, camera.pose, labels, intrinsic, depth):
                self.digest.update(b"" if array is None else np.ascontiguousarray(array).tobytes())
            yield View(camera, labels, depth, depth_camera)
