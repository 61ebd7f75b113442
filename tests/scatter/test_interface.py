"""Names, modules, torch.jit.script and torch.compile, errors."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch

import pcseg.scatter as torch_scatter
from pcseg.errors import InputError

REDUCTIONS = ("sum", "add", "mean", "min", "max")
COMPOSITES = ("scatter_softmax", "scatter_log_softmax", "scatter_logsumexp", "scatter_std")
MODULES = {
    "scatter": ["scatter", "scatter_mul", *(f"scatter_{how}" for how in REDUCTIONS)],
    "segment_coo": ["segment_coo", "gather_coo", *(f"segment_{how}_coo" for how in REDUCTIONS)],
    "segment_csr": ["segment_csr", "gather_csr", *(f"segment_{how}_csr" for how in REDUCTIONS)],
    "composite": list(COMPOSITES),
}
SRC = torch.tensor([[1.0, 5.0], [4.0, 2.0], [3.0, 6.0]])
INDEX = torch.tensor([0, 2, 2])
INDPTR = torch.tensor([0, 1, 1, 3])


def test_names() -> None:
    assert set(torch_scatter.__all__) == {"__version__", *(name for names in MODULES.values() for name in names)}
    for module, names in MODULES.items():
        for name in names:
            assert getattr(importlib.import_module(f"pcseg.scatter.{module}"), name) is getattr(torch_scatter, name)
    assert torch_scatter.__version__.startswith("2.")
    for module in ("composite.softmax", "composite.logsumexp", "composite.std", "testing"):
        importlib.import_module(f"pcseg.scatter.{module}")


def test_pcseg_does_not_load_it() -> None:
    code = "import sys, pcseg; sys.exit('torch' in sys.modules or 'pcseg.scatter' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's, of torch.jit.script
@pytest.mark.parametrize("name", [name for names in MODULES.values() for name in names])
def test_script(name: str) -> None:
    function = getattr(torch_scatter, name)
    if name.endswith("csr"):
        arguments: tuple[Any, ...] = (SRC, INDPTR)
    else:
        arguments = (SRC, INDEX) if name.endswith("coo") else (SRC, INDEX, 0)
    found = torch.jit.script(function)(*arguments)
    expected = function(*arguments)
    assert type(found) is type(expected)
    if isinstance(found, torch.Tensor):
        found, expected = (found,), (expected,)
    assert all(map(torch.equal, found, expected))


@pytest.mark.parametrize("how", [*REDUCTIONS, "mul"])
def test_compile(how: str) -> None:
    """One graph, where the size is given."""

    def reduce(src: torch.Tensor, index: torch.Tensor, indptr: torch.Tensor) -> torch.Tensor:
        scattered = torch_scatter.scatter(src, index, 0, dim_size=4, reduce=how)
        return scattered if how == "mul" else scattered[:3] - torch_scatter.segment_csr(src, indptr, None, how)

    compiled = torch.compile(reduce, fullgraph=True, backend="eager")
    assert torch.equal(compiled(SRC, INDEX, INDPTR), reduce(SRC, INDEX, INDPTR))


def test_vmap() -> None:
    found = torch.func.vmap(lambda src: torch_scatter.scatter_mean(src, INDEX, 0, dim_size=4))(SRC.expand(5, 3, 2))
    assert torch.equal(found, torch_scatter.scatter_mean(SRC, INDEX, 0, dim_size=4).expand(5, 4, 2))


def test_broadcast() -> None:
    from pcseg.scatter.utils import broadcast

    other = torch.empty(2, 3, 4)
    assert torch.equal(broadcast(INDEX, other, -2), INDEX[None, :, None].expand(2, 3, 4))
    weights = torch.rand(2, 3)
    assert torch.equal(broadcast(weights, other, 1), weights[:, :, None].expand(2, 3, 4))


ERRORS: dict[str, tuple[Callable[[], Any], str]] = {
    "negative": (lambda: torch_scatter.scatter(SRC, INDEX - 1, 0), "index: holds -1"),
    "too great": (lambda: torch_scatter.scatter_max(SRC, INDEX, 0, dim_size=2), "index: holds 2, but there are 2"),
    "greater than out": (lambda: torch_scatter.scatter_add(SRC, INDEX, 0, SRC[:2]), "index: holds 2"),
    "type of index": (lambda: torch_scatter.scatter_mul(SRC, INDEX.int(), 0), "index: torch.int32"),
    "size of index": (lambda: torch_scatter.scatter(SRC, INDEX[:2], 0), "index: size 2 in dimension 0; give 3"),
    "dimensions of index": (lambda: torch_scatter.scatter(SRC[0], INDEX[:2, None]), "index: has 2 dimensions, src 1"),
    "index of no dimension": (lambda: torch_scatter.segment_coo(SRC, INDEX[0]), "index: has 0 dimensions"),
    "dim": (lambda: torch_scatter.scatter(SRC, INDEX, 2), "dim=2: src has 2"),
    "dim from the end": (lambda: torch_scatter.scatter(SRC, INDEX, -3), "dim=-3"),
    "dim_size": (lambda: torch_scatter.scatter(SRC, INDEX, 0, dim_size=-1), "dim_size=-1"),
    "shape of out": (lambda: torch_scatter.scatter(SRC, INDEX, 0, SRC[:, :1]), r"out: shape \[3, 1\]"),
    "type of out": (lambda: torch_scatter.scatter_mean(SRC, INDEX, 0, SRC.double()), "out: torch.float64"),
    "no order": (lambda: torch_scatter.scatter_min(SRC > 1, INDEX, 0), "src: torch.bool"),
    "reduce": (lambda: torch_scatter.scatter(SRC, INDEX, 0, reduce="median"), "reduce=median"),
    "reduce coo": (lambda: torch_scatter.segment_coo(SRC, INDEX, reduce="mul"), "reduce=mul"),
    "reduce csr": (lambda: torch_scatter.segment_csr(SRC, INDPTR, reduce="mul"), "reduce=mul"),
    "integers": (lambda: torch_scatter.scatter_softmax(SRC.int(), INDEX, 0), "src: torch.int32"),
    "gather": (lambda: torch_scatter.gather_coo(SRC, INDEX + 1), "index: holds 3"),
    "descending": (lambda: torch_scatter.segment_csr(SRC, INDPTR.flip(0)), "indptr"),
    "beyond the end": (lambda: torch_scatter.segment_csr(SRC, INDPTR + 1), "indptr"),
    "pointers of another source": (lambda: torch_scatter.gather_csr(SRC[:2], INDPTR), "src: size 2 in dimension 0"),
    "pointers of another out": (lambda: torch_scatter.segment_csr(SRC, INDPTR, SRC[:2]), "out: size 2"),
}


@pytest.mark.parametrize("mistake", ERRORS)
def test_mistakes_are_named(mistake: str) -> None:
    call, words = ERRORS[mistake]
    with pytest.raises(InputError, match=words) as error:
        call()
    assert "\n" not in str(error.value)
