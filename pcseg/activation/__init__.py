"""Class activation: where in a sample the classes are that its tags name, told by a classifier of whole samples."""

from pcseg.activation.attention import ActivationAttention
from pcseg.activation.cam import TagHead, class_activation
from pcseg.activation.levels import cell_means, interpolated

__all__ = ["ActivationAttention", "TagHead", "cell_means", "class_activation", "interpolated"]
