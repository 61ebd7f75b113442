"""First and second derivatives, to the source and to out, against finite differences."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

import pcseg.scatter as torch_scatter

KINDS = ("sum", "mean", "mul", "min", "max")
INDEX = torch.tensor([0, 2, 2, 0, 4])
INDPTR = torch.tensor([1, 3, 3, 4])

FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    **{f"scatter_{how}": lambda src, how=how: torch_scatter.scatter(src, INDEX, 1, None, 6, how) for how in KINDS},
    **{
        f"scatter_{how} by element": lambda src, how=how: torch_scatter.scatter(src, INDEX[ORDER], 1, None, 6, how)
        for how in KINDS
    },
    **{
        f"segment_{how}_coo": lambda src, how=how: torch_scatter.segment_coo(src, INDEX.expand(2, 5), None, 6, how)
        for how in KINDS
        if how != "mul"
    },
    **{
        f"segment_{how}_csr": lambda src, how=how: torch_scatter.segment_csr(src, INDPTR.expand(2, 4), None, how)
        for how in KINDS
        if how != "mul"
    },
    "gather_coo": lambda src: torch_scatter.gather_coo(src, INDEX[None]),
    "gather_csr": lambda src: torch_scatter.gather_csr(src, torch.tensor([[0, 2, 2, 5, 6, 8], [1, 2, 4, 5, 6, 7]])),
    "softmax": lambda src: torch_scatter.scatter_softmax(src, INDEX, 1),
    "log_softmax": lambda src: torch_scatter.scatter_log_softmax(src, INDEX, 1, eps=0.3),
    "logsumexp": lambda src: torch_scatter.scatter_logsumexp(src, INDEX, 1, eps=0.3),
    "std": lambda src: torch_scatter.scatter_std(src, INDEX, 1),
}
ORDER = torch.tensor([[[0, 1], [1, 0], [2, 4], [3, 3], [4, 2]], [[4, 0], [0, 1], [1, 3], [3, 2], [2, 4]]])
every_function = pytest.mark.parametrize("name", FUNCTIONS)


def source() -> Tensor:
    """Return (2, 5, 2) numbers without ties."""
    g = torch.Generator().manual_seed(0)
    return (torch.randperm(20, generator=g).double().reshape(2, 5, 2) / 10 - 0.95).requires_grad_()


@every_function
def test_gradient(name: str) -> None:
    assert gradcheck(FUNCTIONS[name], (source(),))


@every_function
def test_gradient_of_the_gradient(name: str) -> None:
    assert gradgradcheck(FUNCTIONS[name], (source(),))


@pytest.mark.parametrize("how", [*KINDS, "logsumexp", "std"])
def test_gradient_to_out(how: str) -> None:
    start = torch.linspace(-0.5, 0.5, 24, dtype=torch.float64).reshape(2, 6, 2).requires_grad_()
    if how == "std":
        start = (start.detach() + 1).requires_grad_()

    def reduce(src: Tensor, start: Tensor) -> Tensor:
        result = getattr(torch_scatter, f"scatter_{how}")(src, INDEX, 1, start.clone())
        return result[0] if isinstance(result, tuple) else result

    assert gradcheck(reduce, (source(), start))
    assert gradgradcheck(reduce, (source(), start))


def test_long_rows_have_the_gradient_of_a_gather() -> None:
    g = torch.Generator().manual_seed(1)
    src, index = torch.rand(20_000, 8, generator=g).requires_grad_(), torch.randint(0, 50, (20_000,), generator=g)
    weight = torch.rand(50, 8, generator=g)
    (torch_scatter.scatter_sum(src, index, 0) * weight).sum().backward()
    assert torch.equal(src.grad, weight[index])


@pytest.mark.parametrize("reduce", [torch_scatter.scatter_max, torch_scatter.scatter_min])
def test_a_tie_gives_the_gradient_to_the_first(reduce: Callable[..., tuple[Tensor, Tensor]]) -> None:
    src = torch.tensor([1.0, 1.0, 3.0, 3.0], requires_grad=True)
    value, place = reduce(src, torch.tensor([2, 2, 0, 0]))
    assert place.tolist() == [2, 4, 0]
    value.backward(torch.tensor([5.0, 7.0, 6.0]))
    assert src.grad.tolist() == [6, 0, 5, 0]


def test_a_product_with_a_zero() -> None:
    src = torch.tensor([0.0, 2.0, 3.0, 0.0, 0.0], requires_grad=True)
    torch_scatter.scatter_mul(src, torch.tensor([0, 0, 0, 1, 1])).sum().backward()
    assert src.grad.tolist() == [6, 0, 0, 0, 0]


def test_a_deviation_of_zero() -> None:
    src = torch.tensor([1.0, 2.0, 2.0, 1.0, 3.0], requires_grad=True)
    torch_scatter.scatter_std(src, torch.tensor([0, 1, 1, 2, 2])).sum().backward()
    assert src.grad[:3].tolist() == [0, 0, 0]
    assert src.grad[3:].tolist() == pytest.approx([-(0.5**0.5), 0.5**0.5], rel=1e-5)


def test_nothing_has_a_gradient_too() -> None:
    src = torch.rand(0, 3, requires_grad=True)
    none = torch.empty(0, dtype=torch.int64)
    for how in KINDS:
        torch_scatter.scatter(src, none, 0, None, 2, how).sum().backward()
        assert src.grad.shape == (0, 3)
    torch_scatter.gather_csr(src, none).sum().backward()
