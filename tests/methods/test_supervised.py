"""The baseline method: the loss of its plain prediction, and what every method offers the loop."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from pcseg.losses import segmentation_losses
from pcseg.methods import CrossSamplePropagation, IntraSamplePropagation, Supervised
from tests.methods.tiny_network import TinyNetwork, make_batch, model_of


@pytest.mark.parametrize("lovasz", [0.0, 0.7])
def test_losses_are_those_of_the_plain_prediction(lovasz):
    method = Supervised(model_of(TinyNetwork()), lovasz=lovasz).eval()
    batch = make_batch()
    wanted = segmentation_losses(method.network(batch.inputs).logits, batch.labels, lovasz)
    torch.testing.assert_close(method.losses(batch, 0.3), wanted)


def test_guessed_labels_count_by_their_confidence():
    method = Supervised(model_of(TinyNetwork()), lovasz=0.7).eval()
    batch = make_batch()
    batch = replace(batch, weights=torch.rand(len(batch.labels)))
    wanted = segmentation_losses(method.network(batch.inputs).logits, batch.labels, 0.7, batch.weights)
    torch.testing.assert_close(method.losses(batch, 0.3), wanted)
    plain = method.losses(replace(batch, weights=None), 0.3)
    assert all(not torch.equal(wanted[name], plain[name]) for name in wanted)


@pytest.mark.parametrize("kind", [Supervised, CrossSamplePropagation, IntraSamplePropagation])
def test_predict_is_one_plain_pass_with_positions_and_colors(kind):
    network = TinyNetwork().eval()
    method = kind(model_of(network)) if kind is Supervised else kind(model_of(network), stride=4)
    batch = make_batch()
    elements = method.predict(batch)
    assert torch.equal(elements.logits, network(batch.inputs).logits)
    assert torch.equal(elements.position, batch.position)
    assert torch.equal(elements.color, batch.color)
    assert elements.logits.shape == (len(batch.labels), 3)
    assert method.after_step(0) is None
