"""Export a trained network as a graph for other runtimes: ONNX, or a program of torch.export."""

from __future__ import annotations

import logging
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pcseg.errors import InputError, cut, reason
from pcseg.files import atomic_path, write_json
from pcseg.model.inputs import ImageInputs, VoxelInputs
from pcseg.model.model import Model
from pcseg.share import kernel_tables
from pcseg.share.table_network import TableNetwork
from pcseg.sparse import SparseTensor

SUFFIXES = (".onnx", ".pt2")

TOLERANCE = 1e-4
"""Largest difference of scores from the network's own, over the largest score or 1: sums are in another order."""

Run = Callable[..., np.ndarray]
"""Function that takes the inputs of a graph as arrays and returns its scores."""


@dataclass(frozen=True)
class Graph:
    """What is exported: ``module`` takes tensors called ``names``, of which ``examples`` are two sets of other sizes.

    ``dynamic``: for each input the sizes that may be any, by axis. ``scores``: those of the network itself for each
    example. ``about``: what the user of the graph needs to know.
    """

    module: nn.Module
    names: tuple[str, ...]
    dynamic: Any
    examples: tuple[tuple[Tensor, ...], ...]
    scores: tuple[Tensor, ...]
    about: dict[str, Any]


def export(model: Model, path: str | os.PathLike[str]) -> tuple[list[Path], float]:
    """Write the deployed network to ``path``, .onnx or .pt2, and what its user needs beside it.

    Returns the files, and the largest difference of its scores from the network's own, on two examples of other sizes,
    over the largest score; NaN for ONNX without onnxruntime, which then is not run. ``<stem>.json`` tells inputs,
    classes and features. Points: the inputs are ``feats`` (N, F) and tables of neighbors, which
    ``kernel_tables.py``, copied there too, makes with NumPy; the output are scores (N, K) of voxels. Pictures:
    ``image`` (1, 3, H, W) of colors in [0, 1] becomes scores (1, K, H, W). Sizes are free. Raises InputError for a
    network or ending that cannot be exported, without the packages for it, and where the graph gives other scores.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"output={path}: give a name that ends in {' or '.join(SUFFIXES)}")
    onnx = path.suffix.lower() == ".onnx"
    absent = [name for name in ("onnx", "onnxscript") if onnx and find_spec(name) is None]
    if absent:
        raise InputError(
            f"output={path}: ONNX needs the package {absent[0]}; pip install 'pcseg[onnx]', or give a .pt2"
        )
    pictures = isinstance(model.inputs, ImageInputs)
    graph = _of_pictures(model) if pictures else _of_points(model)
    with _quiet():
        program = _traced(graph, path)
        worst = []

        def check(written: Path) -> None:
            worst.append(_difference(graph, _runner(written, onnx)))
            if worst[0] > TOLERANCE:
                raise ValueError(f"its scores differ by {worst[0]:.2g}; the limit is {TOLERANCE:g}")

        with atomic_path(path, check) as temporary:
            if onnx:
                found = torch.onnx.export(
                    program, dynamo=True, verbose=False, external_data=False,
                    input_names=list(graph.names), output_names=["logits"],
                )  # fmt: skip
                assert found is not None
                found.save(str(temporary))
            else:
                with open(temporary, "wb") as stream:
                    torch.export.save(program, stream)
    files = [path, path.with_suffix(".json")]
    write_json(files[1], graph.about)
    if not pictures:
        files.append(path.parent / "kernel_tables.py")
        with atomic_path(files[2]) as temporary:
            shutil.copyfile(kernel_tables.__file__, temporary)
    return files, worst[0]


def _of_points(model: Model) -> Graph:
    assert isinstance(model.inputs, VoxelInputs)
    network = model.network.float().cpu().eval()
    module = TableNetwork(network).eval()
    specs = [{"name": table.name, **asdict(table)} for table in module.tables]
    sizes = {stride: torch.export.Dim(f"voxels_{stride}", min=1) for stride in network.strides}  # type: ignore[union-attr]
    rng = np.random.default_rng(0)
    examples, scores = [], []
    for edge in (3, 2):  # cells of the coarsest level along an edge
        cells = rng.integers(0, edge * max(sizes), (40 * edge**3, 3))
        coords = np.pad(np.unique(cells, axis=0), ((0, 0), (1, 0))).astype(np.int32)
        feats = torch.from_numpy(rng.normal(size=(len(coords), module.in_channels)).astype(np.float32))
        tables = kernel_tables.tables(coords, specs)
        examples.append((feats, *(torch.from_numpy(table) for table in tables.values())))
        with torch.no_grad():
            scores.append(network(SparseTensor(feats, torch.from_numpy(coords))).logits)
    dynamic = ({0: sizes[1]}, tuple({0: sizes[table.out_stride]} for table in module.tables))
    about = {
        "kind": "points", "classes": list(model.classes.names), "voxel_size": model.inputs.voxel_size,
        "features": list(model.inputs.features.names), "tables": specs,
        "output": "logits (N, K) of the voxels in the order of feats",
    }  # fmt: skip
    names = ("feats", *(table.name for table in module.tables))
    return Graph(module, names, dynamic, tuple(examples), tuple(scores), about)


class _Pictures(nn.Module):
    """A network of pictures from colors in [0, 1], (1, 3, H, W), to scores (1, K, H, W)."""

    def __init__(self, network: nn.Module, inputs: ImageInputs) -> None:
        super().__init__()
        self.network = network
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(inputs.mean)[:, None, None])
        self.register_buffer("std", torch.tensor(inputs.std)[:, None, None])

    def forward(self, image: Tensor) -> Tensor:
        logits = self.network((image - self.mean) / self.std).logits
        return logits.unflatten(0, (1, image.shape[2], image.shape[3])).permute(0, 3, 1, 2)


def _of_pictures(model: Model) -> Graph:
    assert isinstance(model.inputs, ImageInputs)
    module = _Pictures(model.network.float().cpu().eval(), model.inputs).eval()
    generator = torch.Generator().manual_seed(0)
    examples = tuple((torch.rand(1, 3, *size, generator=generator),) for size in ((64, 96), (75, 50)))
    with torch.no_grad():
        scores = tuple(module(*example) for example in examples)
    about = {
        "kind": "pictures", "classes": list(model.classes.names), "scale": model.inputs.scale,
        "input": "image (1, 3, H, W) float32, red, green and blue from 0 to 1, at `scale` of the picture's resolution",
        "output": "logits (1, K, H, W)",
    }  # fmt: skip
    free = torch.export.Dim.AUTO
    return Graph(module, ("image",), ({2: free, 3: free},), examples, scores, about)


def _traced(graph: Graph, path: Path) -> Any:
    try:
        with torch.no_grad():
            return torch.export.export(graph.module, graph.examples[0], dynamic_shapes=graph.dynamic)
    except Exception as error:  # torch has many; all mean that the network has a part that is no fixed graph
        what = cut(reason(error), 200)
        raise InputError(
            f"output={path}: the network cannot be written as a graph ({what}); use it from Python"
        ) from error


def _runner(path: Path, onnx: bool) -> Run | None:
    """Return the function that runs a written graph; None where nothing here can."""
    if not onnx:
        with open(path, "rb") as stream:
            module = torch.export.load(stream).module()
        return lambda **inputs: module(*map(torch.from_numpy, inputs.values())).detach().numpy()
    if find_spec("onnxruntime") is None:
        return None
    import onnxruntime

    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    return lambda **inputs: np.asarray(session.run(None, inputs)[0])


def _difference(graph: Graph, run: Run | None) -> float:
    """Return the largest difference of the graph's scores from the network's, over the largest of these or 1."""
    if run is None:
        return float("nan")
    worst = 0.0
    for example, scores in zip(graph.examples, graph.scores, strict=True):
        inputs = {name: value.numpy() for name, value in zip(graph.names, example, strict=True)}
        difference = np.abs(run(**inputs) - scores.numpy()).max()
        worst = max(worst, float(difference) / max(1.0, float(scores.abs().max())))
    return worst


@contextmanager
def _quiet() -> Iterator[None]:
    """Context without the remarks of the exporter on packages that it does not need here."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
