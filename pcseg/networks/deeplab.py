"""DeepLab: segmentation of images by an encoder of atrous convolutions and one of four heads."""

from __future__ import annotations

from pcseg.networks.backbones import make_encoder
from pcseg.networks.decoders import Classifier, make_decoder
from pcseg.networks.image_network import ImageNetwork
from pcseg.nn.maps import draw_weights
from pcseg.sparse.sizes import check_sizes


class DeepLab(ImageNetwork):
    """An encoder ``backbone`` whose last stages are dilated, a decoder ``head``, and a 1x1 convolution to scores.

    ``backbone``: "efficientnet_lite0", which a CPU can train, "resnet18", "resnet50" or "resnet101". ``head``: "v3plus"
    (Chen et al., arXiv 1802.02611), "ocr" (Yuan et al., arXiv 1909.11065), or those of DeepLab v2 (arXiv 1606.00915),
    "largefov" and "aspp", whose rates are meant for ``output_stride`` 8. The encoder keeps that stride: 8, 16 or 32.
    ``width`` is that of the decoder's layers; None: the usual one of the backbone. With ``activation_checkpointing``
    training takes less memory and a second forward pass, to the same bits.

    Scores (E, n_classes) are computed at stride 4 ("v3plus") or at the output stride, and resized; with "ocr" there are
    auxiliary ones, ``outputs["aux"]`` (E, n_classes), that want a loss of their own (weight 0.4 in the paper). Raises
    InputError for sizes, a stride or channels that do not fit. See :class:`ImageNetwork` for the rest.
    """

    def __init__(
        self,
        in_channels: int,
        n_classes: int,
        backbone: str = "efficientnet_lite0",
        head: str = "v3plus",
        output_stride: int = 16,
        width: int | None = None,
        activation_checkpointing: bool = False,
    ) -> None:
        encoder, usual = make_encoder(backbone, in_channels, output_stride)
        width = usual if width is None else width
        check_sizes("DeepLab", n_classes=n_classes, width=width)
        decoder = make_decoder(head, encoder.channels, width, output_stride, n_classes)
        classifier = Classifier(decoder.channels, decoder.aux_channels, n_classes)
        draw_weights(decoder)
        super().__init__(in_channels, encoder, decoder, classifier, activation_checkpointing)
