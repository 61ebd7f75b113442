"""Turn raw scans into the scene folders that everything else reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from _cli import option, run
from pcseg.data.prepare import Summary, prepare
from pcseg.data.readers import S3disReader, SceneReader, is_s3dis
from pcseg.errors import InputError

SHOWN = 20


@dataclass
class Options:
    """Turn raw scans into scene folders <output>/<split>/<scene>/*.npy, in parallel.

    An interrupted run is continued by running it again. Exit code 2 if a scene failed; the others are there all the
    same, and <output>/prepare_report.json tells what was wrong.
    """

    input: str = option("folder of the raw data")
    output: str = option("folder to write")
    dataset: str = option("s3dis, scannet, folder, pointcept, or auto to tell from what is there", "auto")
    workers: int = option("processes, 0 for one a core", 0)
    overwrite: bool = option("prepare again what is there already", False)
    stairs: str = option("s3dis: clutter or ignore, what the points of stairs become", "clutter")


def main(options: Options) -> None:
    source, target = Path(options.input).resolve(), Path(options.output).resolve()
    if source == target or source in target.parents or target in source.parents:
        raise InputError(f"output={options.output}: overlaps the input; choose a folder outside {options.input}")
    if options.workers < 0:
        raise InputError(f"workers={options.workers}: must be 0 or more")
    reader = open_reader(options)
    summary = prepare(reader, options.output, options.workers, options.overwrite)
    print(report(summary, options.output))
    if summary.failed:
        name, error = summary.failed[0]
        total = len(summary.prepared) + len(summary.already_there) + len(summary.failed)
        raise InputError(f"{len(summary.failed)} of {total} scenes failed, the others are done; {name}: {error}")


def open_reader(options: Options) -> SceneReader:
    kind = options.dataset
    if kind == "s3dis" or (kind == "auto" and is_s3dis(options.input)):
        return S3disReader(options.input, stairs=options.stairs)
    raise InputError(f"dataset={kind}: no such kind of data; write s3dis, scannet, folder, pointcept or auto")


def report(summary: Summary, output: str) -> str:
    lines = [
        f"{len(summary.prepared)} scenes prepared, {len(summary.already_there)} were there already, "
        f"{len(summary.failed)} failed; written to {output}"
    ]
    lines += [f"  failed: {error}" for _, error in summary.failed[:SHOWN]]
    lines += [f"  survived: {remark}" for remark in summary.remarks[:SHOWN]]
    hidden = len(summary.failed[SHOWN:]) + len(summary.remarks[SHOWN:])
    if hidden:
        lines.append(f"  and {hidden} more; all are in {output}/prepare_report.json")
    return "\n".join(lines)


if __name__ == "__main__":
    run(main, Options)
