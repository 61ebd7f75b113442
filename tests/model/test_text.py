"""Vectors of names: alike where spelled alike, the same everywhere, or those of a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pcseg.errors import InputError
from pcseg.model.text import caption_vectors, hashed_ngrams, text_vectors


def test_hashed_names_are_alike_where_they_are_spelled_alike() -> None:
    names = ("chair", "armchair", "Chair ", "window", "ceiling", "board")
    found = text_vectors(names)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(6))
    cosine = found @ found.T
    assert float(cosine[0, 2]) == pytest.approx(1)
    assert float(cosine[0, 1]) > 0.4 > 0.3 > float(cosine[0, 3:].abs().max())
    assert torch.equal(text_vectors(names[::-1]), found.flip(0))
    assert float(hashed_ngrams(["a"], 4096).abs().sum()) == 4  # <a and a>, and <a> twice: as a word and as letters


def test_the_vectors_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "words.npz"
    np.savez(path, sofa=np.array([3.0, 4.0]), sky=np.array([0.0, 2.0]), none=np.zeros(2), long=np.ones(3))
    torch.testing.assert_close(text_vectors(["sky", "sofa"], path), torch.tensor([[0.0, 1.0], [0.6, 0.8]]))
    for names, words in (
        (["sky", "cat"], "no vector for 'cat'"),
        (["sky", "none"], "is 0"),
        (["sky", "long"], "one length"),
    ):
        with pytest.raises(InputError, match=words):
            text_vectors(names, path)
    with pytest.raises(InputError, match="no such file"):
        text_vectors(["sky"], tmp_path / "other.npz")
    with pytest.raises(InputError, match="names"):
        text_vectors([])


def test_a_caption_is_the_mean_direction_of_its_tags() -> None:
    vectors = torch.tensor([[1.0, 0], [0, 1], [-1, 0]])
    tags = torch.tensor([[1, 1, 0], [0, 0, 1], [0, 0, 0]]).bool()
    half = 0.5**0.5
    torch.testing.assert_close(caption_vectors(tags, vectors), torch.tensor([[half, half], [-1, 0], [0, 0]]))
