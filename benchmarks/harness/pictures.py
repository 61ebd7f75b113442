"""Networks of pictures, of pcseg and of other libraries: a training step and inference of each, and what they cost."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.harness.measure import in_a_line
from benchmarks.harness.timing import Task
from benchmarks.peers.pictures import PEERS, Build, open_peer
from pcseg.elements import Elements
from pcseg.losses import labeled_losses
from pcseg.model.networks import NetworkSpec

CLASSES = 13

_LITE, _R50, _R101 = ({"backbone": name} for name in ("efficientnet_lite0", "resnet50", "resnet101"))
_V2 = {"head": "aspp", "output_stride": 8}

OWN: dict[str, tuple[str, dict[str, Any]]] = {
    "v3plus_lite0": ("DeepLab", _LITE),
    "v3plus_resnet50": ("DeepLab", _R50),
    "v3plus_resnet101": ("DeepLab", _R101),
    "v2_lite0": ("DeepLab", {**_LITE, **_V2}),
    "v2_resnet50": ("DeepLab", {**_R50, **_V2}),
    "v2_resnet101": ("DeepLab", {**_R101, **_V2}),
    "ocr_lite0": ("DeepLab", {**_LITE, "head": "ocr"}),
    "ocr_resnet50": ("DeepLab", {**_R50, "head": "ocr"}),
    "p2at_s": ("P2AT", {"variant": "s"}),
}
"""pcseg's networks of pictures: the name in pcseg.networks and its arguments."""


@dataclass(frozen=True)
class Candidate:
    """A ``network`` as one ``library`` has it."""

    network: str
    library: str
    build: Build


def open_peers() -> tuple[dict[str, dict[str, Build]], dict[str, str]]:
    """Return the networks of all libraries that can be imported, and why the others cannot, in a line each."""
    opened = {name: _opened(name) for name in PEERS}
    found = {name: networks for name, networks in opened.items() if not isinstance(networks, str)}
    return found, {name: why for name, why in opened.items() if isinstance(why, str)}


def _opened(name: str) -> dict[str, Build] | str:
    try:
        return open_peer(name)
    except Exception as error:  # of another library, of any type
        return in_a_line(error)


def candidates(peers: dict[str, dict[str, Build]]) -> list[Candidate]:
    """Return all networks of pcseg and ``peers``, those of a name side by side."""
    libraries: dict[str, dict[str, Build]] = {"pcseg": {name: partial(_own, name) for name in OWN}, **peers}
    known = dict.fromkeys(name for networks in libraries.values() for name in networks)
    return [
        Candidate(name, library, networks[name])
        for name in known
        for library, networks in libraries.items()
        if name in networks
    ]


def _own(name: str, n_classes: int) -> nn.Module:
    constructor, arguments = OWN[name]
    return NetworkSpec(constructor, {"in_channels": 3, "n_classes": n_classes, **arguments}).build()


class Work:
    """A candidate's network with an optimizer, and a batch of random pictures (B, 3, H, W) with labels."""

    def __init__(self, candidate: Candidate, batch: int, size: tuple[int, int], device: str, precision: str) -> None:
        torch.manual_seed(0)
        own = candidate.library == "pcseg"  # whose maps are channels last, whatever it is given
        layout = torch.contiguous_format if own else torch.channels_last
        self.network = candidate.build(CLASSES).to(device).to(memory_format=layout)  # type: ignore[call-overload]
        self.images = torch.randn(batch, 3, *size, device=device).contiguous(memory_format=layout)
        self.labels = torch.randint(CLASSES, (batch, *size), device=device)
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=1e-4, fused=True)
        kind = torch.device(device).type
        self.autocast = partial(torch.autocast, kind, torch.bfloat16, enabled=precision == "bf16-mixed")

    @property
    def parameters(self) -> int:
        """Number of the network's weights."""
        return sum(weight.numel() for weight in self.network.parameters())

    def step(self) -> None:
        """Do a training step: forward, loss, backward, optimizer."""
        self.network.train()
        with self.autocast():
            loss = self._loss(self.network(self.images))
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()

    def infer(self) -> Tensor:
        """Return the scores of each pixel, (B * H * W, K) or (B, K, H, W)."""
        self.network.eval()
        with torch.inference_mode(), self.autocast():
            found = self.network(self.images)
        return found.logits if isinstance(found, Elements) else found

    def tasks(self) -> dict[str, Task]:
        """Return training step and inference as tasks."""
        return {"step": Task(self.step, tuple), "inference": Task(self.infer, tuple)}

    def flops(self) -> int:
        """Return the multiplications and additions of inference on one picture, in convolutions and products."""
        images = self.images
        self.images = images[:1]
        with FlopCounterMode(display=False) as counter:
            self.infer()
        self.images = images
        return counter.get_total_flops()

    def _loss(self, found: Elements | Tensor) -> Tensor:
        if isinstance(found, Elements):  # auxiliary scores included
            return torch.stack(list(labeled_losses(found, self.labels.flatten()).values())).sum()
        return F.cross_entropy(found.float(), self.labels)
