"""Mean teacher (Tarvainen and Valpola, arXiv 1703.01780): a network whose weights are the running mean of another's."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from pcseg.errors import InputError


class MeanTeacher(nn.Module):
    """Keeps ``teacher`` at the running mean of the weights and buffers of ``student``, with a decay from 0 to below 1.

    The first update copies the student, unless the mean was ``begun`` by an earlier stage; each later one moves the
    teacher by ``1 - decay`` of the way (equation 1 there with alpha = decay). Integer buffers are copied. Both networks
    belong to the caller: the teacher may be deployed, and kept from stage to stage. Raises InputError for a decay out
    of range.
    """

    updates: torch.Tensor

    def __init__(self, teacher: nn.Module, student: nn.Module, decay: float, begun: bool = False) -> None:
        super().__init__()
        if not 0 <= decay < 1:
            raise InputError(f"teacher={decay}: give a decay from 0 to below 1")
        self._networks = (teacher, student)  # in a tuple: not registered, since they are not the teacher's own state
        self.decay = decay
        self.register_buffer("updates", torch.tensor(int(begun)))

    @torch.no_grad()
    def forward(self, *inputs: Any, **options: Any) -> Any:
        """Return the teacher's output as at test time, without gradients."""
        return self._networks[0].eval()(*inputs, **options)

    @torch.no_grad()
    def update(self) -> None:
        """Move the teacher toward the student; call it after each step."""
        theirs, ours = (self._tensors(network) for network in self._networks)
        moved = 1 - self.decay if self.updates > 0 else 1.0
        means = [pair for pair in zip(theirs, ours, strict=True) if pair[0].is_floating_point() and moved < 1]
        for teacher, student in zip(theirs, ours, strict=True):
            if moved == 1 or not teacher.is_floating_point():
                teacher.copy_(student)
        if means:
            torch._foreach_lerp_([t for t, _ in means], [s.to(t.dtype) for t, s in means], moved)
        self.updates += 1

    @staticmethod
    def _tensors(network: nn.Module) -> list[torch.Tensor]:
        return [tensor.detach() for tensor in (*network.parameters(), *network.buffers())]
