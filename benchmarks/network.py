"""Time whole networks of pcseg side by side with the same networks on other libraries' layers; see --help."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from benchmarks.harness.networks import IMPLS, VOXEL_NETWORKS, prepare
from benchmarks.harness.options import MEMORY, Common, bench, check, choose, choose_impls, clouds
from benchmarks.harness.timing import DTYPES, Case
from pcseg.command_line import option, run


@dataclass
class Options(Common):
    """Time forward passes (inference) and forward and backward passes (training); print a Markdown table.

    python -m benchmarks.network network=minkunet34c voxels=[100000] json=network.json

    Every pass starts at int32 coordinates and builds all maps, as for a new batch. pcseg is compared with
    pcseg_compiled (through torch.compile), pcseg_checkpointing (activations recomputed in the backward pass), reference
    (its PyTorch ops) and the same network, with the same weights, on the convolutions of every other library installed
    (spconv, MinkowskiEngine; on a GPU torchsparse, warpconvnet, flex_gemm). Norms and the rest are torch's, except that
    pcseg, forward on a CPU, fuses norm, residual and ReLU into its convolutions. Logits, and in training the gradient
    of the first norm, are compared with pcseg's; an implementation that differs is marked (wrong). Peak memory is that
    of a pass, without weights and inputs.
    """

    network: str = option("one of pcseg.networks that takes voxels", "minkunet34c")
    memory: bool = option(MEMORY, True)


def main(options: Options) -> None:
    check(options)
    choose("network", [options.network], VOXEL_NETWORKS)
    impls = choose_impls(options, IMPLS)
    found = clouds(options)
    dtype = DTYPES[options.dtype]
    cases = [
        Case(options.network, cloud, None, mode, True, options.device, dtype, torch.get_num_threads())
        for cloud in found
        for mode in options.modes
    ]

    def able(case: Case) -> list[str]:
        return [name for name in impls if name != "pcseg_checkpointing" or case.mode == "forward_backward"]

    bench(options, prepare, cases, able, found)


if __name__ == "__main__":
    run(main, Options)
