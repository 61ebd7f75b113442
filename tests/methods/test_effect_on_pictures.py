"""Each semi-supervised method against the same network without it, on pictures of shapes: means over four seeds.

Numbers in brackets are standard deviations over the seeds.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from pcseg.feeding.batch import Batch
from pcseg.feeding.pictures.sample import PictureSample, collate_pictures
from pcseg.methods import Method, Supervised, ViewConsistency
from pcseg.methods.ccvc import CCVC
from pcseg.methods.cross_pseudo import CrossPseudo
from pcseg.methods.cw_bass import CWBASS
from pcseg.methods.guessed_labels import GuessedLabels
from pcseg.methods.label_cycle import LabelCycle
from pcseg.methods.mgd import MultiGranularity
from pcseg.methods.s4l import S4L
from pcseg.model.model import Model
from pcseg.nn.critic import element_critic
from pcseg.nn.painter import Painter
from pcseg.pseudo.alignment import aligned, sketch_confidence
from tests.methods.shapes import EDGE, INPUTS, STEPS, K, Make, Shapes, miou, model_of, score, supervised, train

SEEDS, LONG = range(4), 180
"""Seeds, and the steps of those that show little in STEPS; supervised training is scored once for each number."""


def gains(make: Make, views: int = 1, steps: int = STEPS) -> list[float]:
    """Return the gain in mIoU over supervised training of as many steps, of each seed."""
    return [score(make, seed, steps, views) - supervised(seed, steps) for seed in SEEDS]


@pytest.mark.parametrize(("boxes", "least"), [(3, 0.033), (0, 0.02)], ids=["cutmix", "plain"])
def test_cross_pseudo_supervision(boxes: int, least: float) -> None:
    """Seen: 0.57 to 0.60 supervised, gains 0.068 (0.011) with CutMix and 0.042 (0.014) without; asserted: half of
    that."""
    found = gains(lambda model: CrossPseudo(model, boxes=boxes, warmup=0.3, ramp=0.4))
    assert sum(found) / len(found) > least, found


class Guessed(Shapes):
    """Four labeled pictures and four of which a network guessed labels."""

    guesses = torch.empty(0)

    def guess(self, network: torch.nn.Module, alpha: float, seed: int) -> None:
        """Label a part of the unlabeled pictures, each class as often as it is among the labels."""
        mean, std = (torch.tensor(v)[:, None, None] for v in (INPUTS.mean, INPUTS.std))
        with torch.no_grad():
            sure, found = network.eval()((self.unlabeled - mean) / std).logits.softmax(1).max(1)
        labels, confidence = found.numpy(), sure.numpy()
        rule = aligned(sketch_confidence(labels, confidence, K), np.bincount(self.labels.reshape(-1)), alpha)
        kept = rule(labels, confidence, np.random.default_rng(seed).random(len(labels)))
        self.guesses = torch.from_numpy(np.where(kept, labels, -1)).view(-1, EDGE, EDGE)

    def both(self) -> Batch:
        number, samples = torch.arange(EDGE * EDGE).view(EDGE, EDGE), []
        for images, labels, weight in ((self.labeled, self.labels, 1.0), (self.unlabeled, self.guesses, 0.999)):
            for i in torch.randint(len(images), (4,), generator=self.generator):
                image, label = self._turned(images[i], labels[i])
                samples.append(PictureSample(image, label, number, "", weights=torch.full((EDGE, EDGE), weight)))
        return collate_pictures(samples, INPUTS.mean, INPUTS.std)


def test_rounds_of_aligned_labels() -> None:
    """Two rounds of DARS, 90 + 45 + 45 steps. Seen: gain 0.036 (0.030), and 0.048 (0.027) in 200 steps in all, 0.030
    (0.013) in 140; asserted: half of the last.

    A fixed threshold at equal coverage gained as much in mIoU here, where classes are about as hard as frequent.
    """
    found = []
    for seed in SEEDS:
        shapes, model = Guessed(seed), model_of(seed)
        train(model, Supervised, lambda shapes=shapes: shapes.batch(8, 0), LONG // 2, seed)  # type: ignore[misc]
        for alpha in (0.4, 0.65):
            shapes.guess(model.network, alpha, seed)
            train(model, GuessedLabels, shapes.both, LONG // 4, seed + 1)
        found.append(miou(model.network, shapes.test, shapes.truth) - supervised(seed, LONG))
    assert sum(found) / len(found) > 0.015, found


def test_conflict_based_cross_view_consistency() -> None:
    """Seen: gain 0.037 (0.020); asserted: half of that. In 200 steps 0.043 (0.022) over six seeds."""
    found = gains(lambda model: CCVC(model, warmup=0.3, ramp=0.4))
    assert sum(found) / len(found) > 0.018, found


def test_unimatch_v2() -> None:
    """Seen: gain 0.033 (0.029); asserted: half of that. In 200 steps 0.047 (0.032) over six seeds. The teacher of the
    paper is too slow for so few."""
    found = gains(lambda model: ViewConsistency(model, teacher=0.95, hold_back=0.0, warmup=0.3, ramp=0.4), views=3)
    assert sum(found) / len(found) > 0.016, found


def test_the_floor_of_cw_bass() -> None:
    """A floor under the threshold of CW-BASS, against the published one, which accepts every decision: no gain, -0.018
    over 6 seeds in 200 steps. Seen with the floor: mIoU 0.025 (0.012) higher; of the decisions that are accepted in the
    end 0.060 (0.021) more are right, the difference from 0.044 to 0.090. Asserted: half of that.
    """
    better, surer = [], []
    for seed in SEEDS:
        scores, precision = [], []
        for threshold in ("published", "floor"):
            shapes, model = Shapes(seed), model_of(seed)

            def make(model: Model, threshold: str = threshold) -> CWBASS:
                return CWBASS(model, threshold=threshold, teacher=0.95, warmup=0.3, ramp=0.4)

            method = train(model, make, shapes.batch, STEPS, seed)
            scores.append(miou(model.network, shapes.test, shapes.truth))
            precision.append(kept_precision(method, shapes))
        better.append(scores[1] - scores[0])
        surer.append(precision[1] - precision[0])
    assert sum(better) / len(better) > 0.012, better
    assert sum(surer) / len(surer) > 0.029, surer
    assert min(surer) > 0, surer


@torch.no_grad()
def kept_precision(method: Method, shapes: Shapes) -> float:
    """Return the share of right ones among the decisions on other pictures that the rule of CW-BASS accepts."""
    assert isinstance(method, CWBASS)
    mean, std = (torch.tensor(v)[:, None, None] for v in (INPUTS.mean, INPUTS.std))
    confidence, decision = method.mean((shapes.test - mean) / std).logits.softmax(1).max(1)
    return float((decision == shapes.truth.reshape(-1))[method.rule(confidence)].float().mean())


def test_steady_and_sure_predictions() -> None:
    """VAT and entropy minimization. Seen: gain 0.034 (0.037); asserted: half of that. In 200 steps 0.040 (0.020) over
    seven seeds, and with the published weight 1.0 of the entropy 0.012 over three of them.
    """
    settings = {"orientation": 0.0, "vat": 1.0, "entropy": 0.1, "warmup": 0.0, "ramp": 0.3}
    found = gains(lambda model: S4L(model, **settings), steps=LONG)
    assert sum(found) / len(found) > 0.017, found


def test_label_cycle() -> None:
    """With a painter and critics of 16 channels. Seen: gain 0.048 (0.027); asserted: half of that. In 200 steps, with
    the usual ones, 0.059 (0.027) over six seeds; over four of them 0.001 without critics, and with critics at a fifth
    of the rate 0.068, 0.067 of it by them alone.
    """

    def make(model: Model) -> LabelCycle:
        method = LabelCycle(model, warmup=0.1, ramp=0.3)
        method.painter = Painter(K, 3, False, width=16)
        critics = {"appearance": element_critic(3, 16), "labels": element_critic(K, 16)}
        method.critics = torch.nn.ModuleDict(critics)
        return method

    found = gains(make)
    assert sum(found) / len(found) > 0.023, found


def distilled(seed: int) -> float:
    """Return the gain of a narrow student with four labels from a teacher with 48, over the student alone."""
    known, teacher = Shapes(seed, labeled=48), model_of(seed)
    train(teacher, Supervised, lambda: known.batch(8, 0), STEPS, seed)
    spec = replace(teacher.spec, source="run")

    def make(model: Model) -> MultiGranularity:
        model.networks.add("teacher_1", teacher.network.requires_grad_(False), spec)
        return MultiGranularity(model, ["run"])

    shapes, scores = Shapes(seed), []
    for method, labeled, unlabeled in ((make, 4, 4), (Supervised, 8, 0)):
        student = model_of(seed, width=6)
        train(student, method, lambda n=labeled, m=unlabeled: shapes.batch(n, m), STEPS, seed)
        scores.append(miou(student.network, shapes.test, shapes.truth))
    return scores[0] - scores[1]


def test_multi_granularity_distillation() -> None:
    """A student of 6 channels, a teacher of 16. Seen: gain 0.067 (0.044); asserted: half of that. In 200 steps 0.107
    (0.040) over six seeds; by two teachers, over three: 0.162, by decisions alone 0.185, by regions alone 0.076, by
    means alone 0.075.
    """
    found = [distilled(seed) for seed in SEEDS]
    assert sum(found) / len(found) > 0.033, found
