"""Check a data set before an hour of training fails on it."""

from __future__ import annotations

import re
from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from pcseg.command_line import option, run
from pcseg.datasets import SceneReader, open_dataset
from pcseg.datasets.class_file import open_classes
from pcseg.datasets.inspection import Facts, Finding, inspect, judge, suggest_voxel_size, written
from pcseg.datasets.prepare import REPORT, Summary, left_behind, read_summary
from pcseg.datasets.prepared_pictures import is_prepared_pictures, open_prepared_pictures
from pcseg.errors import InputError
from pcseg.workers import Died, count_workers, in_processes


@dataclass
class Options:
    """Inspect a prepared folder (or a raw one): points, classes, colors, labels, density, and faults; of pictures their
    sizes.

    Exit code 2 when something must be fixed before training, a scene that tools/prepare.py failed on included. Problems
    that it worked around are listed too, file by file.
    """

    root: str = option("prepared folder, or raw data")
    dataset: str = option("pointcept (any prepared folder), another of tools/prepare.py, or auto", "auto")
    classes: str | None = option("classes, if the folder does not name them: s3dis, scannet20 or a classes.yaml", None)
    workers: int = option("processes, 0 for one a core", 0)


def main(options: Options) -> None:
    workers = count_workers(options.workers)
    summary = read_summary(options.root)
    if summary and summary.failed and not summary.prepared and not summary.already_there:
        name, error = summary.failed[0]
        where = f"tools/prepare.py (see {Path(options.root) / REPORT})"
        raise InputError(f"{options.root}: all {len(summary.failed)} scenes failed in {where}; {name}: {error}")
    reader = open_reader(options)
    classes = reader.classes.names
    facts: list[Facts] = []
    findings = [Finding("all", str(remark), False) for remark in reader.remarks()]
    names = reader.scenes()
    with closing(in_processes(partial(look, reader, len(classes)), names, workers)) as done:
        for name, result in tqdm(done, total=len(names), desc="check", unit="scene"):
            if isinstance(result, Died):
                findings.append(Finding(name, f"{result.reason}; its file is damaged or too large", True))
            else:
                facts += result[0]
                findings += result[1]
    facts.sort(key=lambda f: names.index(f.name))
    findings += judge(facts, classes)
    findings += reported(summary, options.root, names, "pictures" if any(f.size for f in facts) else "scenes")
    if facts:
        print(split_table(facts))
        print()
        print(class_table(facts, classes))
        print()
        if not any(f.size for f in facts):
            print(f"suggested voxel size: {suggest_voxel_size(facts):g} m (larger ones train faster and lose detail)\n")
    faults = [finding for finding in findings if finding.fault]
    for finding in [*faults, *(finding for finding in findings if not finding.fault)]:
        print(f"{'MUST FIX' if finding.fault else 'note'}: {finding.scene}: {finding.text}")
    if faults:
        raise InputError(f"{options.root}: faults to fix: {len(faults)}; they are listed above as MUST FIX")
    print("nothing must be fixed")


def open_reader(options: Options) -> SceneReader:
    """Return the reader of a prepared or a raw folder."""
    if options.dataset in ("auto", "pointcept") and is_prepared_pictures(options.root):
        classes = None if options.classes is None else open_classes(options.classes).classes
        return open_prepared_pictures(options.root, classes)
    return open_dataset(options.root, options.dataset, {"classes": options.classes})


def look(reader: SceneReader, n_classes: int, name: str) -> tuple[list[Facts], list[Finding]]:
    """Return the measurements of one scene, and its defects."""
    try:
        scene, defects = reader.read(name)
        return [inspect(scene, n_classes)], [Finding(name, str(defect), False) for defect in defects]
    except (KeyboardInterrupt, SystemExit):
        raise
    except InputError as error:
        return [], [Finding(name, str(error), True)]
    except BaseException as error:  # whatever a damaged file makes a parser do (panics of Rust are no Exception)
        return [], [Finding(name, str(InputError(f"{type(error).__name__}: {error}; is its file damaged?")), True)]


def reported(summary: Summary | None, root: str, there: list[str], noun: str = "scenes") -> list[Finding]:
    """Return findings of prepare_report.json; ``noun`` is the word for what was prepared.

    Each scene that failed, a fault where it is not ``there`` and whole by now, the total, then each file with its first
    problem, and those scenes that are there without a source.
    """
    if summary is None:
        return []
    files: dict[str, list[str]] = defaultdict(list)
    for remark in summary.remarks:  # <file>[:<line>]: <what was found>; <what was done>
        files[re.sub(r":\d+$", "", remark.partition(": ")[0])].append(remark)
    total = len(summary.prepared) + len(summary.already_there) + len(summary.failed)
    text = f"{len(summary.failed)} of {total} {noun} failed; "
    text += f"{len(summary.remarks)} problems noted in {len(files)} files"
    where = f"failed in tools/prepare.py (see {Path(root) / REPORT})"
    whole = {name for name in there if (Path(root) / name / "scene.json").is_file()}
    kept = "; what is there is of an earlier state of its source, or was mended since"
    found = [
        Finding(name, f"{where}: {error}{kept * (name in whole)}", name not in whole) for name, error in summary.failed
    ]
    found.append(Finding(REPORT, text, False))
    for remarks in files.values():
        more = f" (and {len(remarks) - 1} more there)" if len(remarks) > 1 else ""
        found.append(Finding(REPORT, f"{remarks[0]}{more}", False))
    if abandoned := [name for name in summary.abandoned if name in there]:
        found.append(Finding(REPORT, left_behind(abandoned), False))
    return found


def split_table(facts: list[Facts]) -> str:
    if any(f.size for f in facts):
        return picture_table(facts)
    rows = [["split", "scenes", "points", "labeled", "color", "extent (m)", "spacing (m)"]]
    for split, members in by_split(facts).items():
        points = sum(f.points for f in members)
        labeled = labeled_points(members)
        extent = np.median([f.extent for f in members], axis=0)
        rows.append(
            [
                split,
                str(len(members)),
                f"{points:,}",
                f"{labeled / points:.1%}",
                f"{sum(f.colors != 'none' for f in members)}/{len(members)}",
                " x ".join(f"{v:.1f}" for v in extent),
                f"{np.median([f.spacing for f in members]):.4f}",
            ]
        )
    return table(rows)


def picture_table(facts: list[Facts]) -> str:
    rows = [["split", "pictures", "pixels", "labeled", "size (pixels)"]]
    for split, members in by_split(facts).items():
        pixels = sum(f.points for f in members)
        sizes = sorted({f.size for f in members if f.size}, key=lambda size: size[0] * size[1])
        extremes = " to ".join(written(size) for size in dict.fromkeys((sizes[0], sizes[-1])))
        rows.append([split, str(len(members)), f"{pixels:,}", f"{labeled_points(members) / pixels:.1%}", extremes])
    return table(rows)


def labeled_points(facts: list[Facts]) -> int:
    return sum(int(f.histogram.sum()) for f in facts if f.histogram is not None)


def class_table(facts: list[Facts], names: tuple[str, ...]) -> str:
    splits = by_split(facts)
    rows = [["class", *splits]]
    totals = {}
    for split, members in splits.items():
        totals[split] = sum((f.histogram for f in members if f.histogram is not None), np.zeros(len(names), np.int64))
    for i, name in enumerate(names):
        rows.append([name, *(f"{t[i]:,} ({t[i] / max(1, t.sum()):.1%})" for t in totals.values())])
    return table(rows)


def by_split(facts: list[Facts]) -> dict[str, list[Facts]]:
    splits: dict[str, list[Facts]] = defaultdict(list)
    for f in facts:
        splits[f.split].append(f)
    return dict(splits)


def table(rows: list[list[str]]) -> str:
    """Columns of equal width, the first to the left, the others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


if __name__ == "__main__":
    run(main, Options)
