"""Check a source and an index of any shape, and bring them to rows and one segment number per row.

All of this package is written in the part of Python that torch.jit.script compiles. Shapes: ``src`` (B, E, K), where B
and K stand for all dimensions before and after ``dim``, counted from 0; N is the size of the result along ``dim``.
"""

import torch
from torch import Tensor

from pcseg.errors import InputError


def place_dim(dim: int, src: Tensor) -> int:
    """Return ``dim``, which may count from the end, as counted from 0; raises InputError where there is none such."""
    dims = src.dim()
    if dim < -dims or dim >= dims:
        raise InputError(f"dim={dim}: src has {dims} dimensions; give {-dims} to {dims - 1}")
    return dim + dims if dim < 0 else dim


def resized(src: Tensor, dim: int, size: int) -> list[int]:
    """Return the shape of ``src`` with ``size`` along ``dim``."""
    sizes = list(src.size())
    sizes[dim] = size
    return sizes


def check_index(index: Tensor, src: Tensor) -> None:
    """Raise InputError unless ``index`` is int64, on the device of ``src``, and of no more dimensions."""
    if index.dtype != torch.int64:
        raise InputError(f"index: {index.dtype} given; give torch.int64")
    if index.device != src.device:
        raise InputError(f"index: on {index.device}, but src on {src.device}; move one to the other's device")
    if index.dim() == 0 or index.dim() > src.dim():
        raise InputError(f"index: has {index.dim()} dimensions, src {src.dim()}; give 1 or more, no more than src has")


def check_out(out: Tensor | None, src: Tensor, dim: int) -> None:
    """Raise InputError unless ``out`` has the type, the device and, but for ``dim``, the shape of ``src``."""
    if out is None:
        return
    if out.dtype != src.dtype or out.device != src.device:
        raise InputError(f"out: {out.dtype} on {out.device} given; give the type and device of src")
    if out.dim() != src.dim() or resized(out, dim, 0) != resized(src, dim, 0):
        raise InputError(
            f"out: shape {list(out.size())} given; give that of src, {list(src.size())}, but for dim {dim}"
        )


def align(index: Tensor, shape: list[int], dim: int) -> Tensor:
    """Return ``index`` with the dimensions of ``shape``, of size 1 where it is the same for all, but for ``dim``.

    An index of one dimension runs along ``dim``; one of several begins at the first dimension.
    """
    if index.dim() == 1:
        index = index.reshape([1] * dim + [index.size(0)])
    for _ in range(len(shape) - index.dim()):
        index = index.unsqueeze(-1)
    for i in range(len(shape)):
        if index.size(i) != 1 and index.size(i) != shape[i]:
            raise InputError(f"index: size {index.size(i)} in dimension {i}; give {shape[i]}, that of src, or 1")
        if i != dim and index.size(i) > 1 and index.stride(i) == 0:
            index = index.narrow(i, 0, 1)  # was expanded
    return index.expand(resized(index, dim, shape[dim]))


def can_be_read(index: Tensor) -> bool:
    """Return whether values may be looked at: not on a GPU, which would have to be waited for, nor in torch.compile."""
    return index.is_cpu and (torch.jit.is_scripting() or not torch.compiler.is_compiling())


def measure(index: Tensor, dim: int, out: Tensor | None, dim_size: int | None, read: bool = True) -> int:
    """Return N: that of ``out``, or ``dim_size``, or the greatest of ``index`` plus 1.

    Raises InputError where ``index`` can be read and is not within [0, N). A GPU's own checks end the program then.
    Without ``read`` a given N is not compared with the index.
    """
    size = out.size(dim) if out is not None else dim_size
    if size is not None:
        if size < 0:
            raise InputError(f"dim_size={size}: give the size of the result, 0 or more")
        if not read or not can_be_read(index):
            return size
    if index.numel() == 0:
        return 0 if size is None else size
    if size is None and not index.is_cpu:
        return int(index.max()) + 1
    low, high = torch.aminmax(index)
    if int(low) < 0:
        raise InputError(f"index: holds {int(low)}; give 0 or more")
    if size is None:
        return int(high) + 1
    if int(high) >= size:
        raise InputError(f"index: holds {int(high)}, but there are {size} places along dim {dim}; give less")
    return size


def prepare(
    src: Tensor, index: Tensor, dim: int, out: Tensor | None, dim_size: int | None, read: bool = True
) -> tuple[int, Tensor, int]:
    """Return ``dim`` counted from 0, the aligned index, and the size of the result along ``dim``: see ``measure``."""
    check_index(index, src)
    dim = place_dim(dim, src)
    check_out(out, src, dim)
    index = align(index, list(src.size()), dim)
    return dim, index, measure(index, dim, out, dim_size, read)


def number_rows(index: Tensor, shape: list[int], dim: int, size: int) -> tuple[Tensor, int, int]:
    """Return the segment (R,) of each row of a source of ``shape``, the number of segments, and the length C of a row.

    ``index``: from ``align``. Where it is the same for all that follows ``dim``, a row holds all K of these: R = B * E,
    B * N segments and C = K; else R = B * E * K, B * N * K segments and C = 1.
    """
    before, after, shared = 1, 1, True
    for i in range(dim):
        before = before * shape[i]
    for i in range(dim + 1, len(shape)):
        after = after * shape[i]
        shared = shared and index.size(i) == 1
    inner, channels = (1, after) if shared else (after, 1)
    rest = [1 if shared else n for n in shape[dim + 1 :]]
    segment = index.expand(shape[: dim + 1] + rest).reshape([before, shape[dim], inner])
    if before > 1:
        segment = segment + size * torch.arange(before, device=index.device).reshape([before, 1, 1])
    if inner > 1:
        segment = segment * inner + torch.arange(inner, device=index.device)
    return segment.reshape([before * shape[dim] * inner]), before * size * inner, channels


def make_rows(src: Tensor, index: Tensor, dim: int, size: int) -> tuple[Tensor, Tensor, int]:
    """Return the rows (R, C) of ``src``, the segment (R,) of each, and the number of segments; see ``number_rows``."""
    segment, count, channels = number_rows(index, list(src.size()), dim, size)
    return src.reshape([segment.size(0), channels]), segment, count
