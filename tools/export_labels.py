"""Write the labels of a file for another annotation tool; see --help."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from pcseg.budgets.weak_labels import WeakLabels
from pcseg.checks import from_zero_to_one
from pcseg.classes import IGNORE
from pcseg.command_line import check_output, option, run
from pcseg.datasets import choose_classes
from pcseg.errors import InputError
from pcseg.formats.annotations import WRITERS, LabeledScan
from pcseg.formats.annotations.asprs import asprs_codes
from pcseg.scenes.scene import Scene, read_scene


@dataclass
class Options:
    """Write the scenes of a label file with their labels, as another annotation tool reads them.

    python tools/export_labels.py root=data/mine labels=data/labels/mine.npz format=supervisely output=for_supervisely
    python tools/draw_labels.py rule=import source=for_supervisely root=data/mine splits=[train] output=corrected.npz

    format=supervisely   a project: meta.json, <split>/pointcloud/<scene>.pcd, <split>/ann/<scene>.pcd.json
    format=segments      Segments.ai: <split>/<scene>.pcd and .json (attributes of a label), categories.json
    format=labelcloud    <split>/pointclouds/<scene>.ply, <split>/labels/segmentation/<scene>.bin
    format=editor        semantic-segmentation-editor: <split>/<scene>.pcd with the fields label and object
    format=kitti         SemanticKITTI: <split>/velodyne/<scene>.bin, <split>/labels/<scene>.label
    format=cloudcompare  <split>/<scene>.txt with the line //X Y Z R G B label
    format=ply           <split>/<scene>.ply with CloudCompare's property scalar_label
    format=las           <split>/<scene>.las with the classification; codes=asprs: ASPRS's by the names of the classes

    Numbers are those of the classes in your files (ids: in classes.yaml). Formats of 32-bit coordinates (supervisely,
    segments, editor, kitti) leave out the origin of a scan that is far away; rule=import finds its points all the same.
    """

    root: str = option("folder of scenes, written by tools/prepare.py")
    labels: str = option("label file (.npz)")
    output: str = option("folder to write")
    format: str = option(f"one of {', '.join(WRITERS)}")
    keep: float = option("smallest weight of a label that is written, 0 to 1; 1: only those that were given", 0.0)
    codes: str = option("what numbers mean: classes (as in classes.yaml) or asprs", "classes")
    overwrite: bool = option("write into a folder that holds files, and replace those of the same names", False)


def main(options: Options) -> None:
    if options.format not in WRITERS:
        raise InputError(f"format={options.format}: must be one of {', '.join(WRITERS)}")
    if options.codes not in ("classes", "asprs"):
        raise InputError(f"codes={options.codes}: must be one of classes, asprs")
    from_zero_to_one(keep=options.keep)
    check_output(options.output, folder=True)
    output = Path(options.output)
    if output.is_dir() and any(output.iterdir()) and not options.overwrite:
        raise InputError(f"output={output}: holds files, perhaps corrected labels; choose another, or overwrite=true")
    given = WeakLabels.load(options.labels)
    folders = [Path(options.root) / scene.name for scene in given.scenes]
    if not folders:
        raise InputError(f"labels={options.labels}: has no scene")
    classes = choose_classes("auto", folders[0])
    if options.codes == "asprs":
        classes = replace(classes, codes=asprs_codes(classes.names))
    written: set[Path] = set()
    for folder in tqdm(folders, unit="scene"):
        scene = read_scene(folder, classes, with_labels=False)
        coord = np.asarray(scene.coord, dtype=np.float32)
        scan = LabeledScan(scene.name, coord, scene.origin, scene.color, kept(given, scene, options.keep), classes)
        written |= set(WRITERS[options.format](output, scan))
    print(f"{len(folders):,} scenes in {len(written):,} files, written to {options.output}")


def kept(given: WeakLabels, scene: Scene, least: float) -> np.ndarray:
    """Return the labels (P,) int64 of a scene that have a weight of ``least`` or more, IGNORE elsewhere."""
    labels, weights = given.labels(scene), given.weights(scene)
    return labels if weights is None else np.where(weights >= least, labels, IGNORE)


if __name__ == "__main__":
    run(main, Options)
