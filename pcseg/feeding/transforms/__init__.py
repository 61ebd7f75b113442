"""Augmentation: callables that take Points and a numpy generator and return Points. Mix3D and crops take others.

The type of their first argument tells that they are of clouds (``pcseg/feeding/kinds.py``).
"""

from pcseg.feeding.transforms.color import AutoContrast, ColorDrop, ColorJitter, ColorShift
from pcseg.feeding.transforms.compose import Compose, Sometimes, Transform
from pcseg.feeding.transforms.crop import BoxCrop, SphereCrop
from pcseg.feeding.transforms.dropout import Dropout
from pcseg.feeding.transforms.elastic import Elastic
from pcseg.feeding.transforms.flip import Flip
from pcseg.feeding.transforms.jitter import Jitter, Shift
from pcseg.feeding.transforms.mix3d import mix3d
from pcseg.feeding.transforms.rotate import RotateZ, Tilt
from pcseg.feeding.transforms.scale import Scale

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
