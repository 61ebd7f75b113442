"""Augmentation: callables that take Points and a numpy generator and give Points. Mix3D and the crops differ: see there."""

from pcseg.data.transforms.color import AutoContrast, ColorDrop, ColorJitter, ColorShift
from pcseg.data.transforms.compose import Compose, Sometimes, Transform
from pcseg.data.transforms.crop import BoxCrop, SphereCrop
from pcseg.data.transforms.dropout import Dropout
from pcseg.data.transforms.elastic import Elastic
from pcseg.data.transforms.flip import Flip
from pcseg.data.transforms.jitter import Jitter, Shift
from pcseg.data.transforms.mix3d import mix3d
from pcseg.data.transforms.rotate import RotateZ, Tilt
from pcseg.data.transforms.scale import Scale

__all__ = [
    "AutoContrast",
    "BoxCrop",
    "ColorDrop",
    "ColorJitter",
    "ColorShift",
    "Compose",
    "Dropout",
    "Elastic",
    "Flip",
    "Jitter",
    "RotateZ",
    "Scale",
    "Shift",
    "Sometimes",
    "SphereCrop",
    "Tilt",
    "Transform",
    "mix3d",
]
