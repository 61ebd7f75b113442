"""The processes of a run: one, or those that torchrun started."""

from __future__ import annotations

import os
from typing import Any

import lightning_fabric
from lightning_fabric.strategies import DDPStrategy

from pcseg.device import choose_device
from pcseg.engine.memory import keep_freed_memory
from pcseg.errors import InputError


def launch(device: str = "auto", precision: str = "32-true") -> lightning_fabric.Fabric:
    """Join the processes that torchrun started, if any, and return the Fabric of this one.

    ``device``: auto, cpu or cuda. Raises InputError for another device and for a precision that Fabric does not know.
    """
    world, local = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    # A method may leave some of its weights unused at a step, as propagation does before its ramp begins.
    strategy: Any = DDPStrategy(find_unused_parameters=True) if world > 1 else "auto"
    try:
        fabric = lightning_fabric.Fabric(
            accelerator=choose_device(device).type,
            strategy=strategy,
            devices=local,
            num_nodes=world // local,
            precision=precision,  # type: ignore[arg-type]
        )
    except ValueError as error:
        raise InputError(f"precision={precision}: {str(error).splitlines()[0]}") from error
    fabric.launch()
    if fabric.device.type == "cpu":
        keep_freed_memory()
    return fabric
