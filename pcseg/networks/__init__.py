"""Networks: each takes a SparseTensor (or images) and returns Elements. ``__all__`` lists what a checkpoint may name.

``protocol.py`` tells what a network must provide.
"""

from pcseg.networks.context_unet import MinkUNetASPP, MinkUNetAxial, MinkUNetOCR
from pcseg.networks.deeplab import DeepLab
from pcseg.networks.p2at import P2AT
from pcseg.networks.unet import MinkUNet, minkunet14a, minkunet18a, minkunet34c, minkunet_small

__all__ = [
    "P2AT",
    "DeepLab",
    "MinkUNet",
    "MinkUNetASPP",
    "MinkUNetAxial",
    "MinkUNetOCR",
    "minkunet14a",
    "minkunet18a",
    "minkunet34c",
    "minkunet_small",
]
