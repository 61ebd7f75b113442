"""The steps of chain.py: each takes one file through one reader or tool and checks the result."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

MOST = 400_000
"""Points of the largest cloud that is labeled: larger ones test the network more than the file."""


def read_file(file: Path, folder: Path, checkpoint: str, memory: dict[str, Any]) -> None:
    """Read the point file."""
    from pcseg.formats import read_cloud

    memory["cloud"] = read_cloud(file)


def compare_file(file: Path, folder: Path, checkpoint: str, memory: dict[str, Any]) -> str:
    """Compare coordinates, colors and every column that both readers name with those of an independent reader."""
    wanted = read_independently(file)
    if isinstance(wanted, str):
        return wanted
    return differences(memory["cloud"], {name.lower(): values for name, values in wanted.items()})


def read_independently(file: Path) -> dict[str, np.ndarray] | str:
    """Return the columns that the independent reader finds in a file, or the reason why it finds none."""
    from tests.oracles.point_files import READERS

    reader = READERS.get(file.suffix.lower())
    if reader is None:
        return "skipped: no independent reader"
    try:
        return reader(file)
    except Exception as error:
        return f"skipped: the independent reader fails ({type(error).__name__}: {str(error)[:100]})"


def differences(cloud: Any, wanted: dict[str, np.ndarray]) -> str:
    """Return "ok" where the columns of both readers agree, or the first difference."""
    found = dict(zip("xyz", cloud.coord.T, strict=True))
    found |= {name.lower(): values for name, values in cloud.fields.items()}
    if not {"x", "y", "z"} <= wanted.keys():
        return "skipped: the independent reader finds no coordinates"
    if len(wanted["x"]) != len(cloud):
        return f"FAULT {len(cloud)} points, the independent reader has {len(wanted['x'])}"
    for name in sorted(found.keys() & wanted.keys()):
        a, b = found[name].astype(np.float64), wanted[name].astype(np.float64)
        # numbers in text may be read more precisely here than the type in the header can hold
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


def class_file(cloud: Any) -> str:
    """Return the text of a classes.yaml in which every label of the file has a class."""
    labels = next(
        (v for n, v in cloud.fields.items() if n.lower() in ("label", "classification", "scalar_label")), None
    )
    codes = [] if labels is None else np.unique(np.nan_to_num(labels.astype(np.float64), nan=-1))
    codes = [int(c) for c in codes if c == int(c) and c >= 0][:200] or [0]
    ids = ", ".join(f"{code}: c{code}" for code in codes)
    return f"names: [{', '.join(f'c{code}' for code in codes)}]\nids: {{{ids}}}\n"


def prepare_file(file: Path, folder: Path, checkpoint: str, memory: dict[str, Any]) -> str:
    """Prepare the file and check that all its finite points are there, within a millimeter."""
    import prepare

    (folder / "in/train").mkdir(parents=True)
    shutil.copy(file, folder / "in/train" / f"a{file.suffix}")
    cloud = memory["cloud"]
    (folder / "in/classes.yaml").write_text(class_file(cloud))
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


def check_file(file: Path, folder: Path, checkpoint: str, memory: dict[str, Any]) -> str:
    """Check the prepared scene."""
    import check_data

    if not (folder / "out").is_dir():
        return "skipped: not prepared"
    check_data.main(check_data.Options(str(folder / "out")))
    return "ok"


def predict_file(file: Path, folder: Path, checkpoint: str, memory: dict[str, Any]) -> str:
    """Label the file in its own format, or as PLY where that cannot be written."""
    import predict
    from pcseg.formats import WRITERS

    if len(memory["cloud"]) > MOST:
        return "skipped: large"
    memory["output"] = folder / f"labeled{file.suffix if file.suffix.lower() in WRITERS else '.ply'}"
    predict.main(predict.Options(checkpoint=checkpoint, input=str(file), output=str(memory["output"])))
    return "ok"


def reread_file(file: Path, folder: Path, checkpoint: str, memory: dict[str, Any]) -> str:
    """Read the labeled file and check that it has the points of the scan in their order, its columns, and two more."""
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
                return f"FAULT column {name} has changed"
        wanted = read_independently(memory["output"])
        if isinstance(wanted, str):
            # if it reads the scan, it must read the copy, too
            return "ok" if isinstance(read_independently(file), str) else f"FAULT labeled file: {wanted}"
        if len(wanted["x"]) != len(before):
            return "FAULT the independent reader finds another number of points in the labeled file"
    return "ok"


def visualize_file(file: Path, folder: Path, checkpoint: str, memory: dict[str, Any]) -> str:
    """Draw the file as a page and as colored points."""
    import visualize

    for ending in ("html", "ply"):
        visualize.main(visualize.Options(str(file), str(folder / f"view.{ending}")))
        if (folder / f"view.{ending}").stat().st_size < 100:
            return f"FAULT an empty .{ending}"
    return "ok"


STEPS: dict[str, Callable[[Path, Path, str, dict[str, Any]], str | None]] = {
    "read": read_file,
    "compare": compare_file,
    "prepare": prepare_file,
    "check": check_file,
    "predict": predict_file,
    "reread": reread_file,
    "visualize": visualize_file,
}
"""Steps by name, in order.

Each takes the file, an empty folder for its output, the path of the checkpoint and a dictionary that the steps of one
file share, and returns None or "ok", "skipped: <reason>" or "FAULT <difference>".
"""
