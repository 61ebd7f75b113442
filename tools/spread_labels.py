"""Spread the labels of a file over the surface of each scan, before any training; see --help."""

# ruff: noqa: RUF009 (option() is dataclasses.field)

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from pcseg.budgets.scene_labels import SceneLabels, packed
from pcseg.budgets.tags import Tags
from pcseg.budgets.weak_labels import WeakLabels
from pcseg.classes import Classes
from pcseg.command_line import check_output, option, run
from pcseg.defaults import BETA, COLOR, DISTANCE, LEAK, NORMAL, REACH, SMOOTH
from pcseg.device import set_threads
from pcseg.errors import InputError
from pcseg.feeding.computed import measured
from pcseg.feeding.features import Features
from pcseg.scenes.scene import Scene, read_scene

if TYPE_CHECKING:
    from pcseg.engine.spread_scenes import SceneSpreading
    from pcseg.pseudo import Forest, Spreading


@dataclass
class Options:
    """Spread the labels of a file to the other points of its scenes, and write a label file with confidences.

    python tools/spread_labels.py root=data/s3dis labels=data/s3dis_labels/1pct_seed0.npz output=data/spread.npz
    python tools/train.py experiment=s3dis labels.file=data/spread.npz method=soft_labels

    A forest learns from the labels of all scenes what each class looks like: its shape, size and height, and its
    `features`. Where labels were drawn at random it learns how far to trust paths, too. From tags it learns classes
    where they are said to be; with tags of balls in ten scenes or more no point needs a label (a label file without
    one: tools/draw_labels.py rule=scenes scenes=0).

    Only scans and the given labels are read. Given labels keep weight 1; a spread label has its confidence as weight,
    by which training weighs it. Classes weigh as much as their shares of the labels drawn at random or, of others such
    as clicks, of the labels once spread (with tags, of both), and more labels are kept of those that spread badly. The
    file holds the hash of the one it was made from.
    rule=paths  by the cheapest paths over the surface to a label of each class; the confidence is their margin
    rule=walk   by the labels at which random walks over the surface end; slower
    features=[] without a forest: twice as fast
    """

    root: str = option("folder of scenes, written by tools/prepare.py")
    labels: str = option("label file written by tools/draw_labels.py")
    output: str = option("label file to write, e.g. data/labels/1pct_seed0_spread.npz")
    tags: str | None = option("tag file written by tools/draw_labels.py: which classes are around, and which not", None)
    rule: str = option("paths or walk", "paths")
    keep: float = option("smallest confidence of a label, 0 to 1; less for classes that balance lifts", 0.5)
    voxel_size: float | None = option(
        "merge points of voxels of this size in meters, of pictures in pixels; null: no merging", None
    )
    neighbors: int = option("nearest points that a point is joined with", 10)
    distance: float = option("cost of an edge: weight of its length, over the median length", DISTANCE)
    normal: float = option("cost of an edge: weight of the turn of the surface, 1 - |cosine|", NORMAL)
    color: float = option("cost of an edge: weight of the mean difference of colors in 0 to 1", COLOR)
    attributes: list[str] = option("cost of an edge: further columns with weights, e.g. [intensity:2]", factory=list)
    features: list[str] = option(
        "what the forest sees beside shapes: as data.features of tools/train.py", factory=lambda: ["optional_color"]
    )
    reach: float = option("cost of a path at which a label counts no more than the forest", REACH)
    smooth: float = option("even labels out in scans with colors: the higher, the less; 0: not at all", SMOOTH)
    beta: float = option("how strongly costs keep a walk away from an edge", BETA)
    leak: float = option("rule walk: how soon walks are given up, and end at what the forest says", LEAK)
    balance: bool = option("choose and weigh labels by the shares of the classes", True)
    threads: int | None = option("CPU threads; null for all cores", None)
    overwrite: bool = option("replace the file that is at output", False)


def main(options: Options) -> None:
    from pcseg.pseudo import EdgeCosts, Spreading  # late: PyTorch takes seconds to load

    costs = EdgeCosts(options.distance, options.normal, options.color, weights(options.attributes))
    rest = {name: getattr(options, name) for name in ("beta", "leak", "reach", "smooth", "keep")}
    spreading = Spreading(options.rule, costs, options.voxel_size, options.neighbors, **rest)
    if options.threads is not None:
        set_threads(options.threads)
    check_output(options.output, folder=False)
    if Path(options.output).is_file() and not options.overwrite:
        raise InputError(f"output={options.output}: is there already; choose another name, or overwrite=true")
    given = WeakLabels.load(options.labels)
    if not given.count and options.tags is None:
        raise InputError(f"labels={options.labels}: there is none to spread; label points first, or give tags=")
    if not given.count and not options.features:
        raise InputError("features=[]: no point has a label, and tags need a forest; name features of the points")
    classes = Classes(given.classes)
    folders = [Path(options.root) / scene.name for scene in given.scenes]
    spread = scene_spreading(spreading, options, classes, folders, given)
    forest = learned(spread, folders, given)

    def label(folder: Path) -> SceneLabels:
        scene, known = scene_and_labels(folder, classes, given)
        return SceneLabels(scene.name, len(scene), scene.digest(), **packed(*spread(folder, known, forest), known))

    found = each_scene(label, "spread", folders, given)
    labels = WeakLabels(
        classes.names, "spread", {"budget": given.sha256, **spread.source()}, None, spread.weighed(found)
    )
    labels.save(options.output)
    print(f"{labels.summary()}\nwritten to {options.output}")


def weights(attributes: list[str]) -> dict[str, float]:
    """Return the weight of each column, from texts such as "intensity:2"."""
    found = {}
    for text in attributes:
        name, _, number = text.partition(":")
        try:
            found[name] = float(number or 1)
        except ValueError as error:
            raise InputError(f"attributes={text}: write column:weight, such as intensity:2") from error
    return found


def scene_spreading(
    spreading: Spreading, options: Options, classes: Classes, folders: list[Path], given: WeakLabels
) -> SceneSpreading:
    """Return what spreads labels over the scenes in ``folders``."""
    tags = read_tags(options.tags, classes, given)
    from pcseg.engine.spread_scenes import VOXEL_SIZE, SceneSpreading  # late: PyTorch takes seconds to load

    voxel_size = options.voxel_size or VOXEL_SIZE
    features = measured(Features(options.features), folders, classes, voxel_size) if options.features else None
    names = [scene.name for scene in given.scenes]
    shares = given.shares(names, classes) if options.balance else None
    return SceneSpreading(spreading, classes, features, voxel_size, given.at_random, shares, options.balance, tags)


def read_tags(path: str | None, classes: Classes, given: WeakLabels) -> Tags | None:
    """Return the tags in a file; raises InputError where they do not cover a scene of the ``given`` labels."""
    if path is None:
        return None
    tags = Tags.load(path)
    if tags.rule == "labels":
        raise InputError(f"tags={path}: tells the classes of labels, not all that are there; draw tags, rule=tags")
    try:
        tags = tags.ordered(classes)
        for scene in given.scenes:
            tags.scene(scene.name)
    except InputError as error:
        raise InputError(f"tags={path}: {error}") from error
    return tags


def learned(spread: SceneSpreading, folders: list[Path], given: WeakLabels) -> Forest | None:
    """Return the forest that learned from the labels of all scenes, and from their tags; None without features."""
    from pcseg.engine.spread_forest import Learn, learned_forest  # late: PyTorch takes seconds to load

    def each(title: str, learn: Learn) -> list[dict[str, np.ndarray]]:
        def work(folder: Path) -> dict[str, np.ndarray]:
            return learn(folder, scene_and_labels(folder, spread.classes, given)[1])

        return each_scene(work, title, folders, given)

    return learned_forest(spread, each, folders)


def each_scene(work: Callable[[Path], Any], title: str, folders: list[Path], given: WeakLabels) -> list[Any]:
    """Return what ``work`` makes of each folder, with a bar of progress."""
    from pcseg.engine.spread_scenes import overlapped  # late: PyTorch takes seconds to load

    done = overlapped(work, folders, max(scene.points for scene in given.scenes))
    with tqdm(done, desc=title, unit="scene", total=len(folders)) as bar:  # closed before an error is printed
        return list(bar)


def scene_and_labels(folder: Path, classes: Classes, given: WeakLabels) -> tuple[Scene, np.ndarray]:
    """Return the scene in ``folder`` and its given labels (P,)."""
    scene = read_scene(folder, classes, with_labels=False)
    return scene, given.given(scene)


if __name__ == "__main__":
    run(main, Options)
