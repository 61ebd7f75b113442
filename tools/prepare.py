"""Turn raw scans, or pictures, into the scene folders that everything else reads."""

# ruff: noqa: RUF009 (option() is dataclasses.field)
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pcseg.command_line import check_output, option, run
from pcseg.datasets import open_dataset
from pcseg.datasets.choose import noun
from pcseg.datasets.prepare import SHOWN, Summary, few, left_behind, prepare
from pcseg.errors import InputError
from pcseg.workers import count_workers


@dataclass
class Options:
    """Turn raw scans, or pictures with label masks, into scene folders <output>/<split>/<scene>/*.npy, in parallel.

    dataset=images      your pictures: <split>/images/*.jpg and <split>/masks/*.png of the same names (or images/<split>
                        and masks/<split>, or <split> and <split>annot) and a classes.yaml as for scans
    dataset=camvid      train, trainannot, val, valannot
    dataset=voc         VOC2012: JPEGImages, SegmentationClass (and SegmentationClassAug, if it is there)
    dataset=cityscapes  leftImg8bit and gtFine
    dataset=frames      color and label frames of ScanNet's scenes or of the simulated building

    An interrupted run is continued by running it again; scenes whose source has changed since are then prepared again.
    Exit code 2 if a scene failed; the others are there all the same. <output>/prepare_report.json lists all defects.
    """

    input: str = option("folder of the raw data")
    output: str = option("folder to write")
    dataset: str = option(
        "s3dis, scannet, folder, pointcept, or of pictures images, camvid, voc, cityscapes, frames; auto: found from "
        "the files",
        "auto",
    )
    workers: int = option("processes, 0 for one a core", 0)
    overwrite: bool = option("prepare again what is there already", False)
    stairs: str | None = option("s3dis: what the points of stairs become, clutter (if not given) or ignore", None)
    lists: str | None = option(
        "scannet, frames: folder of the official scannetv2_{train,val,test}.txt; voc: folder of lists <split>.txt", None
    )
    align: bool | None = option("scannet: turn scenes to the axes", None)
    classes: str | None = option(
        "folder, images, pointcept, frames: a classes.yaml elsewhere than in input; the last two also s3dis, scannet20",
        None,
    )
    keep: list[str] | None = option(
        "folder, pointcept: columns that scenes keep, [intensity,return_number]; if not given those of intensity, "
        "return_number and number_of_returns that are there (4 bytes a point of a LAS file)",
        None,
    )
    crops: int | None = option(
        "pictures: cut each also into so many rows and columns, e.g. 4: a split train_4x4, for tags of parts",
        None,
    )


def main(options: Options) -> None:
    source, target = Path(options.input).resolve(), Path(options.output).resolve()
    if source == target or source in target.parents or target in source.parents:
        raise InputError(f"output={options.output}: overlaps the input; choose a folder outside {options.input}")
    check_output(options.output, folder=True)
    count_workers(options.workers)
    choices = {"stairs": options.stairs, "lists": options.lists, "align": options.align}
    choices |= {"classes": options.classes, "keep": options.keep, "crops": options.crops}
    reader = open_dataset(options.input, options.dataset, choices)
    summary = prepare(reader, options.output, options.workers, options.overwrite)
    print(report(summary, options.output, noun(reader)))
    if summary.failed:
        name, error = summary.failed[0]
        total = len(summary.prepared) + len(summary.already_there) + len(summary.failed)
        rest = "the others are done" if len(summary.failed) < total else "none was prepared"
        raise InputError(f"{len(summary.failed)} of {total} {noun(reader)} failed, {rest}; {name}: {error}")


def report(summary: Summary, output: str, things: str = "scenes") -> str:
    """Return lines on the ``things``, scenes or pictures, their sources and defects, and all failures but the first,
    with which the tool ends.
    """
    lines = [
        f"{len(summary.prepared)} {things} prepared, {len(summary.already_there)} were there already, "
        f"{len(summary.failed)} failed; written to {output}"
    ]
    lines += [f"  {line}" for line in summary.used]
    if summary.changed:
        lines.append(f"  prepared again, since the source changed: {few(summary.changed)}")
    if summary.abandoned:
        lines.append(f"  {left_behind(summary.abandoned)}")
    lines += [f"  failed: {error}" for _, error in summary.failed[1:SHOWN]]
    lines += [f"  note: {remark}" for remark in summary.remarks[:SHOWN]]
    hidden = len(summary.failed[SHOWN:]) + len(summary.remarks[SHOWN:])
    if hidden:
        lines.append(f"  and {hidden} more; all are in {output}/prepare_report.json")
    return "\n".join(lines)


if __name__ == "__main__":
    run(main, Options)
