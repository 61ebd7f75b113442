"""Take a folder of point files through all tools: python -m tests.endurance.chain files=<folder> checkpoint=<run>.

Each file is read and compared with an independent reader (tests/oracles/point_files.py), prepared, checked, labeled in
its own format, read again and drawn, in a process that is ended after ``seconds``. Prints figures by format; ``output``
gets ``chain.jsonl``, a line a file, with what each step said.
"""

from __future__ import annotations

import contextlib
import io
import json
import multiprocessing
import shutil
import sys
import tempfile
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

STEPS = ("read", "compare", "prepare", "check", "predict", "reread", "visualize")
MOST = 400_000
"""Points of the largest cloud that is labeled: the network is not what is tried here."""


def chain(files: list[Path], checkpoint: str, seconds: float = 120.0) -> list[dict[str, str]]:
    """What became of each file: {"file", step: "ok" | "refused: ..." | "skipped: ..." | "FAULT ..."}."""
    context = multiprocessing.get_context("spawn")
    results: list[dict[str, str]] = []
    bar = tqdm(total=len(files), unit="file")
    while len(results) < len(files):
        ours, theirs = context.Pipe()
        worker = context.Process(target=_work, args=(theirs, [str(f) for f in files[len(results) :]], checkpoint))
        worker.start()
        theirs.close()
        step, started = "read", False
        while len(results) < len(files):
            if not ours.poll(seconds if started else 120.0):
                results.append({"file": str(files[len(results)]), step: f"FAULT over {seconds:g} s"})
                break
            try:
                step, result = ours.recv()
            except EOFError:
                worker.join(5)
                results.append({"file": str(files[len(results)]), step: f"FAULT ended with {worker.exitcode}"})
                break
            started = True
            if result is not None:
                results.append(result)
            bar.update(len(results) - bar.n)
        worker.kill()
        worker.join()
    return results


def _work(pipe: Connection, files: list[str], checkpoint: str) -> None:
    warnings.simplefilter("ignore")
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
    import torch

    torch.set_num_threads(1)
    for file in files:
        with tempfile.TemporaryDirectory() as folder:
            result = _one(Path(file), Path(folder), checkpoint, lambda step: pipe.send((step, None)))
        pipe.send(("", result))


def _one(file: Path, folder: Path, checkpoint: str, tell: Callable[[str], None]) -> dict[str, str]:
    """All steps for one file; a step after one that failed is left out."""
    from pcseg.errors import InputError

    result = {"file": str(file)}
    memory: dict[str, Any] = {}
    steps = {name: globals()[f"_{name}"] for name in STEPS}
    for name, step in steps.items():
        tell(name)
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                result[name] = step(file, folder, checkpoint, memory) or "ok"
        except InputError as error:
            long = len(str(error)) > 1200 or len(str(error).splitlines()) > 1
            result[name] = f"FAULT message {error}" if long else f"refused: {error}"
        except BaseException as error:
            result[name] = f"FAULT {type(error).__name__}: {str(error)[:300]}"
        if name == "read" and result[name] != "ok":
            break
    return result


def _read(file: Path, folder: Path, checkpoint: str, memory: dict[str, Any]) -> None:
    from pcseg.formats import read_cloud

    memory["cloud"] = read_cloud(file)


def _compare(file: Path, folder: Path, checkpoint: str, memory: dict[str, Any]) -> str:
    """Coordinates and every column that both readers know by name."""
    wanted = _independently(file)
    if isinstance(wanted, str):
        return wanted
    return _differences(memory["cloud"], {name.lower(): values for name, values in wanted.items()})


def _independently(file: Path) -> dict[str, np.ndarray] | str:
    """What the other reader finds in a file, or why it finds nothing."""
    from tests.oracles.point_files import READERS

    reader = READERS.get(file.suffix.lower())
    if reader is None:
        return "skipped: no independent reader"
    try:
        return reader(file)
    except Exception as error:
        return f"skipped: the independent reader fails ({type(error).__name__}: {str(error)[:100]})"


def _differences(cloud: Any, wanted: dict[str, np.ndarray]) -> str:
    found = dict(zip("xyz", cloud.coord.T, strict=True))
    found |= {name.lower(): values for name, values in cloud.fields.items()}
    if not {"x", "y", "z"} <= wanted.keys():
        return "skipped: the independent reader finds no coordinates"
    if len(wanted["x"]) != len(cloud):
        return f"FAULT {len(cloud)} points, the independent reader has {len(wanted['x'])}"
    for name in sorted(found.keys() & wanted.keys()):
        a, b = found[name].astype(np.float64), wanted[name].astype(np.float64)
        # what is written as text may be kept more precisely here than in the type that the header names
        step = (1e-6 if wanted[name].dtype == np.float32 else 1e-9) * np.maximum(1e-3, np.abs(b))
        if not np.all((np.abs(a - b) <= step) | (np.isnan(a) & np.isnan(b)) | (a == b)):
            return f"FAULT column {name} differs by up to {np.nanmax(np.abs(a - b)):g}"
    if cloud.color is not None and {"red", "green", "blue"} <= wanted.keys():
        color = np.stack([wanted[c].astype(np.float64) for c in ("red", "green", "blue")], axis=1)
        top = 65535 if color.max() > 255 else 1 if wanted["red"].dtype.kind == "f" and color.max() <= 1 else 255
        off = np.abs(color / top * 255 - cloud.color).max()
        if off > 1:
            return f"FAULT colors differ by up to {off:g}"
    return "ok"


def _classes(cloud: Any) -> str:
    """A classes.yaml under which every label of the file means something."""
    labels = next(
        (v for n, v in cloud.fields.items() if n.lower() in ("label", "classification", "scalar_label")), None
    )
    codes = [] if labels is None else np.unique(np.nan_to_num(labels.astype(np.float64), nan=-1))
    codes = [int(c) for c in codes if c == int(c) and c >= 0][:200] or [0]
    ids = ", ".join(f"{code}: c{code}" for code in codes)
    return f"names: [{', '.join(f'c{code}' for code in codes)}]\nids: {{{ids}}}\n"


def _prepare(file: Path, folder: Path, checkpoint: str, memory: dict[str, Any]) -> str:
    """The prepared points are those of the file that are finite, to a millimeter or to what the file can hold."""
    import prepare

    (folder / "in/train").mkdir(parents=True)
    shutil.copy(file, folder / "in/train" / f"a{file.suffix}")
    cloud = memory["cloud"]
    (folder / "in/classes.yaml").write_text(_classes(cloud))
    prepare.main(prepare.Options(str(folder / "in"), str(folder / "out"), dataset="folder", workers=1))
    coord = np.load(folder / "out/train/a/coord.npy").astype(np.float64)
    origin = json.loads((folder / "out/train/a/scene.json").read_text())["origin"]
    kept = cloud.coord[np.isfinite(cloud.coord).all(axis=1) & (np.abs(cloud.coord) < 1e9).all(axis=1)]
    if len(kept) != len(coord):
        return f"FAULT {len(coord)} points prepared of {len(kept)} finite ones"
    off = np.abs(coord + origin - kept).max(axis=1)
    near = np.abs(kept - np.median(kept, axis=0)).max(axis=1) < 10_000
    worst = float(off[near].max()) if near.any() else 0.0
    return "ok" if worst <= 0.001 else f"FAULT prepared points are off by up to {worst:g} m"


def _check(file: Path, folder: Path, checkpoint: str, memory: dict[str, Any]) -> str:
    import check_data

    if not (folder / "out").is_dir():
        return "skipped: not prepared"
    check_data.main(check_data.Options(str(folder / "out")))
    return "ok"


def _predict(file: Path, folder: Path, checkpoint: str, memory: dict[str, Any]) -> str:
    import predict
    from pcseg.formats import WRITERS

    if len(memory["cloud"]) > MOST:
        return "skipped: large"
    memory["output"] = folder / f"labeled{file.suffix if file.suffix.lower() in WRITERS else '.ply'}"
    predict.main(predict.Options(checkpoint, str(file), str(memory["output"])))
    return "ok"


def _reread(file: Path, folder: Path, checkpoint: str, memory: dict[str, Any]) -> str:
    """The labeled file has the points of the scan in their order, its columns, and two more."""
    from pcseg.formats import read_cloud

    if "output" not in memory or not memory["output"].exists():
        return "skipped: nothing written"
    before, after = memory["cloud"], read_cloud(memory["output"])
    if len(before) != len(after):
        return f"FAULT {len(after)} points for {len(before)}"
    if "label" not in after.fields or "confidence" not in after.fields:
        return f"FAULT no label and confidence among {', '.join(after.fields)}"
    off = np.abs(after.coord - before.coord)
    limit = 1e-6 + 1e-4 * (memory["output"].suffix.lower() in (".las", ".laz")) * (
        file.suffix.lower() not in (".las", ".laz")
    )
    if np.nanmax(off, initial=0.0) > limit or (np.isnan(after.coord) != np.isnan(before.coord)).any():
        return f"FAULT coordinates differ by up to {np.nanmax(off):g}"
    if memory["output"].suffix == file.suffix and file.suffix.lower() in (".las", ".laz", ".ply"):
        for name, values in before.fields.items():
            if name.lower() not in ("label", "confidence") and not np.array_equal(
                values, after.fields.get(name, np.empty(0)), equal_nan=values.dtype.kind == "f"
            ):
                return f"FAULT column {name} is not as it was"
        wanted = _independently(memory["output"])
        if isinstance(wanted, str):
            # one that reads the scan must read its copy too
            return "ok" if isinstance(_independently(file), str) else f"FAULT what was written: {wanted}"
        if len(wanted["x"]) != len(before):
            return "FAULT the independent reader sees other points in what was written"
    return "ok"


def _visualize(file: Path, folder: Path, checkpoint: str, memory: dict[str, Any]) -> str:
    import visualize

    for ending in ("html", "ply"):
        visualize.main(visualize.Options(str(file), str(folder / f"view.{ending}")))
        if (folder / f"view.{ending}").stat().st_size < 100:
            return f"FAULT an empty .{ending}"
    return "ok"


def main(arguments: list[str]) -> int:
    """Run with name=value arguments; returns the number of faults."""
    from pcseg.formats import FORMATS

    given = dict(argument.split("=", 1) for argument in arguments)
    output = Path(given.get("output", "chain_found"))
    output.mkdir(parents=True, exist_ok=True)
    files = sorted(p for p in Path(given["files"]).rglob(given.get("pattern", "*")) if p.suffix.lower() in FORMATS)
    results = chain(files, given["checkpoint"], float(given.get("seconds", 120)))
    (output / "chain.jsonl").write_text("".join(json.dumps(result) + "\n" for result in results))
    figures: dict[str, Counter[str]] = defaultdict(Counter)
    for result in results:
        kind = figures[Path(result["file"]).suffix.lower()]
        kind["files"] += 1
        for step in STEPS:
            kind[f"{step} {result.get(step, 'not reached').split(':')[0].split(' ')[0]}"] += 1
        for step, text in result.items():
            if text.startswith("FAULT"):
                print(f"{result['file']}: {step}: {text}")
    for ending, kind in sorted(figures.items()):
        print(ending, ", ".join(f"{name} {number}" for name, number in sorted(kind.items())))
    return sum(text.startswith("FAULT") for result in results for text in result.values())


if __name__ == "__main__":
    sys.exit(bool(main(sys.argv[1:])))
