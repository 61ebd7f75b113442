"""The state of an optimizer as tensors and JSON, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from pcseg.errors import InputError, reason


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Split an optimizer's state into tensors named ``<parameter>.<key>`` and the JSON-able rest."""
    state = optimizer.state_dict()
    tensors = {f"{i}.{k}": v for i, entry in state["state"].items() for k, v in entry.items() if isinstance(v, Tensor)}
    values = {
        f"{i}.{k}": v for i, entry in state["state"].items() for k, v in entry.items() if not isinstance(v, Tensor)
    }
    return tensors, {"values": values, "groups": state["param_groups"]}


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], rest: Mapping[str, Any]) -> None:
    """The inverse of ``optimizer_tensors``."""
    try:
        state: dict[int, dict[str, Any]] = {}
        for name, value in {**rest["values"], **tensors}.items():
            index, _, key = name.partition(".")
            state.setdefault(int(index), {})[key] = value
        optimizer.load_state_dict({"state": state, "param_groups": rest["groups"]})
    except Exception as error:  # what is not as optimizer_tensors gives it fails in several ways
        raise InputError(
            f"resume: the optimizer's state does not fit ({type(error).__name__}: {reason(error)}); start over with "
            "overwrite=true"
        ) from error
