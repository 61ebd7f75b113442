"""Networks: each takes a SparseTensor (or images) and returns Elements. ``__all__`` lists what a checkpoint may name.

``protocol.py`` tells what a network must provide.
"""

from pcseg.networks.unet import MinkUNet, minkunet14a, minkunet18a, minkunet34c, minkunet_small

__all__ = ["MinkUNet", "minkunet14a", "minkunet18a", "minkunet34c", "minkunet_small"]
