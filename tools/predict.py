"""Label the points of scans with a trained network; see --help."""

from __future__ import annotations

import glob
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from pcseg.classes import IGNORE, Classes
from pcseg.command_line import check_output, option, printable, run
from pcseg.device import choose_device, threads_summary
from pcseg.engine.predict import Predictor
from pcseg.engine.predict_pictures import PicturePredictor
from pcseg.engine.predictors import make_predictor
from pcseg.errors import InputError
from pcseg.formats import FORMATS, WRITERS, check_places, read_cloud, write_labeled, writer_of
from pcseg.formats.labeled import las_classes
from pcseg.formats.masks import write_palette_png
from pcseg.formats.pictures import SUFFIXES, read_picture
from pcseg.model.checkpoint import load_model
from pcseg.scenes.listing import is_scene
from pcseg.scenes.places import FARTHEST, usable


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
    name them. Scans of any size: they are cut into overlapping tiles. Points without finite coordinates get the label
    -1. Of several scans one that cannot be labeled is reported, and the others are labeled. Columns that the network
    was trained on, such as intensity, must be in the file.

    Without a checkpoint the network that comes with pcseg gives first labels to colored scans of rooms: ceiling, floor
    and furniture as in S3DIS. It was trained on a simulated building alone, and is often wrong.

    A network of pictures labels these, each into a palette .png of its size whose numbers are those of the classes.
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


DEFECTS = 3
"""Number of remarks on one scan that are printed; the others are counted."""


def main(options: Options) -> None:
    model, device = load_model(options.checkpoint), choose_device(options.device)
    predictor = make_predictor(model, device, options.votes, options.max_voxels, options.smooth, options.crf)
    if isinstance(predictor, PicturePredictor):
        label_pictures(predictor, options)
    else:
        label_scans(predictor, options)


def label_scans(predictor: Predictor, options: Options) -> None:
    """Label point clouds."""
    jobs = pair(options, tuple(FORMATS), lambda source: named(source, options.format))
    for _, target in jobs:
        writer_of(target)  # refuses an unknown format before the work is done
        check_output(str(target), folder=False)
    names = numbered(predictor.model.classes)
    if options.classification:
        las_classes(np.array(list(names)), jobs[0][1], names)  # refuses numbers that it cannot hold
    print(f"{predictor.protocol()}; {threads_summary()}")
    print(f"labels: {', '.join(f'{number} {name}' for number, name in names.items())}; {IGNORE} unknown")
    label_all(jobs, lambda source, target: predict_file(predictor, source, target, options), "scan")


def label_pictures(predictor: PicturePredictor, options: Options) -> None:
    """Label pictures, each into a palette PNG of its size."""
    if options.classification or options.paint or options.columns or options.format not in ("", "png", ".png"):
        raise InputError("classification, paint, columns, format: are for point clouds; leave them out for pictures")
    jobs = pair(options, SUFFIXES, lambda source: f"{source.stem}.png")
    for _, target in jobs:
        if target.suffix.lower() != ".png":
            raise InputError(f"output={target}: labels of pictures are written as .png; give such a name, or a folder")
        check_output(str(target), folder=False)
    classes = predictor.model.classes
    print(f"{predictor.protocol()}; {threads_summary()}")
    print(f"labels: {', '.join(f'{number} {name}' for number, name in enumerate(classes.names))}")

    def predict(source: Path, target: Path) -> str:
        image, defects = read_picture(source)
        labels, _ = predictor.predict(image, str(source))
        write_palette_png(target, labels, classes.colors)
        counts = np.bincount(labels.reshape(-1), minlength=len(classes))
        lines = [f"{target}: {image.shape[1]} x {image.shape[0]} pixels; {shares(classes, counts)}"]
        return "\n".join([*lines, *(f"  note: {printable(str(defect))}" for defect in defects)])

    label_all(jobs, predict, "picture")


def label_all(jobs: list[tuple[Path, Path]], label: Callable[[Path, Path], str], unit: str) -> None:
    """Label each file and print what was found; of several, one that cannot be labeled is reported."""
    if len(jobs) == 1:
        print(label(*jobs[0]))
        return
    done = sum([attempt(label, *job) for job in tqdm(jobs, unit=unit)])
    print(f"labeled {done} of {len(jobs)} {unit}s")
    if done < len(jobs):
        sys.exit(2)


def attempt(label: Callable[[Path, Path], str], source: Path, target: Path) -> bool:
    """Label one of many files and print the result; report one that cannot be labeled, and go on."""
    try:
        tqdm.write(label(source, target))
    except InputError as error:
        tqdm.write(f"error: {printable(str(error))}", file=sys.stderr)
        return False
    return True


def predict_file(predictor: Predictor, source: Path, target: Path, options: Options) -> str:
    """Label one file and return a few lines: the classes found, and what of the file was left out or changed."""
    cloud = read_cloud(source, tuple(name.strip() for name in options.columns.split(",") if name.strip()))
    check_places(target, cloud.coord.T)
    labels, confidence = predictor.predict(
        cloud.coord, cloud.color, cloud.normal, columns=cloud.fields, name=str(source)
    )
    classes = predictor.model.classes
    paint = np.append(classes.palette(), np.zeros((1, 3), np.uint8), axis=0)[labels] if options.paint else None
    lost = write_labeled(
        source, target, cloud, classes.to_codes(labels), confidence, paint,
        names=numbered(classes), classification=options.classification,
    )  # fmt: skip
    remarks = [str(defect) for defect in (*cloud.defects, *lost)]
    if len(remarks) > DEFECTS:
        remarks[DEFECTS:] = [f"and {len(remarks) - DEFECTS:,} more like these"]
    remarks += [f"{source}: {text}" for text in predictor.remarks(cloud.color is not None)]
    return "\n".join(
        [summary(target, classes, labels, cloud.coord), *(f"  note: {printable(text)}" for text in remarks)]
    )


def summary(target: Path, classes: Classes, labels: np.ndarray, coord: np.ndarray) -> str:
    """Return the points of a scan and the share of each class, in a line."""
    known = labels != IGNORE
    counts = np.bincount(labels[known], minlength=len(classes))
    finite = np.isfinite(coord).all(axis=1)
    reasons = {"without finite coordinates": ~finite, f"with coordinates beyond {FARTHEST:g}": finite & ~usable(coord)}
    lost = [f"; {rows.sum():,} points {why} got label {IGNORE}" for why, rows in reasons.items() if rows.any()]
    return f"{target}: {len(labels):,} points; {shares(classes, counts)}{''.join(lost)}"


def shares(classes: Classes, counts: np.ndarray) -> str:
    """Return the share of each class of which there are ``counts`` (K,) points, the largest first."""
    order = [k for k in np.argsort(-counts) if counts[k]]
    return ", ".join(f"{classes.names[k]} {100 * counts[k] / counts.sum():.1f} %" for k in order)


def numbered(classes: Classes) -> dict[int, str]:
    """Return the name of each class by the number that stands for it in files."""
    return dict(zip(classes.to_codes(np.arange(len(classes))).tolist(), classes.names, strict=True))


def pair(options: Options, formats: tuple[str, ...], naming: Callable[[Path], str]) -> list[tuple[Path, Path]]:
    """Return each file to read, of the endings ``formats``, with the file to write; ``naming`` names it in a folder."""
    source, target = Path(options.input), Path(options.output)
    if source.is_file():
        made = target / naming(source) if target.is_dir() else target
        check_not_itself(source, made)
        return [(source, made)]
    if is_scene(source):
        raise InputError(
            f"input={source}: is a prepared scene; give the scan it was made from, or label a whole split by "
            "tools/evaluate.py predictions=true"
        )
    if source.is_dir():
        files = sorted(p for p in source.iterdir() if p.suffix.lower() in formats and not p.is_dir())
    else:
        files = sorted(Path(p) for p in glob.glob(options.input, recursive=True))
    if not files:
        raise InputError(f"input={options.input}: no such file, nor any {' '.join(formats)} file there")
    if target.is_file():
        raise InputError(f"output={options.output}: is a file; give a folder for {len(files)} files")
    targets = [target / naming(path) for path in files]
    for path, made in zip(files, targets, strict=True):
        check_not_itself(path, made)
    twice, times = Counter(targets).most_common(1)[0]
    if times > 1:
        raise InputError(f"input={options.input}: two files would both become {twice}; label them one by one")
    return list(zip(files, targets, strict=True))


def named(source: Path, ending: str) -> str:
    """Return the name of the labeled copy of a scan in an output folder."""
    own = source.suffix if source.suffix.lower() in WRITERS else ".ply"
    return f"{source.stem}.{ending.lstrip('.')}" if ending else f"{source.stem}{own}"


def check_not_itself(source: Path, target: Path) -> None:
    """Raise InputError where a labeled copy would replace its scan, which may hold more."""
    if source.resolve() == target.resolve():
        raise InputError(f"output={target}: is the scan itself; give another name")


if __name__ == "__main__":
    run(main, Options)
