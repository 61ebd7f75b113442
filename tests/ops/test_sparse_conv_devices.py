"""Choice of the kernel of the sparse convolution by device and type, and errors for mixed devices."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from pcseg.errors import InputError
from tests.ops.test_sparse_conv import case, random_like

module = sys.modules["pcseg.ops.sparse_conv"]
gradient = sys.modules["pcseg.ops.sparse_conv_weight_grad"]


def test_a_pointer_of_another_device_is_refused() -> None:
    """Call the kernels directly; "meta" stands for the GPU."""
    feats, weight, pairs, starts, _ = case()
    n, there = len(feats), [tensor.detach().to("meta") for tensor in case()]
    grad_there = random_like(n, 4).to("meta")
    for kernel in (module._reference, module._cpu, module._cuda):
        with pytest.raises(InputError, match="weight: on meta, but feats on cpu"):
            kernel(feats, there[1], pairs, starts, n)
        with pytest.raises(InputError, match="pairs: on meta, but feats on cpu"):
            kernel(feats, weight, there[2], starts, n)
        with pytest.raises(InputError, match=r"starts .* on meta; .* on the CPU"):
            kernel(there[0], there[1], there[2], there[3], n)
    for kernel in (gradient._reference, gradient._cpu, gradient._cuda):
        with pytest.raises(InputError, match="grad: on meta, but feats on cpu"):
            kernel(feats, grad_there, pairs, starts)
        with pytest.raises(InputError, match=r"starts .* on meta; .* on the CPU"):
            kernel(there[0], grad_there, there[2], there[3])


def test_types_without_triton_kernel_are_summed_in_float32_under_autocast_too(monkeypatch: pytest.MonkeyPatch) -> None:
    for kernels in (module, gradient):
        monkeypatch.setattr(kernels, "implicit_gemm", lambda device, dtype: None)
    monkeypatch.setattr(module.native, "has_cuda", lambda: False)
    feats, weight, pairs, starts, _ = case(dtype=torch.bfloat16)
    feats, weight, grad = feats.detach(), weight.detach(), random_like(len(feats), 4, dtype=torch.bfloat16)
    out, weight_grad = (
        module._reference(feats, weight, pairs, starts, len(feats)),
        gradient._reference(feats, grad, pairs, starts),
    )
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(module._triton(feats, weight, pairs, starts, len(feats)), out)
        assert torch.equal(gradient._triton(feats, grad, pairs, starts), weight_grad)


def test_the_cpu_has_no_need_of_triton() -> None:
    """Triton is slow to import (torch._dynamo imports it by itself)."""
    code = """if True:
        import sys, torch, pcseg.ops
        coords = torch.zeros(1, 4, dtype=torch.int32)
        pairs, starts = pcseg.ops.kernel_map(coords, coords, coords[:, 1:])
        weight = torch.ones(1, 2, 3, requires_grad=True)
        pcseg.ops.sparse_conv(torch.ones(1, 2), weight, pairs, starts, 1).sum().backward()
        assert not {"triton", "pcseg.ops.triton.implicit_gemm"} & set(sys.modules)
    """
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
