"""The adapters of libraries for GPUs, with stand-ins that record their arguments."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from pcseg.nn import SparseConv3d

COORDS = torch.tensor([[0, 0, 0, 0], [0, 3, 64, 4], [1, 63, 5, 130]], dtype=torch.int32)
FEATS = torch.zeros(3, 2)


@pytest.fixture
def adapter(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Import the adapter ``name`` with stand-ins for the modules given by their dotted names, for one test."""
    loaded = []

    def load(name: str, **modules: dict[str, Any]) -> ModuleType:
        for dotted, members in modules.items():
            monkeypatch.setitem(sys.modules, dotted, module := ModuleType(dotted))
            vars(module).update(members)
            while dotted := dotted.rpartition(".")[0]:
                monkeypatch.setitem(sys.modules, dotted, sys.modules.get(dotted, ModuleType(dotted)))
        loaded.append(name)
        return importlib.import_module(name)

    yield load
    for name in loaded:
        sys.modules.pop(name, None)


class Config(dict[str, Any]):
    """torchsparse's AttributeDict: it can be copied by its own method only."""

    def __reduce__(self) -> Any:
        raise TypeError("cannot pickle")

    def copy(self) -> Config:
        return Config(self)

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value


class Tensor:
    def __init__(self, feats: Any, coords: Any, stride: int = 1, spatial_range: Any = None) -> None:
        self.feats, self.coords, self.stride, self.spatial_range = feats, coords, (stride,) * 3, spatial_range
        self._caches = SimpleNamespace(cmaps={})


class Conv(nn.Module):
    def __init__(self, *sizes: int, transposed: bool, config: Config) -> None:
        super().__init__()
        self.config = config


def torchsparse(adapter: Any) -> tuple[Any, Any, Config]:
    default = Config(dataflow="implicit")
    functional = SimpleNamespace(
        Dataflow=SimpleNamespace(GatherScatter="gather"),
        conv_config=SimpleNamespace(get_default_conv_config=lambda: default),
    )
    layers = {"functional": functional, "Conv3d": Conv}
    backends = SimpleNamespace(allow_tf32=True)
    whole = {"SparseTensor": Tensor, "nn": SimpleNamespace(**layers), "backends": backends}
    return (
        adapter("benchmarks.peers.torchsparse", **{"torchsparse": whole, "torchsparse.nn": layers}),
        backends,
        default,
    )


def test_torchsparse_gets_the_grid_and_the_outputs_of_transposed_layers(adapter: Any) -> None:
    module, backends, _ = torchsparse(adapter)
    library = module.Library("cuda")
    x = library.tensor(COORDS, FEATS)
    assert x.inner.spatial_range == (2, 64, 128, 192)
    assert x.inner._caches.cmaps == {(1, 1, 1): (COORDS, (2, 64, 128, 192))}
    assert library.tensor(COORDS[:1], FEATS[:1]).inner.spatial_range == (1, 64, 64, 64)
    assert backends.allow_tf32 is False


def test_torchsparse_takes_another_dataflow_for_large_kernels_only(adapter: Any) -> None:
    module, _, default = torchsparse(adapter)
    library = module.Library("cuda")
    large, small = (library.layer(SparseConv3d(4, 4, size)).inner.config for size in (5, 3))
    assert (large["dataflow"], small["dataflow"], default["dataflow"]) == ("gather", "implicit", "implicit")


def test_warpconvnet_is_given_sizes_found_once_for_the_same_voxels(adapter: Any) -> None:
    given: list[torch.Tensor] = []
    voxels = {"Voxels": lambda coords, feats, ends: given.append(ends)}
    modules = {
        "warpconvnet.geometry.types.voxels": voxels,
        "warpconvnet.nn.modules.sparse_conv": {"SparseConv3d": None},
    }
    module = adapter("benchmarks.peers.warpconvnet", **modules)
    library = module.Library("cuda")
    for coords in (COORDS, COORDS, COORDS[:2]):
        library.tensor(coords, FEATS)
    assert [ends.tolist() for ends in given] == [[0, 2, 3], [0, 2, 3], [0, 2]]
    assert given[0] is given[1]


def test_flex_gemm_multiplies_as_the_others(adapter: Any) -> None:
    config = SimpleNamespace(allow_tf32=True)
    modules = {"flex_gemm.kernels.triton.spconv": {"config": config}, "flex_gemm.ops": {"spconv": None}}
    adapter("benchmarks.peers.flex_gemm", **modules).Library("cuda")
    assert config.allow_tf32 is False
