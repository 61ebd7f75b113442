"""Aggregated activation by hand."""

from __future__ import annotations

import pytest
import torch

from pcseg.activation.aggregate import aggregated


def test_the_largest_of_each_class_and_one_class_of_several_above_the_threshold() -> None:
    first = torch.tensor([[0.9, 0.0, 0.2], [0.1, 0.3, 0.2], [0.0, 0.6, 0.5], [0.0, 0.0, 0.0]])
    second = torch.tensor([[0.0, 0.5, 0.3], [0.2, 0.1, 0.3], [0.0, 0.2, 0.5], [0.0, 0.0, 0.0]])
    wanted = torch.tensor([[0.9, 0.0, 0.3], [0.2, 0.3, 0.3], [0.0, 0.0, 0.5], [0.0, 0.0, 0.0]])
    assert torch.equal(aggregated(iter([first, second]), 0.35), wanted)
    assert torch.equal(aggregated([second, first], 0.35), wanted)
    assert torch.equal(aggregated([first, second], 1.0), torch.maximum(first, second))
    with pytest.raises(ValueError, match="none"):
        aggregated([], 0.35)
