"""Lift labels and features of pictures to the points of scans, and report."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

import pcseg
from pcseg.budgets.scene_labels import SceneLabels, packed
from pcseg.budgets.weak_labels import WeakLabels
from pcseg.checks import above_zero, from_zero_to_one
from pcseg.classes import IGNORE, Classes
from pcseg.command_line import check_output
from pcseg.datasets import choose_classes
from pcseg.datasets.soft_frames import SoftFrames, open_soft_frames
from pcseg.engine.predict_pictures import PicturePredictor
from pcseg.engine.rounds import digest
from pcseg.errors import InputError
from pcseg.formats.frames import Frames, find_frames
from pcseg.pseudo.frame_views import FrameViews, LabelPictures, PredictedPictures
from pcseg.pseudo.lift import Lifted, lift
from pcseg.pseudo.lifted_scenes import FeatureLifting, file_digest
from pcseg.pseudo.picture_features import open_features
from pcseg.scenes.arrays import pixel_places
from pcseg.scenes.listing import list_scenes
from pcseg.scenes.scene import Scene, read_scene

if TYPE_CHECKING:
    from lift_labels import Options

SHOWN = 10
"""Remarks on the frames that are printed."""


@dataclass
class Counts:
    """Sums over all scenes: views taken and what was found in them."""

    taken: int = 0
    lost: int = 0
    without_depth: int = 0
    seen: dict[str, float] = field(default_factory=dict)
    without_frames: list[str] = field(default_factory=list)
    remarks: Counter[tuple[str, str]] = field(default_factory=Counter)
    digest: Any = field(default_factory=hashlib.sha256)


def lift_all(options: Options) -> None:
    """Lift labels, or features, to the points of all scenes and write them."""
    above_zero(tolerance=options.tolerance, every=options.every)
    from_zero_to_one(keep=options.keep)
    if not Path(options.frames).is_dir():
        raise InputError(f"frames={options.frames}: no such folder; give the one with a folder of frames a scene")
    if options.features is not None:
        check_output(options.output, folder=True)
        network = open_features(options.features, options.side, options.layer)
        source = {"weights": file_digest(options.features), "layer": options.layer, "side": options.side}
        lifting = FeatureLifting(network, source, options.components, options.every, options.tolerance)
        shares = lifting.write(options.root, options.splits, options.frames, options.output, options.overwrite)
        seen = f"{100 * np.mean(shares or [0]):.1f} %"
        print(f"{len(shares)} scenes written to {options.output}; their frames see {seen} of the points")
        return
    check_output(options.output, folder=False)
    if Path(options.output).is_file() and not options.overwrite:
        raise InputError(f"output={options.output}: is there already; choose another name, or overwrite=true")
    folders = list_scenes(options.root, options.splits)
    classes = choose_classes(options.classes, folders[0])
    budget = None if options.budget is None else WeakLabels.load(options.budget)
    network = None if options.checkpoint is None else picture_network(options.checkpoint, options.device, classes)
    counts, found = Counts(), []
    with tqdm(folders, desc="lift", unit="scene") as bar:  # closed before an error is printed
        for folder in bar:
            scene = read_scene(folder, classes, with_labels=False)
            if scene.size is not None:
                raise InputError(f"{folder}: is a picture; give the folder of the scans that the pictures show")
            known = np.full(len(scene), IGNORE) if budget is None else budget.given(scene)
            lifted = lifted_labels(scene, classes, options, counts, network)
            labels = np.where(lifted.confidence >= options.keep, lifted.labels, IGNORE)
            arrays = packed(labels, lifted.confidence, known)
            found.append(SceneLabels(scene.name, len(scene), scene.digest(), **arrays))
    check(counts, options)
    source = {"views": counts.digest.hexdigest(), "budget": None if budget is None else budget.sha256}
    source |= {name: getattr(options, name) for name in ("every", "tolerance", "keep")}
    source |= {} if network is None else {"weights": digest(network.model.network)}
    result = WeakLabels(classes.names, "lifted", source, None, tuple(found))
    result.save(options.output)
    print(f"{report(counts)}\n{result.summary()}\nwritten to {options.output}")


def picture_network(checkpoint: str, device: str, classes: Classes) -> PicturePredictor:
    """Return the network of pictures at ``checkpoint``; raises InputError for one of clouds or of other classes."""
    found = pcseg.load(checkpoint, device)
    if not isinstance(found, PicturePredictor):
        raise InputError(
            f"checkpoint={checkpoint}: is a network of point clouds; give one that was trained on pictures"
        )
    if set(found.classes) != set(classes.names):
        other = ", ".join(sorted(set(found.classes) ^ set(classes.names)))
        raise InputError(f"checkpoint={checkpoint}: it and the scenes differ in the classes {other}; train it on those")
    return found


def probabilities(network: PicturePredictor, classes: Classes, color: np.ndarray) -> np.ndarray:
    """Return the probabilities (H, W, K), in the order of ``classes``, of the pixels of ``color`` (H, W, 3) uint8."""
    size = (color.shape[0], color.shape[1])
    picture = Scene(pixel_places(*size), {"color": color.reshape(-1, 3)}, classes=classes.names, size=size)
    order = [network.classes.index(name) for name in classes.names]
    return network.probabilities(picture).reshape(*size, -1)[..., order]


def pictures(
    scene: Scene, frames: Frames, classes: Classes, options: Options, network: PicturePredictor | None
) -> LabelPictures | None:
    """Return the label pictures of ``frames``, drawn or predicted; None where there are none."""
    if network is not None:
        return PredictedPictures(frames, partial(probabilities, network, classes))
    folder = label_folder(options, scene.name)
    return None if folder is None else open_soft_frames(folder, classes, options.ids)


def lifted_labels(
    scene: Scene, classes: Classes, options: Options, counts: Counts, network: PicturePredictor | None
) -> Lifted:
    """Return the labels that the frames of a scene give its points; ``counts`` gains what was found."""
    frames = find_frames(Path(options.frames), scene.name)
    labels = None if frames is None else pictures(scene, frames, classes, options, network)
    if frames is None or labels is None:
        counts.without_frames.append(scene.name)
        return Lifted(np.zeros((len(scene), len(classes)), np.float32), np.zeros(len(scene), np.int32))
    views = FrameViews(frames, labels, options.every)
    lifted = lift(scene.coord + scene.origin, views, len(classes), options.tolerance)
    counts.taken += len(views.names) - views.lost
    counts.lost += views.lost
    counts.without_depth += views.without_depth
    counts.seen[scene.name] = float((lifted.views > 0).mean())
    counts.remarks.update({(remark.found, remark.action) for remark in frames.remarks})
    foreign = labels.foreign if isinstance(labels, SoftFrames) else ()
    counts.remarks.update((f"'{name}' is none of the classes", "unlabeled") for name in foreign)
    counts.digest.update(views.digest.digest())
    return lifted


def label_folder(options: Options, scene: str) -> Path | None:
    """Return the folder of the label pictures of the scene ``split/name``; None where there is none."""
    name, frames, labels = scene.rpartition("/")[2], Path(options.frames), Path(options.labels)
    inside = [] if labels.is_absolute() else [frames / scene / labels, frames / name / labels]
    return next((folder for folder in [*inside, labels / scene, labels / name] if folder.is_dir()), None)


def check(counts: Counts, options: Options) -> None:
    """Raise InputError if no frame was found, or no point was seen in any."""
    if not counts.seen:
        raise InputError(
            f"frames={options.frames}: no frames with labels={options.labels} of {counts.without_frames[0]} or another "
            "scene; give the folder of <split>/<scene>/pose or <scene>.sens, and that of the label pictures"
        )
    if not max(counts.seen.values()):
        raise InputError(
            f"frames={options.frames}: {counts.taken} frames see no point ({counts.lost} more lost tracking); poses "
            "must be in the frame of the scans (of ScanNet, prepared without align)"
        )


def report(counts: Counts) -> str:
    """Return lines on the frames and on how much of the scans they see."""
    low, high = min(counts.seen, key=counts.seen.__getitem__), max(counts.seen, key=counts.seen.__getitem__)
    share = 100 * float(np.mean(list(counts.seen.values())))
    lines = [
        f"{counts.taken} frames of {len(counts.seen)} scenes; they see {share:.1f} % of a scene's points, from "
        f"{100 * counts.seen[low]:.1f} % ({low}) to {100 * counts.seen[high]:.1f} % ({high})"
    ]
    if counts.lost:
        lines.append(f"  {counts.lost} frames skipped: tracking was lost (their pose holds NaN or infinity)")
    if counts.without_depth:
        lines.append(f"  {counts.without_depth} frames without depth: what they see is told by the points")
    if counts.without_frames:
        first = counts.without_frames[0]
        lines.append(f"  {len(counts.without_frames)} scenes without labeled frames, {first} first: no label is lifted")
    shown = counts.remarks.most_common(SHOWN)
    lines += [f"  {found}; {action} ({times} scenes)" for (found, action), times in shown]
    return "\n".join(lines)
