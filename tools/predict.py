"""Label the points of scans with a trained network; see --help."""

from __future__ import annotations

import glob
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

import pcseg
from _cli import check_output, option, run
from pcseg.data.readers import FORMATS, WRITERS, read_cloud, write_labelled, writer_of
from pcseg.engine.predict import Predictor
from pcseg.errors import InputError
from pcseg.labels import IGNORE


@dataclass
class Options:
    """Label every point of a scan, or of many: a label and a confidence for each point, in the order of the file.

    python tools/predict.py checkpoint=outputs/demo input=scan.las output=labelled.las
    python tools/predict.py checkpoint=outputs/demo 'input=scans/*.ply' output=labelled

    The output has two more columns than the scan, label and confidence (in place of columns of that name). From .las or .laz to .las or .laz, and from .ply
    to .ply, all others are kept (in LAS classification too, and the coordinate system); else coordinates and colours.
    Scans of any size: they are cut into overlapping tiles. Points with NaN coordinates get the label -1.
    """

    checkpoint: str = option("a .safetensors file, or a run folder (its last weights)")
    input: str = option(f"a file ({' '.join(FORMATS)}), a folder of them or a pattern")
    output: str = option("file to write, its ending says the format; for several inputs: a folder")
    format: str = option(
        "ending of the files in an output folder; empty: the scan's own, .ply where it cannot be written", ""
    )
    paint: bool = option("colour the points by class instead of leaving the scan's colours", False)
    votes: int = option("rotated and shifted views that are averaged", 1)
    max_voxels: int = option("largest tile, in voxels: lower it where memory runs out", 300000)
    columns: str = option("names of the columns of a text or .npy table, e.g. x,y,z,intensity,red,green,blue", "")
    device: str = option("auto, cpu or cuda", "auto")


def main(options: Options) -> None:
    jobs = pair(options)
    for _, target in jobs:
        writer_of(target)  # tells of an unknown format before the work is done
        check_output(str(target), folder=False)
    predictor = pcseg.load(options.checkpoint, options.device, votes=options.votes, max_voxels=options.max_voxels)
    print(predictor.protocol())
    bar = tqdm(jobs, unit="scan", disable=len(jobs) == 1)
    for source, target in bar:
        bar.write(predict_file(predictor, source, target, options))


def predict_file(predictor: Predictor, source: Path, target: Path, options: Options) -> str:
    """Label one file and say in a few words what was found."""
    cloud = read_cloud(source, tuple(name.strip() for name in options.columns.split(",") if name.strip()))
    labels, confidence = predictor.predict(cloud.coord, cloud.color, cloud.normal, name=str(source))
    classes = predictor.model.classes
    paint = np.append(classes.palette(), np.zeros((1, 3), np.uint8), axis=0)[labels] if options.paint else None
    write_labelled(source, target, cloud, labels, confidence, paint)
    known = labels != IGNORE
    counts = np.bincount(labels[known], minlength=len(classes))
    shares = [
        f"{classes.names[k]} {100 * counts[k] / max(known.sum(), 1):.1f} %" for k in np.argsort(-counts) if counts[k]
    ]
    lost = f"; {(~known).sum():,} points without finite coordinates got label {IGNORE}" if not known.all() else ""
    return f"{target}: {len(labels):,} points; {', '.join(shares)}{lost}"


def pair(options: Options) -> list[tuple[Path, Path]]:
    """Each file to read with the file to write."""
    source, target = Path(options.input), Path(options.output)
    if source.is_file():
        made = target / named(source, options.format) if target.is_dir() else target
        apart(source, made)
        return [(source, made)]
    if (source / "coord.npy").is_file():
        raise InputError(
            f"input={source}: is a prepared scene; give the scan it was made from, or label a whole split by "
            "tools/evaluate.py predictions=true"
        )
    if source.is_dir():
        files = sorted(p for p in source.iterdir() if p.suffix.lower() in FORMATS)
    else:
        files = sorted(Path(p) for p in glob.glob(options.input, recursive=True))
    if not files:
        raise InputError(f"input={options.input}: no such file, nor any {' '.join(FORMATS)} file there")
    if target.is_file():
        raise InputError(f"output={options.output}: is a file; give a folder for {len(files)} scans")
    targets = [target / named(path, options.format) for path in files]
    for path, made in zip(files, targets, strict=True):
        apart(path, made)
    twice = next((t for t in targets if targets.count(t) > 1), None)
    if twice is not None:
        raise InputError(f"input={options.input}: two files would both become {twice}; label them one by one")
    return list(zip(files, targets, strict=True))


def named(source: Path, ending: str) -> str:
    """The name of a scan's labelled copy in an output folder."""
    own = source.suffix if source.suffix.lower() in WRITERS else ".ply"
    return f"{source.stem}{ending or own}"


def apart(source: Path, target: Path) -> None:
    """See that a scan is not replaced by its labelled copy, which may hold less than it."""
    if source.resolve() == target.resolve():
        raise InputError(f"output={target}: is the scan itself; give another name")


if __name__ == "__main__":
    run(main, Options)
