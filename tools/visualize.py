"""Draw segmented clouds: PNG, an interactive HTML page, a colored PLY, or a window; see --help."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from pcseg.budgets.weak_labels import WeakLabels
from pcseg.command_line import check_output, option, printable, run
from pcseg.datasets import ClassFile, open_classes
from pcseg.errors import InputError
from pcseg.formats import FORMATS
from pcseg.scenes.listing import broken_scene, is_scene
from pcseg.vis.load import view_cloud, view_scene
from pcseg.vis.view import CloudView

ENDINGS = (".png", ".html", ".ply")
"""Endings of the files that can be written."""

MOST_NOTES = 5
"""Notes on a cloud that are printed; of more, the rest is counted."""


@dataclass
class Options:
    """Draw a cloud: its colors, the truth, the prediction, the errors, and the points labeled for training.

    python tools/visualize.py input=data/simulated/Area_5 prediction=outputs/demo/evaluation/predictions output=pictures
    python tools/visualize.py input=labeled.laz classes=outputs/custom output=labeled.html
    python tools/visualize.py input=scan.ply classes=s3dis output=scan.png

    The ending of output chooses the format; into a folder all three are written for each cloud.
    """

    input: str = option(f"a scene folder, a folder of them, or a point file ({' '.join(FORMATS)})")
    output: str = option("file to write (.png, .html, .ply), or a folder for all three", "")
    prediction: str = option("a .npy of labels or a labeled point file, or the folder with <split>/<scene>.npy", "")
    labels: str = option("label file (.npz) whose points are marked; scene folders only", "")
    classes: str = option(
        "auto (those of the scenes), s3dis, scannet20, a classes.yaml, names, or a checkpoint", "auto"
    )
    columns: str = option("names of the columns of a text or .npy table, e.g. x,y,z,red,green,blue,label", "")
    show: bool = option("open an Open3D window (pip install 'pcseg[viz]')", False)


def main(options: Options) -> None:
    sources = find(Path(options.input))
    output = Path(options.output)
    if not options.output and not options.show:
        raise InputError("output=: nothing to do; name a .png, .html or .ply file, or give show=true")
    folder = is_folder(options.output)
    if not folder and output.suffix.lower() not in ENDINGS:
        raise InputError(f"output={output}: cannot draw '{output.suffix}'; choose {', '.join(ENDINGS)} or a folder")
    if len(sources) > 1 and not folder:
        raise InputError(f"output={output}: is one file for {len(sources)} scenes; give a folder")
    if options.output:
        check_output(options.output, folder=folder)
    weak = WeakLabels.load(options.labels) if options.labels else None
    classes = None if options.classes == "auto" else open_choice(options.classes)
    failed = 0
    for source in tqdm(sources, unit="cloud", disable=len(sources) == 1):
        view = draw(source, options, classes, weak)
        if isinstance(view, CloudView):
            if options.show:
                from pcseg.vis.open3d_view import show  # late, as what `write` needs

                show(view)
        elif len(sources) == 1:
            raise view
        else:
            failed += 1
            tqdm.write(f"error: {printable(str(view))}", file=sys.stderr)
    if failed:
        sys.exit(2)


def draw(source: Path, options: Options, classes: ClassFile | None, weak: WeakLabels | None) -> CloudView | InputError:
    """Write the files of one source and return its view, or the error that prevented it."""
    try:
        files = targets(Path(options.output), source, options) if options.output else []
        view = load(source, options, classes, weak)
        for line in note_lines(view.notes):
            tqdm.write(line)
        for path in files:
            write(path, view)
            tqdm.write(str(path))
    except InputError as error:
        return error
    return view


def write(path: Path, view: CloudView) -> None:
    """Write a view to ``path``, in the format of its ending."""
    from pcseg.vis.html import write_html  # late: Matplotlib and SciPy take a second to load
    from pcseg.vis.ply import write_ply
    from pcseg.vis.png import write_png

    {".png": write_png, ".html": write_html, ".ply": write_ply}[path.suffix.lower()](path, view)


def is_folder(output: str) -> bool:
    """Return whether ``output=`` is a folder: it exists as one, ends in a slash, or its name has no ending."""
    suffix = Path(output).suffix.lower()
    return not suffix or output.endswith("/") or (suffix not in ENDINGS and Path(output).is_dir())


def find(source: Path) -> list[Path]:
    """Return the scene folders or the one point file that ``input=`` names."""
    if source.is_file():
        return [source]
    if not source.exists():
        raise InputError(f"input={source}: no such file or folder")
    source = Path(os.path.abspath(source))  # so that "." has a name, while a link keeps its own
    if is_scene(source):
        return [source]
    folders = sorted(path for path in source.glob("*") if not path.name.startswith("."))
    scenes = [path for path in folders if is_scene(path) or broken_scene(path)]
    if not scenes:
        inside = [path.name for path in folders if any(map(is_scene, path.glob("*/")))]
        hint = f"; give one split, {source / inside[0]}" if inside else ""
        raise InputError(
            f"input={source}: neither a point file nor a scene folder (with coord.npy or image.npy), "
            f"nor a folder of scene folders{hint}"
        )
    return scenes


def load(source: Path, options: Options, classes: ClassFile | None, weak: WeakLabels | None) -> CloudView:
    """Return the view of one source with the prediction and the labels that the options name."""
    prediction = Path(options.prediction) if options.prediction else None
    if source.is_file():
        if weak is not None:
            raise InputError(f"labels={options.labels}: is for scene folders; give input=<scene folder>")
        if prediction is not None and prediction.is_dir():
            prediction = prediction / f"{source.stem}.npy"
        columns = tuple(name.strip() for name in options.columns.split(",") if name.strip())
        return view_cloud(source, classes, columns, prediction)
    if fault := broken_scene(source):
        raise InputError(f"{source}: {fault}; prepare the scene again, or remove the folder")
    if prediction is not None and prediction.is_dir():
        prediction = prediction / source.parent.name / f"{source.name}.npy"
    return view_scene(source, classes, weak, prediction)


def note_lines(notes: Sequence[str]) -> list[str]:
    """Return the lines to print: the first MOST_NOTES of ``notes``, and the number of the others."""
    more = [f"note: and {len(notes) - MOST_NOTES} more"] if len(notes) > MOST_NOTES else []
    return [f"note: {printable(note)}" for note in notes[:MOST_NOTES]] + more


def open_choice(choice: str) -> ClassFile:
    """Return the classes that ``classes=`` names: of a checkpoint or run folder, of a file, or a list of names."""
    if Path(choice).is_dir() or choice.endswith((".safetensors", ".pth", ".pt")):
        from pcseg.model.checkpoint import load_model  # late: PyTorch takes seconds to load

        classes = load_model(choice).classes
        ids = {code: name for name, codes in zip(classes.names, classes.codes, strict=False) for code in codes}
        return ClassFile(classes.names, classes.colors, ids=ids)
    return open_classes(choice)


def targets(output: Path, source: Path, options: Options) -> list[Path]:
    """Return the files to write for one source; raises InputError if one of them is also an input."""
    stem = source.name if source.is_dir() else source.stem
    files = [output / f"{stem}{suffix}" for suffix in ENDINGS] if is_folder(options.output) else [output]
    for file in files:
        if any(file.resolve() == Path(read).resolve() for read in (source, options.prediction, options.classes)):
            raise InputError(f"output={options.output}: would overwrite {file}, an input; choose another path")
    return files


if __name__ == "__main__":
    run(main, Options)
