"""Put this package into ``sys.modules`` under the names that existing code imports, for one process."""

from __future__ import annotations

import importlib
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

FILES = (
    "Broadcast", "ChannelwiseConvolution", "Common", "Convolution", "CoordinateManager", "Functional", "Interpolation",
    "KernelGenerator", "Network", "Nonlinearity", "Normalization", "Ops", "Pooling", "Pruning", "SparseTensor",
    "Tensor", "TensorField", "Union",
)  # fmt: skip
"""Modules of MinkowskiEngine: ``MinkowskiEngine.MinkowskiOps`` and, as there, ``MinkowskiOps`` alone."""
UTILS = ("collation", "coords", "gradcheck", "init", "quantization", "summary")
SCATTER = ("composite", "scatter", "segment_coo", "segment_csr", "utils")
BACKEND = "MinkowskiEngineBackend"
_ours: set[str] = set()


def install() -> list[str]:
    """Let ``import MinkowskiEngine`` and ``import torch_scatter`` find pcseg's modules in this process.

    A package that is imported already stays. Says once, on stderr, what it did. Returns the names that code can now
    import and that are pcseg's.
    """
    new = []
    for name, put in (("MinkowskiEngine", _install_minkowski), ("torch_scatter", _install_scatter)):
        if name not in _ours and _free(name) and put():
            new.append(name)
    _ours.update(new)
    if new:
        print(f"pcseg: {' and '.join(new)} in this process {'is' if len(new) == 1 else 'are'} pcseg's", file=sys.stderr)
    return [name for name in ("MinkowskiEngine", "torch_scatter") if name in _ours]


def _free(name: str) -> bool:
    """Return whether nothing but this function has put a module under ``name``."""
    return name not in sys.modules or name in _ours


def _put(name: str, contents: dict[str, Any], package: bool = False) -> ModuleType:
    module = ModuleType(name, "Compatible with MinkowskiEngine: see pcseg.minkowski.")
    module.__dict__.update({key: value for key, value in contents.items() if not key.startswith("__")})
    module.__spec__ = ModuleSpec(name, None, is_package=package)
    if package:
        module.__path__ = []
    sys.modules[name] = module
    parent, _, last = name.rpartition(".")
    if parent and not isinstance(getattr(sys.modules[parent], last, None), type):
        setattr(sys.modules[parent], last, module)
    return module


def _install_minkowski() -> bool:
    ours = importlib.import_module("pcseg.minkowski")
    helpers = vars(importlib.import_module("pcseg.minkowski.utils"))
    functional = vars(ours.MinkowskiFunctional)
    everything = {**vars(ours), "_sum": ours.sum}
    _put("MinkowskiEngine", everything, package=True).__dict__["__version__"] = ours.__version__
    for file in FILES:
        contents = functional if file == "Functional" else everything
        _put(f"MinkowskiEngine.Minkowski{file}", contents)
        if _free(f"Minkowski{file}"):
            _put(f"Minkowski{file}", contents)
            _ours.add(f"Minkowski{file}")
    _put("MinkowskiEngine.sparse_matrix_functions", everything)
    _put("MinkowskiEngine.utils", helpers, package=True)
    for file in UTILS:
        inner = sys.modules["MinkowskiEngine.utils"].__dict__.get(file)
        module = _put(f"MinkowskiEngine.utils.{file}", helpers)
        if inner is not None:  # summary and gradcheck are functions, too
            setattr(sys.modules["MinkowskiEngine.utils"], file, inner)
            setattr(module, file, inner)
    _put("MinkowskiEngine.modules", {}, package=True)
    for file, contents in vars(ours.modules).items():
        _put(f"MinkowskiEngine.modules.{file}", vars(contents))
    names = {f"quantize{kind}_{of}": helpers[f"quantize{kind}"] for kind in ("", "_label") for of in ("np", "th")}
    _put(BACKEND, {}, package=True)
    _put(f"{BACKEND}._C", {**everything, **names})
    return True


def _install_scatter() -> bool:
    sys.modules["torch_scatter"] = importlib.import_module("pcseg.scatter")
    for file in SCATTER:
        sys.modules[f"torch_scatter.{file}"] = importlib.import_module(f"pcseg.scatter.{file}")
    return True
