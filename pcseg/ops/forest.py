"""Extremely randomized trees: grow a forest from labeled rows, and ask it for the classes of others."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from pcseg.errors import InputError
from pcseg.ops import _native as native
from pcseg.ops._forest_reference import ask_reference, grow_reference


class Trees(NamedTuple):
    """T trees of M nodes in all, on the CPU; the first node of each is its root."""

    starts: Tensor
    """(T + 1,) int64: the first node of each tree, and M."""
    feature: Tensor
    """(M,) int32: the column that a node looks at, -1 at a leaf."""
    threshold: Tensor
    """(M,) float32: rows go to the first child up to this value, to the second above it."""
    children: Tensor
    """(M, 2) int32: both, counted from the root."""
    share: Tensor
    """(M,) int32, at leaves: the class k < K of all its examples, or K + i for row i of ``mixed``."""
    mixed: Tensor
    """(L, K) float32: shares of the classes at a leaf."""


def grow_forest(
    values: Tensor, label: Tensor, n_classes: int, trees: int = 100, seed: int = 0, tried: int | None = None
) -> Trees:
    """Return ``trees`` trees that tell the classes ``label`` (n,) int64 of rows ``values`` (n, D) float32 apart.

    At each node one cut of each of ``tried`` columns is drawn between its lowest and its highest value there, and the
    one that leaves the least Gini impurity is taken, until rows have one class or no column tells them apart. The
    columns are drawn among those that are not constant there; None, or more than there are: all are tried (Geurts,
    Ernst and Wehenkel, "Extremely randomized trees", Machine Learning 2006, with K = ``tried`` and n_min = 2). The same
    bits for a ``seed``, with and without the library. Runs on the CPU, without a gradient. Raises InputError for no
    row, values that are not finite, labels beyond ``n_classes``, and no tree or column to try.
    """
    _check(("values", values, torch.float32), ("label", label, torch.int64))
    if values.dim() != 2 or not len(values) or not values.shape[1] or label.shape != values.shape[:1]:
        raise InputError(f"values: {tuple(values.shape)}, label: {tuple(label.shape)}; give (n, D) and (n,), 1 or more")
    if not bool(values.isfinite().all()):
        raise InputError("values: some are NaN or infinite; remove those rows")
    if not 0 <= int(label.min()) <= int(label.max()) < n_classes:
        raise InputError(f"label: from {int(label.min())} to {int(label.max())}; there are {n_classes} classes")
    tried = values.shape[1] if tried is None else tried
    if trees < 1 or tried < 1:
        raise InputError(f"trees={trees}, tried={tried}: give 1 or more of each")
    if len(values) >= 2**30 or n_classes + trees * (len(values) // 2) >= 2**31:
        raise InputError(f"values: {len(values)} rows are too many for {trees} trees; give fewer")
    return Trees(*torch.ops.pcseg.grow_forest(values, label, n_classes, trees, tried, seed))


def ask_forest(values: Tensor, trees: Trees) -> Tensor:
    """Return the mean (N, K) float32 over the trees of the shares at the leaf that each row (N, D) float32 comes to.

    Runs on the CPU, without a gradient. Raises InputError for trees that do not fit each other or the columns, and for
    a node whose children do not come after it.
    """
    kinds = (torch.int64, torch.int32, torch.float32, torch.int32, torch.int32, torch.float32)
    _check(("values", values, torch.float32), *zip(Trees._fields, trees, kinds, strict=True))
    if values.dim() != 2 or not values.shape[1]:
        raise InputError(f"values: {tuple(values.shape)} given; give (N, D) of one column or more")
    _check_trees(trees, values.shape[1])
    return torch.ops.pcseg.ask_forest(values, *trees)


def _check(*given: tuple[str, Tensor, torch.dtype]) -> None:
    for name, value, kind in given:
        if value.dtype != kind or value.device.type != "cpu":
            raise InputError(f"{name}: {value.dtype} on {value.device} given; give {kind} on the CPU")


def _check_trees(trees: Trees, columns: int) -> None:
    starts, feature, _, children, share, mixed = trees
    sizes, nodes = starts.diff(), len(feature)
    if len(starts) < 2 or int(starts[0]) != 0 or int(starts[-1]) != nodes or not bool((sizes > 0).all()):
        raise InputError(
            f"trees: starts do not fit {nodes} nodes; give from 0 on where each tree of one or more begins"
        )
    lists = (starts, feature, trees.threshold, share)
    if any(each.dim() != 1 for each in lists) or mixed.dim() != 2 or children.shape != (nodes, 2):
        raise InputError("trees: starts, features, thresholds and shares are lists, children (M, 2), mixed (L, K)")
    if not len(trees.threshold) == len(share) == nodes:
        raise InputError(f"trees: thresholds, children and shares do not fit {nodes} nodes")
    own = torch.arange(nodes) - starts[:-1].repeat_interleave(sizes)
    inner, size = feature >= 0, sizes.repeat_interleave(sizes)
    ends = children[inner]
    if not bool(((ends > own[inner, None]) & (ends < size[inner, None])).all()):
        raise InputError("trees: some children do not come after their node in the same tree")
    if nodes and int(feature.max()) >= columns:
        raise InputError(f"trees: a node looks at column {int(feature.max())}; there are {columns}")
    leaf = share[~inner]
    if not bool(((leaf >= 0) & (leaf < mixed.shape[1] + len(mixed))).all()):
        raise InputError("trees: some leaves have a share that is not there")


def _grow_cpu(values: Tensor, label: Tensor, n_classes: int, trees: int, tried: int, seed: int) -> tuple[Tensor, ...]:
    n, columns = values.shape
    most = 2 * n - 1
    feature, share = (torch.empty(trees, most, dtype=torch.int32) for _ in range(2))
    threshold, children = torch.empty(trees, most), torch.empty(trees, most, 2, dtype=torch.int32)
    mixed, sizes = torch.empty(trees, n // 2, n_classes), torch.empty(trees, 2, dtype=torch.int64)
    native.call(
        "pcseg_grow_forest", values.contiguous(), label.contiguous(), n, columns, n_classes, trees, tried, seed,
        feature, threshold, children, share, mixed, sizes, torch.get_num_threads(),
    )  # fmt: skip
    before = torch.nn.functional.pad(sizes.cumsum(0), (0, 0, 1, 0))
    for one, offset in zip(share, before[:-1, 1].tolist(), strict=True):
        one[one >= n_classes] += offset
    nodes, leaves = sizes.T.tolist()
    kept = [
        torch.cat([a[:m] for a, m in zip(each, nodes, strict=True)]) for each in (feature, threshold, children, share)
    ]
    return before[:, 0], *kept, torch.cat([a[:m] for a, m in zip(mixed, leaves, strict=True)])


def _grow_fake(values: Tensor, label: Tensor, n_classes: int, trees: int, tried: int, seed: int) -> tuple[Tensor, ...]:
    nodes, leaves = (torch.library.get_ctx().new_dynamic_size() for _ in range(2))
    whole = label.new_empty(nodes, dtype=torch.int32)
    found = (whole, values.new_empty(nodes), whole.new_empty(nodes, 2), torch.empty_like(whole))
    return label.new_empty(trees + 1), *found, values.new_empty(leaves, n_classes)


def _ask_cpu(
    values: Tensor, starts: Tensor, feature: Tensor, threshold: Tensor, children: Tensor, share: Tensor, mixed: Tensor
) -> Tensor:
    out = torch.empty(len(values), mixed.shape[1])
    tensors = [tensor.contiguous() for tensor in (starts, feature, threshold, children, share, mixed)]
    first, *rest = tensors
    native.call(
        "pcseg_ask_forest", values.contiguous(), len(values), values.shape[1], first, len(first) - 1, *rest,
        mixed.shape[1], out, torch.get_num_threads(),
    )  # fmt: skip
    return out


native.define(
    "grow_forest(Tensor values, Tensor label, SymInt n_classes, SymInt trees, SymInt tried, SymInt seed)"
    " -> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)",
    reference=grow_reference,
    fake=_grow_fake,
    cpu=_grow_cpu,
)
native.define(
    "ask_forest(Tensor values, Tensor starts, Tensor feature, Tensor threshold, Tensor children, Tensor share,"
    " Tensor mixed) -> Tensor",
    reference=ask_reference,
    fake=lambda values, starts, feature, threshold, children, share, mixed: values.new_empty(
        values.shape[0], mixed.shape[1]
    ),
    cpu=_ask_cpu,
)
