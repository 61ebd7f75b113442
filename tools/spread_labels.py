"""Spread the labels of a file over the surface of each scan, before any training; see --help."""

# ruff: noqa: RUF009 (option() is dataclasses.field)

from __future__ import annotations

from pcseg.command_line import check_output, option, run  # before torch: pcseg chooses how the threads wait

# isort: split

from dataclasses import asdict, dataclass
from pathlib import Path

from tqdm import tqdm

from pcseg.budgets.scene_labels import SceneLabels
from pcseg.budgets.weak_labels import WeakLabels
from pcseg.classes import Classes
from pcseg.device import set_threads
from pcseg.engine.rounds import packed
from pcseg.errors import InputError
from pcseg.pseudo import EdgeCosts, Spreading
from pcseg.scenes.scene import read_scene


@dataclass
class Options:
    """Spread the labels of a file to the other points of its scenes, and write a label file with confidences.

    python tools/spread_labels.py root=data/s3dis labels=data/s3dis_labels/1pct_seed0.npz output=data/spread.npz
    python tools/train.py experiment=s3dis labels.file=data/spread.npz method=soft_labels

    Only scans and the given labels are read. Given labels keep weight 1; a spread label has its confidence as weight,
    by which training weighs it. The file holds the hash of the one it was made from.
    rule=paths  by the cheapest paths over the surface to a label of each class; the confidence is their margin
    rule=walk   by the labels at which random walks over the surface end; slower
    """

    root: str = option("folder of scenes, written by tools/prepare.py")
    labels: str = option("label file written by tools/draw_labels.py")
    output: str = option("label file to write, e.g. data/labels/1pct_seed0_spread.npz")
    rule: str = option("paths or walk", "paths")
    keep: float = option("smallest confidence of a label, 0 to 1", 0.5)
    voxel_size: float | None = option("merge points of voxels of this size in meters; null: no merging", None)
    neighbors: int = option("nearest points that a point is joined with", 10)
    distance: float = option("cost of an edge: weight of its length, over the median length", EdgeCosts.distance)
    normal: float = option("cost of an edge: weight of the turn of the surface, 1 - |cosine|", EdgeCosts.normal)
    color: float = option("cost of an edge: weight of the mean difference of colors in 0 to 1", EdgeCosts.color)
    attributes: list[str] = option("cost of an edge: further columns with weights, e.g. [intensity:2]", factory=list)
    beta: float = option("rule walk: how strongly costs keep a walk away from an edge", Spreading.beta)
    leak: float = option("rule walk: how fast confidence falls with distance", Spreading.leak)
    threads: int | None = option("CPU threads; null for all cores", None)
    overwrite: bool = option("replace the file that is at output", False)


def main(options: Options) -> None:
    costs = EdgeCosts(options.distance, options.normal, options.color, weights(options.attributes))
    walk = {"beta": options.beta, "leak": options.leak}
    spreading = Spreading(options.rule, costs, options.voxel_size, options.neighbors, **walk, keep=options.keep)
    if options.threads is not None:
        set_threads(options.threads)
    check_output(options.output, folder=False)
    if Path(options.output).is_file() and not options.overwrite:
        raise InputError(f"output={options.output}: is there already; choose another name, or overwrite=true")
    given = WeakLabels.load(options.labels)
    classes = Classes(given.classes)
    folders = [Path(options.root) / scene.name for scene in given.scenes]
    with tqdm(folders, desc="spread", unit="scene") as bar:  # closed before an error is printed
        found = tuple(spread(folder, classes, given, spreading) for folder in bar)
    labels = WeakLabels(classes.names, "spread", {"budget": given.sha256, **asdict(spreading)}, None, found)
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


def spread(folder: Path, classes: Classes, given: WeakLabels, spreading: Spreading) -> SceneLabels:
    """Return the spread labels of the scene in ``folder``."""
    scene = read_scene(folder, classes, with_labels=False, columns=spreading.costs.attributes)
    known = given.labels(scene)
    try:
        graph = spreading.graph(scene.coord, scene.attributes)
    except InputError as error:
        raise InputError(f"{folder}: {error}") from error
    found = packed(*spreading(graph, known, len(classes)), known)
    return SceneLabels(scene.name, len(scene), scene.digest(), **found)


if __name__ == "__main__":
    run(main, Options)
