"""Draw segmented clouds: PNG, an interactive HTML page, a coloured PLY, or a window; see --help."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from _cli import check_output, option, run
from pcseg.data.readers import FORMATS, ClassFile, open_classes
from pcseg.data.weak_labels import WeakLabels
from pcseg.engine.checkpoint import load_model
from pcseg.errors import InputError
from pcseg.vis.html import write_html
from pcseg.vis.load import view_cloud, view_scene, with_prediction
from pcseg.vis.open3d_view import show
from pcseg.vis.ply import write_ply
from pcseg.vis.png import write_png
from pcseg.vis.view import CloudView

WRITERS: dict[str, Callable[[Path, CloudView], object]] = {".png": write_png, ".html": write_html, ".ply": write_ply}


@dataclass
class Options:
    """Look at a cloud: its colours, the truth, the prediction, the errors, and which points were labelled.

    python tools/visualize.py input=data/simulated/Area_5 prediction=outputs/demo/evaluation/predictions output=pictures
    python tools/visualize.py input=labelled.laz classes=outputs/custom output=labelled.html
    python tools/visualize.py input=scan.ply classes=s3dis output=scan.png

    The ending of output says what is written; a folder gets a .png, a .html and a .ply of each cloud.
    """

    input: str = option(f"a scene folder, a folder of them, or a point file ({' '.join(FORMATS)})")
    output: str = option("file to write (.png, .html, .ply), or a folder for all three", "")
    prediction: str = option("a .npy of labels or a labelled point file, or the folder with <split>/<scene>.npy", "")
    labels: str = option("label file (.npz) whose points are shown; scene folders only", "")
    classes: str = option(
        "auto (as the scenes say), s3dis, scannet20, a classes.yaml, names, or a checkpoint's", "auto"
    )
    columns: str = option("names of the columns of a text or .npy table, e.g. x,y,z,red,green,blue,label", "")
    show: bool = option("open an Open3D window (pip install 'pcseg[viz]')", False)


def main(options: Options) -> None:
    sources = find(Path(options.input))
    output = Path(options.output)
    if not options.output and not options.show:
        raise InputError("output=: nothing to do; name a .png, .html or .ply file, or give show=true")
    if output.suffix and output.suffix.lower() not in WRITERS:
        raise InputError(f"output={output}: cannot draw '{output.suffix}'; choose {', '.join(WRITERS)} or a folder")
    if len(sources) > 1 and output.suffix:
        raise InputError(f"output={output}: is one file for {len(sources)} scenes; give a folder")
    if options.output:
        check_output(options.output, folder=not output.suffix)
    weak = WeakLabels.load(options.labels) if options.labels else None
    bar = tqdm(sources, unit="cloud", disable=len(sources) == 1)
    for source in bar:
        view = load(source, options, weak)
        for path in targets(output, source) if options.output else []:
            WRITERS[path.suffix.lower()](path, view)
            bar.write(str(path))
        if options.show:
            show(view)


def find(source: Path) -> list[Path]:
    """The scene folders or the point file that ``input=`` means."""
    if source.is_file() or (source / "coord.npy").is_file():
        return [source]
    scenes = sorted(path.parent for path in source.glob("*/coord.npy") if not path.parent.name.startswith("."))
    if not scenes:
        raise InputError(
            f"input={source}: neither a point file nor a scene folder (with coord.npy), nor a folder of those"
        )
    return scenes


def load(source: Path, options: Options, weak: WeakLabels | None) -> CloudView:
    """One source with all that the options say of it."""
    classes = None if options.classes == "auto" else named(options.classes)
    if source.is_dir():
        view = view_scene(source, classes, weak)
    elif weak is not None:
        raise InputError(f"labels={options.labels}: belong to scene folders; give input=<scene folder>")
    else:
        view = view_cloud(source, classes, tuple(c.strip() for c in options.columns.split(",") if c.strip()))
    if not options.prediction:
        return view
    prediction = Path(options.prediction)
    return with_prediction(view, prediction / f"{view.name}.npy" if prediction.is_dir() else prediction)


def named(choice: str) -> ClassFile:
    """The classes of a checkpoint or run folder, or what else ``classes=`` names."""
    if Path(choice).is_dir() or choice.endswith((".safetensors", ".pth", ".pt")):
        classes = load_model(choice).classes
        return ClassFile(classes.names, classes.colors)
    return open_classes(choice)


def targets(output: Path, source: Path) -> list[Path]:
    """The files to write for one source."""
    stem = source.resolve().name if source.is_dir() else source.stem
    return [output] if output.suffix else [output / f"{stem}{suffix}" for suffix in WRITERS]


if __name__ == "__main__":
    run(main, Options)
