"""Compile the Triton kernels for GPUs that this machine need not have: python -m tests.ops.triton.compile_kernels."""

from __future__ import annotations

import itertools
from typing import Any

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from pcseg.ops.triton import kernels
from pcseg.ops.triton.tuning import Tile, conv_tiles, weight_grad_tiles

TYPES = (("fp16", 2, "tf32"), ("bf16", 2, "tf32"), ("fp32", 4, "tf32"), ("fp32", 4, "ieee"))
"""Name, bytes, and precision of float32 products."""


def compile_kernel(kernel: Any, pointers: dict[str, str], tile: Tile, arch: int, **constants: object) -> Any:
    options: dict[str, object] = dict(tile.launch())
    constants |= {name: options.pop(name) for name in ("ROWS", "COLUMNS", "DEPTH")}
    signature = {name: pointers.get(name, "constexpr" if name in constants else "i32") for name in kernel.arg_names}
    # As at run time: torch's memory is aligned, and channels are multiples of 16.
    sizes = {"cin", "cout", "stride_k", "stride_in", "stride_out"} - set(constants)
    aligned = [i for i, name in enumerate(kernel.arg_names) if name in {*pointers, *sizes}]
    source = ASTSource(kernel, signature, constants, {(i,): [["tt.divisibility", 16]] for i in aligned})
    return triton.compile(source, target=GPUTarget("cuda", arch, 32), options=options)


def compile_conv(arch: int, dtype: str, precision: str, tile: Tile, add: bool, transposed: bool) -> Any:
    pointers = dict.fromkeys(("feats", "weight"), f"*{dtype}") | {"out": "*fp32" if add else f"*{dtype}"}
    pointers |= dict.fromkeys(("rows", "firsts", "offsets", "table"), "*i32")
    constants = {"PRECISION": precision, "ADD": add, "stride_in" if transposed else "stride_out": 1}
    return compile_kernel(kernels.conv_kernel, pointers, tile, arch, **constants)


def compile_weight_grad(arch: int, dtype: str, precision: str, tile: Tile) -> Any:
    pointers = {"feats": f"*{dtype}", "grad": f"*{dtype}", "pairs": "*i32", "starts": "*i64", "partial": "*fp32"}
    return compile_kernel(kernels.weight_grad_kernel, pointers, tile, arch, PRECISION=precision)


if __name__ == "__main__":
    for n, (arch, (dtype, size, precision)) in enumerate(itertools.product((80, 90, 100), TYPES)):
        if (n + n // len(TYPES)) % 2:  # two of the four types for each GPU, in turn
            continue
        # The largest candidates: if they compile and fit, all do.
        tile, variant = conv_tiles(27, 128, 128, size)[-1], {"add": arch == 90, "transposed": n % 3 == 0}
        conv = compile_conv(arch, dtype, precision, tile, **variant)
        weight_grad = compile_weight_grad(arch, dtype, precision, weight_grad_tiles(128, 128, size)[-1])
        for name, kernel in (("conv", conv), ("weight_grad", weight_grad)):
            units = any(word in kernel.asm["ptx"] for word in ("mma.sync", "wgmma", "tcgen05.mma"))
            print(name, f"sm_{arch}", precision, kernel.metadata.shared, "tensor cores" if units else "no tensor cores")
