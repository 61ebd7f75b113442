"""Networks under torch.compile."""

from __future__ import annotations

import shutil

import pytest
import torch

from pcseg.networks import MinkUNet
from pcseg.sparse import SparseTensor
from tests.networks.test_contract import NETWORKS, F, K, build, close, voxels

needs_compiler = pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler on the CPU")


@pytest.mark.parametrize("backend", ["aot_eager", pytest.param("inductor", marks=needs_compiler)])
def test_compiled_it_gives_the_same_numbers(backend: str) -> None:
    """The first backend only traces; the second writes C++, here without vectors, which compile slowly."""
    torch.manual_seed(0)
    network, x = MinkUNet(F, K, (4, 4), (1, 1), stem_channels=4, stem_kernel=3), voxels()
    torch.compiler.reset()  # after too many compilations of one function, torch would leave it as it is
    options = {"cpp.simdlen": 1} if backend == "inductor" else None
    compiled = torch.compile(network, fullgraph=False, backend=backend, options=options)
    found = []
    for forward in (network, compiled):
        network.zero_grad()
        logits = forward(SparseTensor(x.feats, x.coords)).logits
        logits.square().sum().backward()
        found.append([logits, *(p.grad.clone() for p in network.parameters())])
    for eager, other in zip(*found, strict=True):
        close(other, eager)


def test_compiled_it_is_one_graph_for_any_cloud() -> None:
    """It is compiled for the first sizes, then for symbolic sizes; geometry is computed outside the graph."""
    network, graphs = build(NETWORKS["two levels"]).eval(), []

    def backend(graph: torch.fx.GraphModule, _: list[torch.Tensor]) -> torch.fx.GraphModule:
        graphs.append(graph)
        return graph

    torch.compiler.reset()
    compiled = torch.compile(network, backend=backend)
    for seed in range(3):
        x = voxels(seed)
        with torch.no_grad():
            assert torch.equal(compiled(x).logits, network(SparseTensor(x.feats, x.coords)).logits)
    assert len(graphs) <= 3
