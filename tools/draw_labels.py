"""Draw a label budget once and write it to a file that every run on it shares."""

# ruff: noqa: RUF009 (option() is dataclasses.field)

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from pcseg.budgets.draw import draw_clicks, draw_per_class, draw_points, draw_uniform
from pcseg.budgets.label_imports import import_clicks, import_scannet
from pcseg.budgets.weak_labels import WeakLabels
from pcseg.classes import Classes
from pcseg.command_line import check_output, option, run
from pcseg.datasets import choose_classes
from pcseg.errors import InputError
from pcseg.scenes.scene import Scene, list_scenes, read_scene

RULES = ("uniform", "per_class", "points", "clicks", "scannet", "csv")


@dataclass
class Options:
    """Draw a label budget from scene folders and write it to one file, with its seed, counts and hash.

    rule=uniform    fraction of the points of each scene            rule=per_class  fraction of each class, at least one
    rule=points     so many points of each scene                    rule=clicks     one point of each object
    rule=scannet    an official list (source=.../points20)          rule=csv        own clicks (source=clicks.csv) with
                                                                    the header scene,x,y,z,class or scene,index,class

    With one seed, a smaller budget is a subset of a larger one. Draw labels for the training splits only.
    """

    root: str = option("folder of scenes, written by tools/prepare.py")
    splits: list[str] = option("splits to draw labels for, e.g. [Area_1,Area_2]")
    output: str = option("file to write, e.g. data/labels/1pct_seed0.npz")
    rule: str = option("uniform, per_class, points, clicks, scannet or csv", "uniform")
    fraction: float = option("rules uniform and per_class: share of the points, 0.01 for 1 %", 0.01)
    points: int = option("rule points: points of each scene", 20)
    seed: int = option("rules uniform, per_class, points, clicks", 0)
    source: str = option("rules scannet and csv: the file", "")
    max_distance: float = option("rule csv: farthest that a click may be from a point, in meters", 0.1)
    classes: str = option("auto (as the scenes say), s3dis, scannet20, a classes.yaml, or names: wall,floor", "auto")
    overwrite: bool = option("replace the budget that is at output", False)


def main(options: Options) -> None:
    if options.rule not in RULES:
        raise InputError(f"rule={options.rule}: must be one of {', '.join(RULES)}")
    if (options.rule in ("scannet", "csv")) != bool(options.source):
        raise InputError(
            f"source={options.source or '(none)'}: to be given for the rules scannet and csv, and only there"
        )
    if Path(options.output).is_file() and not options.overwrite:
        raise InputError(
            f"output={options.output}: is there already; choose another name, or overwrite=true to replace it (runs that "
            "began with it cannot be resumed then)"
        )
    folders = list_scenes(options.root, options.splits)
    classes = choose_classes(options.classes, folders[0])
    check_output(options.output, folder=False)
    # Closed, whatever happens, before an error is told: its bar would share the line.
    with closing(scenes(folders, classes, with_labels=options.rule != "csv")) as found:
        labels = draw(options, classes, found)
    if not labels.count:
        where = options.source or f"{options.root}, {', '.join(options.splits)}"
        found = f"none of its {labels.spent:,} points has a class" if labels.spent else "has no labeled point"
        raise InputError(f"{where}: {found}, so there is nothing to train on; label points first")
    labels.save(options.output)
    print(f"{labels.summary()}\n{table(labels)}\nwritten to {options.output}")


def draw(options: Options, classes: Classes, scenes: Iterable[Scene]) -> WeakLabels:
    if options.rule == "uniform":
        return draw_uniform(scenes, classes, options.fraction, options.seed)
    if options.rule == "per_class":
        return draw_per_class(scenes, classes, options.fraction, options.seed)
    if options.rule == "points":
        return draw_points(scenes, classes, options.points, options.seed)
    if options.rule == "clicks":
        return draw_clicks(scenes, classes, options.seed)
    if options.rule == "scannet":
        return import_scannet(scenes, classes, options.source)
    return import_clicks(scenes, classes, options.source, options.max_distance)


def scenes(folders: list[Path], classes: Classes, with_labels: bool) -> Generator[Scene]:
    with tqdm(folders, unit="scene") as bar:
        for folder in bar:
            yield read_scene(folder, classes, with_labels=with_labels)


def table(labels: WeakLabels) -> str:
    """A line for each class: its labeled points, and the scenes in which it has any."""
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
