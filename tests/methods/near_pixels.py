"""A network whose first level sees a few pixels around each, at full resolution, for the pictures of bodies.py."""

from __future__ import annotations

from functools import cache

from torch import Tensor, nn

from pcseg.classes import Classes
from pcseg.elements import Elements
from pcseg.methods.cam import ClassActivation
from pcseg.methods.tag_method import TagMethod
from pcseg.model.model import Model
from pcseg.model.networks import Networks, NetworkSpec
from tests.methods.bodies import K, seen, train
from tests.methods.shapes import INPUTS, miou_of
from tests.methods.tiny_network import TinyPixels


class NearNetwork(TinyPixels):
    """Two convolutions, and of these one at full resolution beside one at half of it."""

    def __init__(self, in_channels: int = 3, n_classes: int = K, width: int = 16) -> None:
        nn.Module.__init__(self)  # with layers of its own
        self.channels = (width, width)

        def layer(cin: int, stride: int = 1) -> nn.Module:
            conv = nn.Conv2d(cin, width, 3, stride, 1, bias=False)
            return nn.Sequential(conv, nn.BatchNorm2d(width), nn.ReLU())

        self.first = nn.Sequential(layer(in_channels), layer(width))
        self.down, self.fine = nn.Sequential(layer(width, 2)), layer(width)
        self.head = nn.Conv2d(2 * width, n_classes, 1)

    def encode(self, x: Tensor, stride: int | None = None) -> tuple[Tensor, ...]:
        near: Tensor = self.first(x)
        return (near,) if stride == 1 else (near, self.down(near))

    def decode(
        self, levels: tuple[Tensor, ...], position: Tensor | None = None, color: Tensor | None = None
    ) -> Elements:
        return super().decode((levels[0], self.down(levels[0])), position, color)


def near_model(seed: int) -> Model:
    """A model of fresh weights."""
    spec = NetworkSpec("NearNetwork", {"in_channels": 3, "n_classes": K}, NearNetwork)
    return Model(Networks.build(spec, seed), Classes(("background", "red", "green", "blue")), INPUTS)


def score_at(method: TagMethod, seed: int, high: float) -> float:
    """Return the mIoU of the labels of the activation at one threshold."""
    return miou_of(*seen(method, seed, high), K)


@cache
def near_cam(seed: int) -> TagMethod:
    """Class activation alone, trained."""
    method = ClassActivation(near_model(seed), background="background")
    train(method, seed)
    return method
