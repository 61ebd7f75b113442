"""A network that tells true values of elements from those that another network made."""

from __future__ import annotations

from torch import nn

from pcseg.sparse.sizes import check_sizes


def element_critic(cin: int, width: int = 64) -> nn.Sequential:
    """Return a network from values (E, cin) of elements to scores (E, 1), each element on its own.

    The discriminator of single pixels of pix2pix (Isola et al., arXiv 1611.07004, section 4.4) without its norm:
    linear maps to ``width`` channels, to twice as many and to one, with leaky ReLUs between. Raises InputError for
    sizes below 1.
    """
    check_sizes("element_critic", cin=cin, width=width)
    inner = (nn.Linear(cin, width), nn.LeakyReLU(0.2), nn.Linear(width, 2 * width), nn.LeakyReLU(0.2))
    return nn.Sequential(*inner, nn.Linear(2 * width, 1))
