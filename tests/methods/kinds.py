"""One small method of each kind that the contract must carry, and the networks they need."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pcseg.elements import Elements, flatten_pixels
from pcseg.feeding.batch import Batch
from pcseg.losses import cross_entropy
from pcseg.methods.base import Method, ParameterGroup, groups
from pcseg.model.checkpoint import add_teacher
from pcseg.model.model import Model
from pcseg.ops import segment_mean
from pcseg.pseudo import MeanTeacher
from pcseg.sparse import SparseTensor


class Points(nn.Module):
    """Two layers on each voxel alone, and a projection beside the scores."""

    strides = (1,)

    def __init__(self, in_channels: int, n_classes: int, width: int = 8) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(in_channels, width), nn.ReLU())
        self.head = nn.Linear(width, n_classes)
        self.project = nn.Linear(width, 2)

    def forward(self, inputs: SparseTensor, position: Tensor | None = None, color: Tensor | None = None) -> Elements:
        feats = self.body(inputs.feats)
        where = inputs.coords[:, 1:].float() if position is None else position
        outputs = {"projection": self.project(feats)}
        return Elements(self.head(feats), feats, inputs.sample, where, color, outputs)


class Pixels(nn.Module):
    """One convolution of images (B, 3, H, W)."""

    def __init__(self, in_channels: int, n_classes: int, width: int = 8) -> None:
        super().__init__()
        self.body = nn.Conv2d(in_channels, width, 3, padding=1)
        self.head = nn.Conv2d(width, n_classes, 1)

    def forward(self, inputs: Tensor, position: Tensor | None = None, color: Tensor | None = None) -> Elements:
        maps = self.body(inputs).relu()
        sample = torch.arange(len(inputs)).repeat_interleave(inputs.shape[2] * inputs.shape[3])
        assert position is not None
        return Elements(flatten_pixels(self.head(maps)), flatten_pixels(maps), sample, position, color)


class CoTraining(Method):
    """Two networks, each learning from the labels and from the other's decisions."""

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self.other = model.networks.make("other")

    def losses(self, batch: Batch, progress: float, player: str = "main") -> dict[str, Tensor]:
        one, two = self.network(batch.inputs).logits, self.other(batch.inputs).logits
        mutual = F.cross_entropy(one, two.argmax(1)) + F.cross_entropy(two, one.argmax(1))
        return {"labels": cross_entropy(one, batch.labels) + cross_entropy(two, batch.labels), "mutual": 0.1 * mutual}


class Averaged(Method):
    """A running mean of the network, which is the one that is deployed."""

    deployed = "mean"

    def __init__(self, model: Model, decay: float = 0.5) -> None:
        super().__init__(model)
        begun = "mean" in model.networks
        self.teacher = model.networks["mean"] if begun else model.networks.copy("mean")
        self.mean = MeanTeacher(self.teacher, self.network, decay, begun)

    def losses(self, batch: Batch, progress: float, player: str = "main") -> dict[str, Tensor]:
        logits = self.network(batch.inputs).logits
        target = self.mean(batch.inputs).logits
        return {"labels": cross_entropy(logits, batch.labels), "agree": (logits - target).square().mean()}

    def after_step(self, step: int) -> None:
        self.mean.update()


class Distilled(Method):
    """Learns from the frozen network of another run."""

    def __init__(self, model: Model, run: str) -> None:
        super().__init__(model)
        self.teacher = add_teacher(model, "teacher", run)

    def losses(self, batch: Batch, progress: float, player: str = "main") -> dict[str, Tensor]:
        with torch.no_grad():
            target = self.teacher(batch.inputs, position=batch.position).logits.argmax(1)
        return {"labels": cross_entropy(self.network(batch.inputs).logits, target)}


class Agreeing(Method):
    """Two views of a point get the same scores."""

    needs = frozenset({"matches"})

    def losses(self, batch: Batch, progress: float, player: str = "main") -> dict[str, Tensor]:
        assert batch.matches is not None
        logits = self.predict(batch).logits
        first, second = (logits[rows].softmax(1) for rows in batch.matches)
        return {"labels": cross_entropy(logits, batch.labels), "agree": (first - second).square().sum(1).mean()}


class Confident(Method):
    """Unlabeled samples learn from confident decisions (domain 1), labeled ones from labels (domain 0)."""

    needs = frozenset({"domain"})

    def losses(self, batch: Batch, progress: float, player: str = "main") -> dict[str, Tensor]:
        assert batch.domain is not None
        logits = self.predict(batch).logits
        target = batch.domain[batch.sample] == 1
        certain = target & (logits.detach().softmax(1).amax(1) > 0.5)
        guess = torch.where(certain, logits.detach().argmax(1), -1)
        return {"labels": cross_entropy(logits, batch.labels), "guess": 0.1 * cross_entropy(logits, guess)}


class Tagged(Method):
    """The mean score of each class in a sample learns whether the class is there."""

    needs = frozenset({"tags"})

    def losses(self, batch: Batch, progress: float, player: str = "main") -> dict[str, Tensor]:
        assert batch.tags is not None
        mean = segment_mean(self.predict(batch).logits, batch.sample, batch.n_samples)
        return {"tags": F.binary_cross_entropy_with_logits(mean, batch.tags.float())}


class Adversarial(Method):
    """A critic learns to tell domains by the scores, and the network to be taken for labeled data."""

    needs = frozenset({"domain"})

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self.critic = nn.Linear(len(model.classes), 1)

    def players(self) -> dict[str, list[ParameterGroup]]:
        return {"main": groups(self.network.named_parameters()), "critic": groups(self.critic.named_parameters())}

    def losses(self, batch: Batch, progress: float, player: str = "main") -> dict[str, Tensor]:
        assert batch.domain is not None
        domain = batch.domain[batch.sample].float()[:, None]
        scores = self.predict(batch).logits
        if player == "critic":
            return {"told": F.binary_cross_entropy_with_logits(self.critic(scores.detach().softmax(1)), domain)}
        fooled = F.binary_cross_entropy_with_logits(self.critic(scores.softmax(1)), torch.zeros_like(domain))
        return {"labels": cross_entropy(scores, batch.labels), "fooled": 0.1 * fooled}


class FastHead(Method):
    """The classifier learns at ten times the rate."""

    def players(self) -> dict[str, list[ParameterGroup]]:
        return {"main": groups(self.named_parameters(), {"network.head": 10.0})}

    def losses(self, batch: Batch, progress: float, player: str = "main") -> dict[str, Tensor]:
        return {"labels": cross_entropy(self.predict(batch).logits, batch.labels)}


class Projected(Method):
    """A loss on a named output beside the scores."""

    def losses(self, batch: Batch, progress: float, player: str = "main") -> dict[str, Tensor]:
        elements = self.predict(batch)
        projection = elements.outputs["projection"]
        return {"labels": cross_entropy(elements.logits, batch.labels), "projection": 0.1 * projection.square().mean()}
