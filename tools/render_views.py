"""Take pictures of scans that have no photographs, by virtual cameras; see --help."""

# ruff: noqa: RUF009 (option() is dataclasses.field)

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from pcseg.classes import Classes
from pcseg.command_line import check_output, option, run
from pcseg.datasets import choose_classes
from pcseg.errors import InputError
from pcseg.feeding.computed import PERCENTILES, measured, with_computed
from pcseg.feeding.features import Features
from pcseg.feeding.points import make_points
from pcseg.files import read_json, write_json
from pcseg.same_settings import check_same
from pcseg.scenes.listing import is_image, list_scenes
from pcseg.scenes.scene import Scene, list_columns, read_scene

VOXEL_SIZE = 0.1
"""Meters; tells strays from the bulk of a scan where features are computed."""

SAMPLED = 20_000
"""Points of a scan, evenly spaced in its order, that the ranges of the channels are measured on."""


@dataclass
class Options:
    """Take pictures of scans by virtual cameras, as frames with poses, for networks of pictures.

    python tools/render_views.py root=data/als 'splits=[train,val]' output=data/als_views \\
        'channels=[intensity,ground_height,number_of_returns]'
    python tools/prepare.py dataset=frames input=data/als_views output=data/als_frames
    python tools/render_labels.py root=data/als 'splits=[train]' labels=data/als_labels/1pct_seed0.npz \\
        frames=data/als_views pictures=data/als_frames output=data/als_frames_labels/1pct.npz
    python tools/train.py experiment=frames data.root=data/als_frames 'data.train=[train]' 'data.test=[val]' \\
        labels.file=data/als_frames_labels/1pct.npz output=outputs/als_views
    python tools/lift_labels.py root=data/als 'splits=[val]' frames=data/als_views checkpoint=outputs/als_views \\
        output=data/lifted.npz

    cameras=above   over scans of the open, such as airborne ones: straight down and from four sides
    cameras=inside  at free places in scanned rooms, all around

    Channels are scaled so that their 1st to 99th percentile over the scans spans 0 to 255, colors not; views.json in
    the output keeps these ranges, for scans that are added later, which take all settings of the pictures that are
    there. Label pictures, of the true labels where a scan has some, are for scoring: render_labels.py draws those of a
    budget.
    """

    root: str = option("folder of scenes, written by tools/prepare.py")
    splits: list[str] = option("splits to take pictures of, e.g. [train,val]")
    output: str = option("folder to write: <split>/<scene>/color, pose, intrinsic, label")
    cameras: str = option("above or inside", "above")
    channels: list[str] = option("red, green and blue: color, or three features or columns", factory=lambda: ["color"])
    size: list[int] = option("rows and columns of a picture", factory=lambda: [240, 320])
    field: float = option("degrees of view along the width", 60.0)
    resolution: float | None = option("above: meters of a pixel; null: twice the median spacing of the points", None)
    tilts: list[float] = option(
        "above: degrees from straight down; each but 0 from four sides", factory=lambda: [0, 45]
    )
    overlap: float = option("above: share of their width and height that neighboring pictures share", 0.5)
    step: float = option("inside: smallest distance of two places in meters", 2.0)
    height: float = option("inside: meters above the floor", 1.6)
    truth: bool = option("write label pictures of scans whose labels are known", True)
    classes: str = option("auto (as the scenes say), s3dis, scannet20, a classes.yaml, or names: wall,floor", "auto")
    overwrite: bool = option("take pictures again of scans that have them", False)


@dataclass(frozen=True)
class Channels:
    """The features that become red, green and blue; values of ``ranges``, low to high of each, become 0 to 255."""

    features: Features
    ranges: tuple[tuple[float, float], ...]

    def values(self, folder: Path, scene: Scene) -> np.ndarray:
        """Return the channels (P, 3) float32 of the scene in ``folder``, before they are scaled."""
        self.features.check(scene.name, [*scene.attributes, *list_columns(folder)])
        return self.features(make_points(with_computed(self.features, scene, folder, VOXEL_SIZE)))

    def __call__(self, folder: Path, scene: Scene) -> np.ndarray:
        """Return the colors (P, 3) uint8 of the scene in ``folder``."""
        low, high = np.array(self.ranges, dtype=np.float32).T
        return np.round(255 * np.clip((self.values(folder, scene) - low) / (high - low), 0, 1)).astype(np.uint8)


def main(options: Options) -> None:
    if options.cameras not in ("above", "inside"):
        raise InputError(f"cameras={options.cameras}: give above or inside")
    if len(options.size) != 2 or not 8 <= min(options.size) <= max(options.size) <= 10_000:
        raise InputError(f"size={options.size}: give rows and columns of a picture, each 8 to 10000")
    features = Features(options.channels)
    if features.width != 3:
        raise InputError(f"channels={options.channels}: are {features.width}; give color, or three others")
    check_output(options.output, folder=True)
    folders = list_scenes(options.root, options.splits)
    classes = choose_classes(options.classes, folders[0])
    check_alike(folders, classes, options)
    channels = known_channels(features, folders, classes, options)
    count, empty = 0, []
    with tqdm(folders, desc="views", unit="scene") as bar:  # closed before an error is printed
        for folder in bar:
            target = Path(options.output) / folder.parent.name / folder.name
            if target.exists() and not options.overwrite:
                continue
            taken = take(folder, target, channels, classes, options)
            count += taken
            empty += [] if taken else [folder]
    print(f"{count} pictures of {options.size[1]} x {options.size[0]} pixels written to {options.output}")
    if empty:
        print(f"  {len(empty)} scans without a place for a camera, {empty[0]} first")


def take(folder: Path, target: Path, channels: Channels, classes: Classes, options: Options) -> int:
    """Write the pictures of the scan in ``folder`` to ``target`` and return how many they are."""
    from pcseg.pseudo.view_files import write_views  # late: PyTorch takes seconds to load
    from pcseg.pseudo.virtual import station_cameras, virtual_cameras

    if is_image(folder):
        raise InputError(f"{folder}: is a picture; give the folder of scans")
    scene = read_scene(folder, classes, with_labels=options.truth, columns=channels.features.columns)
    points, size = scene.coord + scene.origin, (options.size[0], options.size[1])
    try:
        if options.cameras == "inside":
            cameras = station_cameras(points, size, options.step, options.height, field=options.field)
        else:
            cameras = virtual_cameras(
                points, size, options.resolution, tuple(options.tilts), options.field, options.overlap
            )
    except InputError as error:
        raise InputError(f"{folder}: {error}") from error
    if not cameras:
        return 0
    labels = None if scene.segment is None else np.asarray(scene.segment, dtype=np.int64)
    settings = picture_settings(classes, options)
    return write_views(target, cameras, points, channels(folder, scene), labels, classes.names, settings)


def picture_settings(classes: Classes, options: Options) -> dict[str, Any]:
    """Return the settings that decide what the pictures of a scan look like, beside the channels."""
    special = ("step", "height") if options.cameras == "inside" else ("resolution", "tilts", "overlap")
    found = {name: getattr(options, name) for name in ("cameras", "size", "field", *special)}
    return found | {"classes": list(classes.names)}


def check_alike(folders: list[Path], classes: Classes, options: Options) -> None:
    """Raise InputError where pictures in the output that stay were taken with other settings."""
    from pcseg.pseudo.view_files import SETTINGS  # late: PyTorch takes seconds to load

    output = Path(options.output)
    again = {output / folder.parent.name / folder.name for folder in folders} if options.overwrite else set()
    now = picture_settings(classes, options)
    if not options.truth:
        del now["classes"]  # no label picture is written
    for target in sorted({path.parent for path in output.glob("*/*/color")} - again):
        if target.name.startswith("."):
            continue
        note = target / SETTINGS
        if not note.is_file():  # of a version that kept none
            continue
        before = read_json(note)
        before = {name: before.get(name) for name in now} if isinstance(before, dict) else {}
        check_same(note, before, now, "give another output, or overwrite=true and all splits that are there")


def known_channels(features: Features, folders: list[Path], classes: Classes, options: Options) -> Channels:
    """Return the channels of views.json in the output; without it those measured on ``folders``, which it then keeps.

    Raises InputError where it was written with other channels.
    """
    path = Path(options.output) / "views.json"
    if path.is_file():
        known = read_json(path)
        known = known if isinstance(known, dict) else {}
        check_same(path, {"channels": known.get("channels")}, {"channels": options.channels}, "give another output")
        try:
            ranges = tuple((float(low), float(high)) for low, high in known["ranges"])
            return Channels(Features.from_json(known["features"]), ranges)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path}: holds no ranges of channels; remove the folder {options.output}") from error
    features = measured(features, folders, classes, VOXEL_SIZE)
    found = []
    for folder in folders:
        scene = read_scene(folder, classes, with_labels=False, columns=features.columns)
        values = Channels(features, ()).values(folder, scene)
        found.append(values[np.linspace(0, len(scene) - 1, min(len(scene), SAMPLED)).astype(np.int64)])
    spans = np.percentile(np.concatenate(found), PERCENTILES, axis=0)
    spans[1] = np.where(spans[1] > spans[0], spans[1], spans[0] + 1)
    ranges = [(-0.5, 0.5)] * 3 if "color" in options.channels else list(zip(*spans.tolist(), strict=True))
    write_json(path, {"channels": options.channels, "features": features.to_json(), "ranges": ranges})
    return Channels(features, tuple(ranges))


if __name__ == "__main__":
    run(main, Options)
