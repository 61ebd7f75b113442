"""Draw the labels of points into the pictures that show them; see --help."""

# ruff: noqa: RUF009 (option() is dataclasses.field)

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

import pcseg
from pcseg.budgets.scene_labels import HIGHEST, SceneLabels, packed
from pcseg.budgets.weak_labels import WeakLabels
from pcseg.checks import above_zero, from_zero_to_one
from pcseg.classes import IGNORE, Classes
from pcseg.command_line import check_output, option, run
from pcseg.defaults import DEPTH_TOLERANCE
from pcseg.errors import InputError
from pcseg.formats.frames import find_frames
from pcseg.scenes.listing import is_image, list_scenes
from pcseg.scenes.scene import Scene, read_scene

if TYPE_CHECKING:
    from pcseg.engine.predict import Predictor


@dataclass
class Options:
    """Draw the labels of points, given or predicted, into the frames that show them; write a label file of pictures.

    python tools/prepare.py dataset=frames input=data/simulated_raw output=data/frames
    python tools/render_labels.py root=data/simulated 'splits=[Area_1]' labels=data/simulated_labels/spread.npz \\
        frames=data/simulated_raw pictures=data/frames output=data/frames_labels/drawn.npz
    python tools/train.py experiment=frames 'data.train=[Area_1]' labels.file=data/frames_labels/drawn.npz \\
        method=soft_labels

    The way back from tools/lift_labels.py. A pixel takes the label of the nearest point that is seen there, and its
    weight, below 1; pixels that show no labeled point have none. Prepared pictures that nothing is drawn into, such as
    frames whose tracking was lost or that have no pose, are in the file too, without labels. With checkpoint=<run> in
    place of labels=, that network of point clouds labels the scans.
    """

    root: str = option("folder of the scans, written by tools/prepare.py")
    splits: list[str] = option("splits to draw, e.g. [Area_1,Area_2]")
    frames: str = option("folder of the frames with their poses, or of .sens files")
    pictures: str = option("folder of the same frames, prepared by tools/prepare.py dataset=frames")
    output: str = option("label file to write, e.g. data/frames_labels/drawn.npz")
    labels: str | None = option("label file of the scans, as of tools/spread_labels.py or <run>/labels", None)
    checkpoint: str | None = option("in place of it: a network of point clouds, which labels the scans", None)
    keep: float = option("smallest weight of a label, 0 to 1", 0.5)
    tolerance: float = option(
        "farthest that a seen point is from the depth of its pixel, as a share of it", DEPTH_TOLERANCE
    )
    device: str = option("of the network: auto, cpu or cuda", "auto")
    overwrite: bool = option("replace the file that is at output", False)


def main(options: Options) -> None:
    above_zero(tolerance=options.tolerance)
    from_zero_to_one(keep=options.keep)
    check_output(options.output, folder=False)
    if Path(options.output).is_file() and not options.overwrite:
        raise InputError(f"output={options.output}: is there already; choose another name, or overwrite=true")
    from pcseg.engine.rounds import digest  # late: PyTorch takes seconds to load

    source = labels_of_scans(options)
    classes = Classes(tuple(source.classes))
    folders = list_scenes(options.root, options.splits)
    pictures = list_scenes(options.pictures, [s for s in options.splits if (Path(options.pictures) / s).is_dir()])
    found: list[SceneLabels] = []
    seen = 0
    with tqdm(folders, desc="draw", unit="scene") as bar:  # closed before an error is printed
        for folder in bar:
            for entry, pixels in drawn(folder, classes, source, options):
                found.append(entry)
                seen += pixels
    check(found, seen, folders[0], options)
    left = undrawn(pictures, found, classes)
    found += left
    told = {"labels": source.sha256} if isinstance(source, WeakLabels) else {"weights": digest(source.model.network)}
    told |= {"tolerance": options.tolerance, "keep": options.keep}
    result = WeakLabels(classes.names, "rendered", told, None, tuple(found))
    result.save(options.output)
    print(result.summary())
    if left:
        print(
            f"  {len(left)} pictures that nothing is drawn into, {left[0].name} first: they have no pose, their "
            "tracking was lost, or their scan or its frames are not here"
        )
    print(f"written to {options.output}")


def check(found: list[SceneLabels], seen: int, first: Path, options: Options) -> None:
    """Raise InputError if nothing was drawn: no frame has a picture, shows a point, or shows a labeled one."""
    if not found:
        raise InputError(
            f"pictures={options.pictures}: has no frame of {first.parent.name}/{first.name} or another scene whose "
            f"pose is known; prepare frames={options.frames} (dataset=frames), with poses"
        )
    if not seen:
        raise InputError(
            f"frames={options.frames}: {len(found)} frames see no point; poses must be in the frame of the scans (of "
            "ScanNet, prepared without align)"
        )
    if not any(entry.count for entry in found):
        source = f"labels={options.labels}" if options.checkpoint is None else f"checkpoint={options.checkpoint}"
        raise InputError(
            f"{source}: {len(found)} frames see no point with a label of weight {options.keep:g} or more; lower keep, "
            "or give more labels"
        )


def undrawn(pictures: list[Path], found: list[SceneLabels], classes: Classes) -> list[SceneLabels]:
    """Return entries without labels of the ``pictures`` that are not among those ``found``."""
    names = {entry.name for entry in found}
    left = [place for place in pictures if is_image(place) and f"{place.parent.name}/{place.name}" not in names]
    scenes = (read_scene(place, classes, with_labels=False) for place in left)
    nothing = packed(np.zeros(0), np.zeros(0), np.full(0, IGNORE))
    return [SceneLabels(scene.name, len(scene), scene.digest(), **nothing) for scene in scenes]


def labels_of_scans(options: Options) -> WeakLabels | Predictor:
    """Return the label file, or the network that labels the scans; raises InputError unless one of them is given."""
    if (options.labels is None) == (options.checkpoint is None):
        raise InputError(
            "labels, checkpoint: give one of them: a label file of the scans, or a network that labels them"
        )
    if options.checkpoint is None:
        return WeakLabels.load(str(options.labels))
    from pcseg.engine.predict import Predictor  # late: PyTorch takes seconds to load

    found = pcseg.load(options.checkpoint, options.device)
    if not isinstance(found, Predictor):
        raise InputError(f"checkpoint={options.checkpoint}: is a network of pictures; give one of point clouds")
    return found


def labeled(folder: Path, classes: Classes, source: WeakLabels | Predictor) -> tuple[Scene, np.ndarray, np.ndarray]:
    """Return the scan in ``folder``, its labels (P,) and their weights (P,) float32."""
    if not isinstance(source, WeakLabels):
        scan = source.read(folder, with_labels=False)
        return scan, *source.predict_scene(scan)
    scan = read_scene(folder, classes, with_labels=False)
    labels, weights = source.labels(scan), source.weights(scan)
    return scan, labels, np.ones(len(scan), np.float32) if weights is None else np.asarray(weights, np.float32)


def drawn(
    folder: Path, classes: Classes, source: WeakLabels | Predictor, options: Options
) -> Iterator[tuple[SceneLabels, int]]:
    """Yield the labels of each prepared picture of the scan in ``folder``, and how many of its pixels show a point."""
    from pcseg.pseudo.camera import Camera
    from pcseg.pseudo.project import nearest_points, point_spacing, warp_depth

    if is_image(folder):
        raise InputError(f"{folder}: is a picture; give the folder of the scans that the pictures show")
    frames = find_frames(Path(options.frames), f"{folder.parent.name}/{folder.name}")
    if frames is None:
        return
    scan, labels, weight = labeled(folder, classes, source)
    labels = np.where(weight >= options.keep, labels, IGNORE)
    points = scan.coord + scan.origin
    spacing = point_spacing(points)
    for name in frames.names:
        place = Path(options.pictures) / f"{scan.name}_{name}"
        frame = frames.frame(name)
        if not place.is_dir() or not frame.tracked:
            continue
        picture = read_scene(place, classes, with_labels=False)
        if picture.size is None:
            raise InputError(f"{place}: is no picture; prepare the frames (dataset=frames)")
        camera = Camera(frame.intrinsic(picture.size, str(place)), frame.pose, picture.size)
        depth = frame.depth
        if depth is not None and frame.depth_intrinsic is not None:
            seen_by = Camera(frame.depth_intrinsic, frame.pose, (depth.shape[0], depth.shape[1]))
            depth = warp_depth(depth, seen_by, camera)
        row = nearest_points(camera, points, depth, options.tolerance, spacing).reshape(-1)
        label = np.where(row < 0, IGNORE, labels[row])
        confidence = np.minimum(weight[row], HIGHEST)
        arrays = packed(label, confidence, np.full(len(row), IGNORE))
        yield SceneLabels(picture.name, len(picture), picture.digest(), **arrays), int((row >= 0).sum())


if __name__ == "__main__":
    run(main, Options)
