"""Label the points of scans with a trained network; see --help."""

from __future__ import annotations

from dataclasses import dataclass

from pcseg.command_line import option, run
from pcseg.formats import FORMATS


@dataclass
class Options:
    """Label every point of a scan, or of many: a label and a confidence for each point, in the order of the file.

    python tools/predict.py checkpoint=outputs/demo input=scan.las output=labeled.las
    python tools/predict.py checkpoint=outputs/demo 'input=scans/*.ply' output=labeled
    python tools/predict.py checkpoint=outputs/camvid input=pictures output=labeled
    python tools/predict.py input=room.ply output=first_labels.ply

    The output has two more columns than the scan, label and confidence (in place of columns of that name). All others
    are kept where the format of the output can hold them, from .las or .laz to .las or .laz also the coordinate
    system. A label is the number that the class had in the files trained on; the tool prints them, and .ply files
    name them. Scans of any size: they are cut into overlapping tiles. Of .las, .laz and .npy about 30 bytes a point are
    held in memory; the rest, up to 50 bytes a point, are in temporary files beside the output meanwhile. Points without
    finite coordinates get the label -1. Of several scans one that cannot be labeled is reported, and the others are
    labeled. Columns that the network was trained on, such as intensity, must be in the file.

    Without a checkpoint the network that comes with pcseg gives first labels to colored scans of rooms: ceiling, floor
    and furniture as in S3DIS. It was trained on a simulated building alone, and is often wrong.

    A network of pictures labels these, each into a palette .png of its size whose numbers are those of the masks that
    it was trained on.
    """

    input: str = option(f"a file ({' '.join(FORMATS)}), a folder of them or a pattern")
    output: str = option("file to write, its ending says the format; for several inputs: a folder")
    checkpoint: str = option("a .safetensors file, or a run folder (its last weights)", "pcseg://rooms")
    format: str = option(
        "ending of the files in an output folder; empty: the scan's own, .ply where it cannot be written", ""
    )
    classification: bool = option("write the labels as LAS classification too (0 for -1)", False)
    paint: bool = option("color the points by class instead of leaving the scan's colors", False)
    votes: int = option("rotated and shifted views that are averaged", 1)
    smooth: float = option("even probabilities out over surfaces: 0 none, 0.003 for rooms", 0.0)
    crf: bool = option("refine probabilities by position and color (a fully connected CRF)", False)
    max_voxels: int = option("largest tile, in voxels or pixels: lower it where memory runs out", 300000)
    columns: str = option("names of the columns of a text or .npy table, e.g. x,y,z,intensity,red,green,blue", "")
    device: str = option("auto, cpu or cuda", "auto")


def main(options: Options) -> None:
    """Label scans or pictures."""
    from _predicting import (
        label_files,
    )  # imported late: PyTorch takes seconds to load, and a wrong setting is told at once

    label_files(options)


if __name__ == "__main__":
    run(main, Options)
