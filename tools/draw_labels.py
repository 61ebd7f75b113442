"""Draw a budget of labels or tags once and write it to a file that every run on it shares."""

# ruff: noqa: RUF009 (option() is dataclasses.field)

from __future__ import annotations

import sys
from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from pcseg.budgets.annotation_imports import import_annotations
from pcseg.budgets.draw import (
    classes_held,
    draw_clicks,
    draw_per_class,
    draw_points,
    draw_scenes,
    draw_tags,
    draw_uniform,
)
from pcseg.budgets.label_imports import import_clicks, import_scannet
from pcseg.budgets.picture_rules import SMALLEST, draw_boxes, draw_scribbles
from pcseg.budgets.tag_imports import import_tags
from pcseg.budgets.tags import Tags
from pcseg.budgets.weak_labels import WeakLabels
from pcseg.classes import Classes
from pcseg.command_line import check_output, option, run
from pcseg.datasets import choose_classes
from pcseg.datasets.yaml_file import read_yaml
from pcseg.errors import InputError
from pcseg.option_values import show
from pcseg.scenes.listing import list_scenes
from pcseg.scenes.scene import Scene, read_ignored, read_scene

RULES = {
    "uniform": ("fraction", "seed"),
    "per_class": ("fraction", "seed"),
    "points": ("points", "seed"),
    "clicks": ("seed",),
    "scenes": ("scenes", "fraction", "seed", "every_class"),
    "scribbles": ("smallest", "seed"),
    "boxes": ("smallest", "only"),
    "scannet": ("source",),
    "csv": ("source", "max_distance"),
    "import": ("source", "max_distance", "column", "ignore", "codes"),
    "tags": ("source", "radius", "points", "seed"),
}
"""The options of each rule, besides those of all rules."""


@dataclass
class Options:
    """Draw a budget of labels or tags from scene folders and write it to one file, with its seed, counts and hash.

    rule=uniform    a fraction of the points of each scene, e.g. fraction=0.01
    rule=per_class  a fraction of the points of each class in each scene, at least one
    rule=points     a number of points of each scene, e.g. points=20
    rule=clicks     one point of each object
    rule=scenes     all points of some scenes: a number of them, e.g. scenes=4, or a fraction; with every_class=true
                    drawn again until every class is in one of them
    rule=scribbles  pictures: a simulated curve through each connected part of a class
    rule=boxes      pictures: the simulated bounding box of each connected part of a class, e.g. only=[car,person]; of
                    several boxes over a pixel the smallest counts, and all labels have weight 0.5
    rule=scannet    an official list, e.g. source=points20
    rule=csv        your clicks, source=clicks.csv with the header scene,x,y,z,class or scene,index,class
    rule=import     the labels of another tool: source=file or folder of Supervisely, Segments.ai, labelCloud (points or
                    boxes), semantic-segmentation-editor, SemanticKITTI, CloudCompare, LAS; named as the scenes
    rule=tags       the classes in each scene or, e.g. with radius=2 points=20, in 20 balls of 2 m around random points;
                    with source=tags.csv your tags: the header scene,class or scene,class,x,y,z,radius, or a yaml
                    file with lines scene: [class, class]

    With the same seed, a smaller budget is a subset of a larger one (with every_class=true it need not be). Draw
    budgets for the training splits only.
    """

    root: str = option("folder of scenes, written by tools/prepare.py")
    splits: list[str] = option("splits to draw labels for, e.g. [Area_1,Area_2]")
    output: str = option("file to write, e.g. data/labels/1pct_seed0.npz")
    rule: str = option(
        "uniform, per_class, points, clicks, scenes, scribbles, boxes, scannet, csv, import or tags", "uniform"
    )
    fraction: float = option(
        "rules uniform, per_class: share of the points; rule scenes: of the scenes; 0.01 for 1 %", 0.01
    )
    points: int = option("rule points: points of each scene; rule tags: balls of each scene", 20)
    scenes: int | None = option("rule scenes: number of labeled scenes, 0 for training from tags; null: fraction", None)
    every_class: bool = option("rule scenes: the labeled scenes must hold every class that any scene holds", False)
    smallest: int = option("rules scribbles, boxes: pixels of the smallest part that is labeled", SMALLEST)
    only: list[str] | None = option("rule boxes: classes to draw boxes of; null: all", None)
    radius: float | None = option("rule tags: radius of the balls, in meters; null: tags of whole scenes", None)
    seed: int = option("seed of the random choice of points, scenes or curves", 0)
    source: str = option("rules scannet, csv, import: the file or folder; rule tags: your file, if you have one", "")
    max_distance: float = option("rules csv, import: farthest that a click may be from a point, in meters", 0.1)
    column: str = option("rule import: column of the labels in point files; empty: one of the usual names", "")
    ignore: list[str] = option("rule import: further names or numbers that mean no label", factory=list)
    codes: str = option("rule import: what numbers mean: classes (as in classes.yaml) or asprs", "classes")
    classes: str = option("auto (as the scenes say), s3dis, scannet20, a classes.yaml, or names: wall,floor", "auto")
    overwrite: bool = option("replace the budget that is at output", False)


def main(options: Options) -> None:
    check(options, {argument.partition("=")[0] for argument in sys.argv[1:]})
    if Path(options.output).is_file() and not options.overwrite:
        raise InputError(
            f"output={options.output}: is there already; choose another name, or overwrite=true to replace it (runs "
            "that began with it cannot be resumed then)"
        )
    folders = list_scenes(options.root, options.splits)
    classes = choose_classes(options.classes, folders[0])
    check_output(options.output, folder=False)
    names = [f"{folder.parent.name}/{folder.name}" for folder in folders]
    from_truth = options.rule not in ("csv", "import") and not (options.rule == "tags" and options.source)
    held = None
    # Closed before an error is printed, else the progress bar would share its line.
    if options.every_class:
        with closing(scenes(folders, classes, with_labels=True)) as found:
            held = classes_held(found, classes)
    with closing(scenes(folders, classes, with_labels=from_truth)) as found:
        budget = draw(options, classes, found, names, held)
    if not (options.rule == "scenes" and options.scenes == 0):
        check_not_empty(budget, options.source or f"{options.root}, {', '.join(options.splits)}")
    budget.save(options.output)
    print(budget.summary())
    if isinstance(budget, WeakLabels):
        print(table(budget))
    print(f"written to {options.output}")


def check(options: Options, typed: set[str]) -> None:
    """Raise InputError for an unknown rule, one without its file, a ``typed`` option it ignores, or a wrong suffix."""
    if options.rule not in RULES:
        raise InputError(f"rule={options.rule}: must be one of {', '.join(RULES)}")
    used = RULES[options.rule]
    if options.rule == "tags" and (options.source or options.radius is None):
        used = ("source",) if options.source else ("source", "radius")
    if options.rule == "scenes" and options.scenes is not None:
        used = ("scenes", "seed", "every_class")
    for name in dict.fromkeys(name for names in RULES.values() for name in names):
        if name in typed and name not in used:
            raise InputError(
                f"{name}={show(getattr(options, name))}: is ignored by rule={options.rule}, which here takes "
                f"{', '.join(used)}; leave it out or choose another rule"
            )
    if options.rule in ("scannet", "csv", "import") and not options.source:
        raise InputError(f"source=(none): rule={options.rule} needs a file; give source=<file>")
    own, other = (".json", ".npz") if options.rule == "tags" else (".npz", ".json")
    if Path(options.output).suffix == other:
        raise InputError(f"output={options.output}: rule={options.rule} writes no {other} file; give a name in {own}")


def draw(
    options: Options,
    classes: Classes,
    scenes: Iterable[Scene],
    names: list[str],
    held: dict[str, np.ndarray] | None = None,
) -> WeakLabels | Tags:
    """Draw the budget of ``scenes`` called ``names``; ``held``: the classes in each, where every class must occur."""
    if options.rule == "uniform":
        return draw_uniform(scenes, classes, options.fraction, options.seed)
    if options.rule == "per_class":
        return draw_per_class(scenes, classes, options.fraction, options.seed)
    if options.rule == "points":
        return draw_points(scenes, classes, options.points, options.seed)
    if options.rule == "clicks":
        return draw_clicks(scenes, classes, options.seed)
    if options.rule == "scenes":
        fraction = options.fraction if options.scenes is None else None
        return draw_scenes(scenes, classes, names, options.scenes, fraction, options.seed, held)
    if options.rule == "scribbles":
        return draw_scribbles(scenes, classes, options.seed, options.smallest)
    if options.rule == "boxes":
        return draw_boxes(scenes, classes, options.smallest, options.only)
    if options.rule == "scannet":
        return import_scannet(scenes, classes, options.source)
    if options.rule == "csv":
        return import_clicks(scenes, classes, options.source, options.max_distance)
    if options.rule == "import":
        ignore = [*options.ignore, *read_ignored(options.root)]
        choices = (options.max_distance, options.column, ignore, options.codes)
        return import_annotations(scenes, classes, options.source, *choices)
    if not options.source:
        return draw_tags(scenes, classes, options.seed, options.radius, options.points)
    listed = read_yaml(options.source) if Path(options.source).suffix in (".yaml", ".yml") else None
    return import_tags(scenes, classes, options.source, listed)


def check_not_empty(budget: WeakLabels | Tags, where: str) -> None:
    """Raise InputError, which begins with ``where``, if there is no label or tag."""
    if budget.count:
        return
    found = "has no tag" if isinstance(budget, Tags) else "has no labeled point"
    if isinstance(budget, WeakLabels) and budget.spent:
        found = f"none of its {budget.spent:,} points has a class"
    raise InputError(f"{where}: {found}, so there is nothing to train on; label points first")


def scenes(folders: list[Path], classes: Classes, with_labels: bool) -> Generator[Scene]:
    with tqdm(folders, unit="scene") as bar:
        for folder in bar:
            yield read_scene(folder, classes, with_labels=with_labels)


def table(labels: WeakLabels) -> str:
    """Return a line for each class: its labeled points, their share, and the scenes in which it has some."""
    classes = Classes(labels.classes)
    counts = labels.counts([scene.name for scene in labels.scenes], classes)
    width = max(len(name) for name in (*classes.names, "class"))
    lines = [f"  {'class':<{width}} {'labels':>10} {'share':>8} {'scenes':>7}"]
    for name, column in zip(classes.names, counts.T, strict=True):
        share = 100 * column.sum() / max(1, labels.count)
        lines.append(f"  {name:<{width}} {column.sum():>10,} {share:>6.2f} % {(column > 0).sum():>7}")
    return "\n".join(lines)


if __name__ == "__main__":
    run(main, Options)
