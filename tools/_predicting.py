"""Label scans and pictures, one file or many, and report."""

from __future__ import annotations

import glob
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from pcseg.classes import IGNORE, Classes
from pcseg.command_line import check_output, printable
from pcseg.device import choose_device, threads_summary
from pcseg.engine.predict import Predictor
from pcseg.engine.predict_pictures import PicturePredictor
from pcseg.engine.predictors import make_predictor
from pcseg.errors import InputError
from pcseg.formats import FORMATS, WRITERS, Cloud, Defect, check_places, read_cloud, write_labeled, writer_of
from pcseg.formats.labeled import las_classes
from pcseg.formats.masks import unlabeled_number, write_palette_png
from pcseg.formats.pictures import SUFFIXES, read_picture
from pcseg.model.checkpoint import load_labeler
from pcseg.scenes.listing import is_scene
from pcseg.scenes.places import FARTHEST, usable
from pcseg.spool import spooled

if TYPE_CHECKING:
    from predict import Options

DEFECTS = 3
"""Number of remarks on one scan that are printed; the others are counted."""


def label_files(options: Options) -> None:
    """Label the scans or pictures that the options name."""
    model, device = load_labeler(options.checkpoint), choose_device(options.device)
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
    classes, numbers = predictor.model.classes, numbered(predictor.model.classes)
    unlabeled_number(list(numbers), options.checkpoint)  # refuses numbers that no picture holds, before the work
    print(f"{predictor.protocol()}; {threads_summary()}")
    print(f"labels: {', '.join(f'{number} {name}' for number, name in numbers.items())}")

    def predict(source: Path, target: Path) -> str:
        image, defects = read_picture(source)
        labels, _ = predictor.predict(image, str(source))
        write_palette_png(target, labels, classes.colors, list(numbers))
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
    check_output(str(target), folder=False)
    beside = next(each for each in target.absolute().parents if each.is_dir())  # large arrays are files there
    names = tuple(name.strip() for name in options.columns.split(",") if name.strip())
    cloud = read_cloud(source, names, spooled(beside))
    try:
        return label_cloud(predictor, cloud, source, target, options)
    except InputError:
        for line in noted(cloud.defects):  # may tell why
            tqdm.write(line, file=sys.stderr)
        raise


def label_cloud(predictor: Predictor, cloud: Cloud, source: Path, target: Path, options: Options) -> str:
    """Label the points of one file, write them and return the lines of ``predict_file``."""
    check_places(target, cloud.coord.T)
    with tqdm(total=len(cloud), unit="point", unit_scale=True, leave=False, delay=1) as bar:
        labels, confidence = predictor.predict(
            cloud.coord, cloud.color, cloud.normal, columns=cloud.fields, name=str(source), done=bar.update
        )
    classes = predictor.model.classes
    paint = np.append(classes.palette(), np.zeros((1, 3), np.uint8), axis=0)[labels] if options.paint else None
    lost = write_labeled(
        source, target, cloud, classes.to_codes(labels), confidence, paint,
        names=numbered(classes), classification=options.classification,
    )  # fmt: skip
    further = [f"{source}: {text}" for text in predictor.remarks(cloud.color is not None, cloud.fields)]
    return "\n".join([summary(target, classes, labels, cloud.coord), *noted((*cloud.defects, *lost), further)])


def noted(defects: Sequence[Defect], further: Sequence[str] = ()) -> list[str]:
    """Return a line for each of the first DEFECTS, one with the number of others, and one for each further remark."""
    remarks = [str(defect) for defect in defects]
    if len(remarks) > DEFECTS:
        remarks[DEFECTS:] = [f"and {len(remarks) - DEFECTS:,} more like these"]
    return [f"  note: {printable(text)}" for text in (*remarks, *further)]


def summary(target: Path, classes: Classes, labels: np.ndarray, coord: np.ndarray) -> str:
    """Return the points of a scan and the share of each class, in a line."""
    known = labels != IGNORE
    counts = np.bincount(labels[known], minlength=len(classes))
    unusable = coord[~usable(coord)]
    finite = int(np.isfinite(unusable).all(axis=1).sum())
    reasons = {
        "without finite coordinates": len(unusable) - finite, f"with coordinates beyond {FARTHEST:g}": finite,
    }  # fmt: skip
    lost = [f"; {count:,} points {why} got label {IGNORE}" for why, count in reasons.items() if count]
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
        shown = [p for p in source.iterdir() if not p.name.startswith(".")]  # as patterns do; "._x.jpg" is no picture
        files = sorted(p for p in shown if p.suffix.lower() in formats and not p.is_dir())
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
