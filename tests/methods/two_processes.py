"""Trains each kind of method in the processes of torchrun, and checks that all end with the same weights."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import lightning_fabric
import torch
from lightning_fabric.strategies import DDPStrategy

from pcseg.engine.folder import RunFolder
from pcseg.engine.run import Settings
from pcseg.engine.train import Optimizer, train
from pcseg.metrics import ConfusionMatrix
from pcseg.model.model import Model
from tests.methods.runs import KINDS, endless, model_of, stage, voxels
from tests.methods.test_stages import normed


def agree(fabric: lightning_fabric.Fabric, model: Model, what: str, buffers: bool = True) -> None:
    """Raise AssertionError where a weight, or a buffer, of a network is not the same in both processes."""
    for network, module in model.networks.items():
        for key, value in module.state_dict().items() if buffers else module.named_parameters():
            first, second = fabric.all_gather(value.detach())
            assert torch.equal(first, second), f"{what}: {network}.{key} differs between the processes"


def main(folder: Path) -> None:
    fabric = lightning_fabric.Fabric(accelerator="cpu", strategy=DDPStrategy(find_unused_parameters=True), devices=2)
    fabric.launch()
    optimizers = {"main": Optimizer(partial(torch.optim.SGD, lr=0.05))}
    own = partial(endless, lambda number: voxels(2 * number + fabric.global_rank))  # each process has its own batches
    for name, kind in KINDS.items():
        model = model_of()
        before = model.networks["main"].head.weight.detach().clone()
        stages = [stage(kind, 3, batches=own, optimizers=optimizers), stage(kind, 2, "two", batches=own)]
        run = RunFolder(folder / name, writes=fabric.is_global_zero)
        train(fabric, model, stages, run, Settings(), lambda: ConfusionMatrix(3))
        agree(fabric, model, name, buffers=False)
        assert not torch.equal(model.networks["main"].head.weight, before), name
    # A pass between stages finds the same running statistics everywhere, though each process has its own batches.
    kind = KINDS["co-training"]
    same = partial(agree, fabric, what="before stage two")
    stages = [stage(kind, 3, batches=own), stage(kind, 1, "two", batches=own, before=lambda model, *_: same(model))]
    run = RunFolder(folder / "pass", writes=fabric.is_global_zero)
    train(fabric, normed(), stages, run, Settings(), lambda: ConfusionMatrix(3))
    fabric.barrier()
    if fabric.is_global_zero:
        print("same in both")
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
