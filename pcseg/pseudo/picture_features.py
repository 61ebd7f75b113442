"""Frozen networks that give features of pictures: a ViT's file of weights, or an .onnx file (pcseg[features])."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image

from pcseg.errors import InputError, reason
from pcseg.pseudo.vit import load_vit

MEAN, STD = np.array([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]], dtype=np.float32)
"""Of the colors of ImageNet, from 0 to 1, which all published ViTs were trained with."""

PATCHES = (14, 16, 8, 32)
"""Sides of patches in pixels that are tried to tell the grid of an ONNX file's tokens."""

_MOST_EXTRA = 17
"""Tokens beside those of patches: of the class, and registers."""


class PictureFeatures(Protocol):
    """Any function from a picture (H, W, 3) uint8 to features (h, w, C) float32 on a grid over the whole of it."""

    def __call__(self, color: np.ndarray) -> np.ndarray: ...


def open_features(path: str | os.PathLike[str], side: int, layer: str | None = None) -> PictureFeatures:
    """Return the frozen network in a file; it sees pictures whose shorter side is ``side`` pixels.

    An .onnx file of fixed size is shown pictures of that size; ``layer`` is the name of a tensor in it to be taken in
    place of its first output. Raises InputError for a file that is neither of both, and where onnxruntime is missing.
    """
    if Path(path).suffix.lower() == ".onnx":
        return OnnxFeatures(path, side, layer)
    if layer is not None:
        raise InputError(f"layer={layer}: is for .onnx files; leave it out for {path}")
    return VitFeatures(path, side)


class VitFeatures:
    """The features of the last block of a ViT (:func:`pcseg.pseudo.vit.load_vit`)."""

    def __init__(self, path: str | os.PathLike[str], side: int) -> None:
        self._network = load_vit(path)
        if side < self._network.patch:
            raise InputError(f"side={side}: is below the patches of {self._network.patch} pixels; give more")
        self._side = side

    def __call__(self, color: np.ndarray) -> np.ndarray:
        height, width = fitting(color.shape[:2], self._side, self._network.patch)
        with torch.inference_mode():
            found = self._network(torch.from_numpy(prepared(color, (height, width))))
        return found[0].permute(1, 2, 0).numpy()


class OnnxFeatures:
    """The first output of an ONNX file, or the tensor ``layer`` in it: a map (1, C, h, w) or tokens (1, T, C)."""

    def __init__(self, path: str | os.PathLike[str], side: int, layer: str | None = None) -> None:
        try:
            import onnxruntime  # optional
        except ImportError as error:
            raise InputError(f"{path}: reading .onnx needs onnxruntime; pip install pcseg[features]") from error
        if not Path(path).is_file():
            raise InputError(f"{path}: no such file; give an .onnx file, or the weights of a ViT")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        try:
            model = Path(path).read_bytes() + (b"" if layer is None else _output(layer))
            self._session: Any = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's own kinds, none of which it promises
            named = "" if layer is None else f", or has no tensor {layer}"
            raise InputError(f"{path}: is no model that onnxruntime runs{named} ({reason(error)})") from error
        self._path, self._side = path, side
        self._name = layer or self._session.get_outputs()[0].name

    def __call__(self, color: np.ndarray) -> np.ndarray:
        given = self._session.get_inputs()[0]
        fixed = [side for side in given.shape[2:] if isinstance(side, int)]
        size = (fixed[0], fixed[1]) if len(fixed) == 2 else fitting(color.shape[:2], self._side, PATCHES[0])
        (found,) = self._session.run([self._name], {given.name: prepared(color, size)})
        if found.ndim == 4:
            return np.ascontiguousarray(found[0].transpose(1, 2, 0), dtype=np.float32)
        grid = token_grid(size, found.shape[1]) if found.ndim == 3 else None
        if grid is None:
            raise InputError(
                f"{self._path}: {self._name} is {found.shape}; choose a layer of (1, C, h, w), or of tokens (1, T, C)"
            )
        return found[0, -grid[0] * grid[1] :].reshape(*grid, -1).astype(np.float32)


def prepared(color: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return ``color`` (H, W, 3) uint8 resized to ``size``, less MEAN and divided by STD, as (1, 3, h, w) float32."""
    small = Image.fromarray(color).resize(size[::-1], Image.Resampling.BICUBIC)
    values = (np.asarray(small, dtype=np.float32) / 255 - MEAN) / STD
    return np.ascontiguousarray(values.transpose(2, 0, 1)[None])


def fitting(shape: tuple[int, ...], side: int, patch: int) -> tuple[int, int]:
    """Return rows and columns, multiples of ``patch``, of a picture whose shorter side is about ``side``."""
    scale = side / min(shape)
    height, width = (max(patch, round(length * scale / patch) * patch) for length in shape)
    return height, width


def token_grid(size: tuple[int, int], tokens: int) -> tuple[int, int] | None:
    """Return rows and columns of the patches of a picture of ``size`` that ``tokens`` stand for; None for none."""
    for patch in PATCHES:
        rows, columns = size[0] // patch, size[1] // patch
        if rows * columns and 0 <= tokens - rows * columns <= _MOST_EXTRA:
            return rows, columns
    return None


def _output(name: str) -> bytes:
    """Return what makes a tensor of a model an output when appended to its file.

    In protocol buffers a message that is written twice is merged: this is field 7 of the model, its graph, of one
    field 12, an output, whose field 1 is its name (onnx.proto).
    """
    inner = b""
    for field, text in ((1, name.encode()), (12, b""), (7, b"")):
        text = text or inner
        inner = bytes([field << 3 | 2]) + _varint(len(text)) + text
    return inner


def _varint(number: int) -> bytes:
    found = []
    while number >= 128:
        found.append(number % 128 + 128)
        number //= 128
    return bytes([*found, number])
