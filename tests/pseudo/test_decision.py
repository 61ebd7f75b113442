"""The decision of a network and its probability, without a gradient."""

from __future__ import annotations

import torch

from pcseg.pseudo.decision import decide


def test_it_is_the_most_probable_class() -> None:
    probability = torch.tensor([[0.2, 0.5, 0.3], [0.9, 0.05, 0.05]])
    confidence, decision = decide(probability.log().half().requires_grad_())
    torch.testing.assert_close(confidence, torch.tensor([0.5, 0.9]), rtol=1e-3, atol=0)  # of half precision
    assert confidence.dtype == torch.float32
    assert decision.tolist() == [1, 0]
    assert not confidence.requires_grad
