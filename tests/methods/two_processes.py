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
from tests.methods.test_kinds import KINDS, endless, model_of, stage, voxels


def main(folder: Path) -> None:
    fabric = lightning_fabric.Fabric(accelerator="cpu", strategy=DDPStrategy(find_unused_parameters=True), devices=2)
    fabric.launch()
    optimizers = {"main": Optimizer(partial(torch.optim.SGD, lr=0.05))}
    for name, kind in KINDS.items():
        model = model_of()
        before = model.networks["main"].head.weight.detach().clone()
        own = partial(
            endless, lambda number: voxels(2 * number + fabric.global_rank)
        )  # each process has its own batches
        stages = [stage(kind, 3, batches=own, optimizers=optimizers), stage(kind, 2, "two", batches=own)]
        run = RunFolder(folder / name, writes=fabric.is_global_zero)
        train(fabric, model, stages, run, Settings(), lambda: ConfusionMatrix(3))
        for network, module in model.networks.items():
            for key, weight in module.named_parameters():
                first, second = fabric.all_gather(weight.detach())
                assert torch.equal(first, second), f"{name}: {network}.{key} differs between the processes"
        assert not torch.equal(model.networks["main"].head.weight, before), name
    fabric.barrier()
    if fabric.is_global_zero:
        print("same in both")
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
