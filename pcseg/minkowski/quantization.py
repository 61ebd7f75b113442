"""Distinct cells of points, for data loading; hashes of rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor as TorchTensor

from pcseg.errors import InputError
from pcseg.minkowski import geometry
from pcseg.minkowski.types import Sizes


def quantize(coords: Any) -> tuple[Any, Any]:
    """Return the first row of each distinct one of ``coords`` (P, D), ascending, and the number of each row's."""
    rows, number = geometry.unique(torch.as_tensor(coords).int())
    return (rows.numpy(), number.numpy()) if isinstance(coords, np.ndarray) else (rows, number)


def quantize_label(coords: Any, labels: Any, ignore_label: int) -> tuple[Any, Any, Any]:
    """Return :func:`quantize` and the labels of the distinct rows, ``ignore_label`` where those of a cell differ."""
    rows, number = geometry.unique(torch.as_tensor(coords).int())
    given = torch.as_tensor(labels)
    kept = given[rows]
    mixed = torch.zeros(len(rows), dtype=torch.bool).index_put((number[given != kept[number]],), torch.tensor(True))
    kept = kept.masked_fill(mixed, ignore_label)
    if isinstance(coords, np.ndarray):
        return rows.numpy(), number.numpy(), kept.numpy()
    return rows, number, kept


def sparse_quantize(
    coordinates: Any = None, features: Any = None, labels: Any = None, ignore_label: int = -100,
    return_index: bool = False, return_inverse: bool = False, return_maps_only: bool = False,
    quantization_size: Any = None, device: Any = "cpu", *, coords: Any = None, feats: Any = None,
) -> Any:  # fmt: skip
    """Return the distinct cells (M, D) int32 that ``coordinates`` (P, D) lie in, in the order of their first points.

    Behind them come, where given or asked for, the features of these points, the labels (``ignore_label`` where those
    of a cell differ), the index of these points and the cell of each point; with ``return_maps_only`` the last two
    alone. ``quantization_size`` is the side of a cell, or one for each axis. ``coords`` and ``feats`` are old names.
    """
    coordinates = coords if coordinates is None else coordinates
    features = feats if features is None else features
    if not isinstance(coordinates, (np.ndarray, TorchTensor)) or coordinates.ndim != 2:
        raise InputError("coordinates: give an array or tensor (P, D)")
    if return_inverse and not return_index and not return_maps_only:
        raise InputError("return_inverse: set return_index, too")
    for name, values in (("features", features), ("labels", labels)):
        if values is not None and len(values) != len(coordinates):
            raise InputError(f"{name}: {len(values)} rows for {len(coordinates)} coordinates")
    cells = torch.as_tensor(coordinates)
    if quantization_size is not None:
        cells = cells / torch.as_tensor(quantization_size, dtype=_real(cells), device=cells.device)
    cells = (cells.floor() if cells.is_floating_point() else cells).int().to(device)
    rows, number = geometry.unique(cells)
    if return_maps_only:
        return (rows, number) if return_inverse else rows
    numpy = isinstance(coordinates, np.ndarray) and labels is not None
    found: list[Any] = [cells[rows].numpy() if numpy else cells[rows]]
    if features is not None:
        found.append(features[rows.cpu().numpy() if isinstance(features, np.ndarray) else rows.to(features.device)])
    if labels is not None:
        kept = quantize_label(cells.cpu(), torch.as_tensor(labels), ignore_label)[2]
        found.append(kept.numpy() if numpy else kept)
    for wanted, values in ((return_index, rows), (return_inverse, number)):
        if wanted:
            found.append(values.numpy() if numpy else values)
    return found[0] if len(found) == 1 else tuple(found)


def _real(values: TorchTensor) -> torch.dtype:
    return values.dtype if values.is_floating_point() else torch.float64


def unique_coordinate_map(coordinates: TorchTensor, tensor_stride: Sizes = 1) -> tuple[TorchTensor, TorchTensor]:
    """Return the first row of each distinct coordinate and the number of each row's."""
    return geometry.unique(coordinates.int())


def _hash_input(arr: np.ndarray) -> np.ndarray:
    return np.asarray(arr).astype(np.int64)


def fnv_hash_vec(arr: np.ndarray) -> np.ndarray:
    """Return a 64-bit FNV-1a hash of each row of an array (N, D) of whole numbers, (N,) uint64."""
    values = _hash_input(arr).astype(np.uint64)
    out = np.full(len(values), 14695981039346656037, dtype=np.uint64)
    for column in values.T:
        out = (out * np.uint64(1099511628211)) ^ column
    return out


def ravel_hash_vec(arr: np.ndarray) -> np.ndarray:
    """Return one number for each row of an array (N, D) of whole numbers, different for different rows."""
    values = _hash_input(arr)
    values = values - values.min(0)
    extent = values.max(0) + 1
    out = np.zeros(len(values), dtype=np.uint64)
    for column, size in zip(values.T, [*extent[1:], 1], strict=True):
        out = (out + column.astype(np.uint64)) * np.uint64(size)
    return out
