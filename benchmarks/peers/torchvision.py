"""DeepLabv3 of torchvision, without its auxiliary scores; see peers/pictures.py."""

from __future__ import annotations

from torch import Tensor, nn
from torchvision.models.segmentation import deeplabv3_resnet50

from benchmarks.peers.pictures import Build


class Scores(nn.Module):
    """The scores among the outputs of a network of torchvision."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.inner(images)["out"]
        return scores


networks: dict[str, Build] = {
    "v3_resnet50": lambda n_classes: Scores(
        deeplabv3_resnet50(weights=None, weights_backbone=None, num_classes=n_classes)
    )
}
