"""Turn a MinkowskiEngine MinkUNet checkpoint into one that the other tools read; see --help."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pcseg.command_line import check_output, option, run
from pcseg.datasets.class_file import open_classes
from pcseg.errors import InputError
from pcseg.feeding.features import Features
from pcseg.model.inputs import VoxelInputs


@dataclass
class Options:
    """Turn a MinkowskiEngine MinkUNet .pth into a checkpoint for predict, evaluate and train.

    The architecture is read off the weights; what they do not say (classes, voxel size, input) you must. For example,
    weights trained on ScanNet at 2 cm:
    python tools/convert_checkpoint.py input=weights.pth output=scannet.safetensors classes=scannet20 voxel_size=0.02
    """

    input: str = option("the .pth file; only tensors and numbers are read from it")
    output: str = option("the .safetensors file to write")
    classes: str = option("s3dis, scannet20 or a classes.yaml, in the order of the network's outputs")
    voxel_size: float = option("meters, as in training")
    features: list[str] = field(
        default_factory=lambda: ["color"], metadata={"help": "input features in order; color is rgb / 255 - 0.5"}
    )


def main(options: Options) -> None:
    if not options.voxel_size > 0:
        raise InputError(f"voxel_size={options.voxel_size}: must be positive, in meters")
    if Path(options.output).suffix != ".safetensors":
        raise InputError(f"output={options.output}: the name must end in .safetensors")
    check_output(options.output, folder=False)
    from pcseg.model.checkpoint import save_model  # late: PyTorch takes seconds to load
    from pcseg.model.minkowski import convert_minkowski, read_minkowski
    from pcseg.model.model import Model
    from pcseg.model.networks import Networks, NetworkSpec

    classes, features = open_classes(options.classes).classes, Features(options.features)
    arguments, network = convert_minkowski(read_minkowski(options.input), options.input)
    if arguments["n_classes"] != len(classes):
        raise InputError(
            f"classes={options.classes}: {len(classes)} names, but {options.input} has {arguments['n_classes']} "
            "outputs; give the classes it was trained on"
        )
    if arguments["in_channels"] != features.width:
        raise InputError(
            f"features={','.join(features.names)}: {features.width} channels, but {options.input} takes "
            f"{arguments['in_channels']}; give the features it was trained on"
        )
    record = {"converted_from": Path(options.input).name}
    spec = NetworkSpec("MinkUNet", arguments)
    inputs = VoxelInputs(options.voxel_size, features)
    save_model(options.output, Model(Networks(network, spec), classes, inputs, record))
    count = sum(p.numel() for p in network.parameters())
    print(f"{options.output}: MinkUNet, {count:,} parameters, channels {arguments['channels']}")


if __name__ == "__main__":
    run(main, Options)
