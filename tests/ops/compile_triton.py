"""Compiles the Triton kernels for GPUs that need not be here: python -m tests.ops.compile_triton."""

from __future__ import annotations

import itertools
from typing import Any

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from pcseg.ops import _implicit_gemm_kernels as kernels
from pcseg.ops._tuning import Tile, conv_tiles, weight_grad_tiles

TYPES = {"fp16": 2, "bf16": 2, "fp32": 4}
"""Name and bytes; fp32 is compiled as tf32."""


def compile_kernel(kernel: Any, pointers: dict[str, str], tile: Tile, arch: int, **constants: object) -> Any:
    constants = {"PRECISION": "tf32", "ROWS": tile.rows, "COLUMNS": tile.columns, "DEPTH": tile.depth, **constants}
    signature = {name: pointers.get(name, "constexpr" if name in constants else "i32") for name in kernel.arg_names}
    # As at run time: torch's memory is aligned, and channels are multiples of 16.
    sizes = {"cin", "cout", "stride_k", "stride_in", "stride_out"} - set(constants)
    aligned = [i for i, name in enumerate(kernel.arg_names) if name in {*pointers, *sizes}]
    source = ASTSource(kernel, signature, constants, {(i,): [["tt.divisibility", 16]] for i in aligned})
    options = {"num_warps": tile.warps, "num_stages": tile.stages}
    return triton.compile(source, target=GPUTarget("cuda", arch, 32), options=options)


def compile_conv(arch: int, dtype: str, tile: Tile, add: bool, transposed: bool) -> Any:
    pointers = dict.fromkeys(("feats", "weight"), f"*{dtype}") | {"out": "*fp32" if add else f"*{dtype}"}
    pointers |= dict.fromkeys(("rows", "firsts", "offsets", "table"), "*i32")
    return compile_kernel(
        kernels.conv_kernel, pointers, tile, arch, ADD=add, **{"stride_in" if transposed else "stride_out": 1}
    )


def compile_weight_grad(arch: int, dtype: str, tile: Tile) -> Any:
    pointers = {"feats": f"*{dtype}", "grad": f"*{dtype}", "pairs": "*i32", "starts": "*i64", "partial": "*fp32"}
    return compile_kernel(kernels.weight_grad_kernel, pointers, tile, arch)


if __name__ == "__main__":
    for n, (arch, (dtype, size)) in enumerate(itertools.product((80, 90, 100), TYPES.items())):
        # The largest tiles that are tried: what compiles and fits with them does with all.
        variant = {"add": arch == 90, "transposed": n % 4 in (1, 2)}  # each type and each GPU with and without
        conv = compile_conv(arch, dtype, conv_tiles(27, 128, 128, size)[-1], **variant)
        weight_grad = compile_weight_grad(arch, dtype, weight_grad_tiles(128, 128, size)[-1])
        for name, kernel in (("conv", conv), ("weight_grad", weight_grad)):
            tensor_cores = any(word in kernel.asm["ptx"] for word in ("mma.sync", "wgmma", "tcgen05.mma"))
            print(
                name, f"sm_{arch}", dtype, kernel.metadata.shared, "tensor cores" if tensor_cores else "no tensor cores"
            )
