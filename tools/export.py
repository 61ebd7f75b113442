"""Export a trained network for other runtimes; see --help."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pcseg.command_line import check_output, option, run


@dataclass
class Options:
    """Export a trained network as a graph for other runtimes: ONNX, or a program of torch.export (.pt2).

    python tools/export.py checkpoint=outputs/demo output=exported/rooms.onnx

    A network of points takes the features of voxels and, for each of its levels, tables of neighbors; what makes them
    is written beside the graph: kernel_tables.py, which needs NumPy alone, and <name>.json with classes, voxel size and
    features. Its first lines show the whole way from points to labels. Sizes are free. A network of pictures takes
    (1, 3, H, W). The graph is run before it takes its name; its scores must be those of the network, to 1e-4.
    """

    checkpoint: str = option("a .safetensors file, a run folder (its last weights), or hf://owner/name")
    output: str = option("file to write: .onnx (needs pcseg[onnx]) or .pt2")


def main(options: Options) -> None:
    check_output(options.output, folder=False)
    from pcseg.model.checkpoint import load_model  # late: PyTorch takes seconds to load
    from pcseg.share.export import export

    files, difference = export(load_model(options.checkpoint), options.output)
    print(f"written: {', '.join(map(str, files))}")
    if math.isnan(difference):
        print("not run: onnxruntime is not installed here; pip install 'pcseg[onnx]' to have the scores compared")
    else:
        print(f"run here: its scores differ from the network's by {difference:.1g} of the largest")


if __name__ == "__main__":
    run(main, Options)
