"""Lift the labels of pictures to the points of the scans they show; see --help."""

# ruff: noqa: RUF009 (option() is dataclasses.field)

from __future__ import annotations

from dataclasses import dataclass

from pcseg.command_line import option, run
from pcseg.defaults import DEPTH_TOLERANCE


@dataclass
class Options:
    """Lift the labels of pictures, drawn or predicted, to the points they show, and write a label file.

    python tools/lift_labels.py root=data/simulated 'splits=[Area_1]' frames=data/simulated_raw output=data/lifted.npz
    python tools/lift_labels.py root=data/simulated 'splits=[Area_1]' frames=data/simulated_raw \\
        checkpoint=outputs/frames_eighth_scenes output=data/lifted.npz
    python tools/train.py experiment=simulated labels.file=data/lifted.npz method=soft_labels

    The frames of a scene are in <frames>/<split>/<scene> or <frames>/<scene>: pose, depth, intrinsic and a folder of
    label pictures <i>.png (numbers of classes) or <i>.npy (probabilities, H x W x classes); or <scene>.sens is there.
    A point takes the mean over all pictures that see it, as their depth says; without depth, as the other points say.
    Its confidence, from the mean and the number of pictures, is the weight of the label. Frames whose tracking was
    lost are skipped. With checkpoint=<run> that network of pictures labels all color pictures, and no label picture is
    read. With budget=<label file> the labels of that file stay, with weight 1.

    python tools/lift_labels.py root=data/simulated 'splits=[Area_1]' frames=data/simulated_raw \\
        features=dinov2_vits14_pretrain.pth output=data/simulated_lifted
    python tools/train.py experiment=simulated data.root=data/simulated_lifted \\
        'data.features=[color,height,lifted_0,lifted_1]'

    With features=<weights of a ViT> no labels but what that frozen network sees in the color pictures is lifted: output
    is a folder of the same scenes with columns lifted_0, lifted_1, ..., the principal components over the scenes of the
    first call, so give those to train on first. Frames are lifted as above; a point that none sees has the values of a
    seen one within 0.3 m, else 0.
    """

    root: str = option("folder of scenes, written by tools/prepare.py")
    splits: list[str] = option("splits to label, e.g. [Area_1,Area_2]")
    frames: str = option("folder of the frames, or of .sens files")
    output: str = option("label file to write, e.g. data/labels/lifted.npz; of features: a folder")
    labels: str = option("folder of label pictures in that of the frames, or a folder of <split>/<scene>", "label")
    checkpoint: str | None = option("in place of them: a network of pictures, which labels the color pictures", None)
    ids: str = option(
        "what their numbers mean: a classes.json, classes.yaml or ScanNet's scannetv2-labels.combined.tsv; index: the "
        "classes of the scenes from 0, 255 none; auto: one of these files beside or above the pictures",
        "auto",
    )
    classes: str = option("auto (as the scenes say), s3dis, scannet20, a classes.yaml, or names: wall,floor", "auto")
    budget: str | None = option("label file whose labels are kept, with weight 1", None)
    every: int = option("take each n-th label picture", 1)
    tolerance: float = option(
        "farthest that a seen point is from the depth of its pixel, as a share of it", DEPTH_TOLERANCE
    )
    keep: float = option("smallest confidence of a label, 0 to 1", 0.5)
    device: str = option("of the network: auto, cpu or cuda", "auto")
    features: str | None = option("lift features of this network: a ViT's .pth or .safetensors, or an .onnx file", None)
    layer: str | None = option("features: tensor of the .onnx file to take, null: its first output", None)
    components: int = option("features: number of columns", 8)
    side: int = option("features: shorter side of the pictures as the network sees them, in pixels", 224)
    overwrite: bool = option("replace what is at output", False)


def main(options: Options) -> None:
    """Lift labels or features."""
    from _lifting import lift_all  # imported late: PyTorch takes seconds to load, and a wrong setting is told at once

    lift_all(options)


if __name__ == "__main__":
    run(main, Options)
