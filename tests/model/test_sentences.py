"""A small BERT from an archive: its pieces of words, its formula, archives of something else, and the real one."""

from __future__ import annotations

import json
import math
import zipfile
from pathlib import Path

import pytest
import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor

from pcseg.errors import InputError
from pcseg.model.sentences import PACKAGE, SentenceModel
from pcseg.model.text import text_vectors

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "so", "##fa", "sofa", "##s", "sky", ",", "cafe", "of"]
WIDTH, HEADS = 8, 2


def weights() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return 0.5 * torch.randn(shape, generator=generator)

    names = {f"embeddings.{n}_embeddings": c for n, c in (("word", len(PIECES)), ("position", 6), ("token_type", 2))}
    found = {f"{name}.weight": draw(count, WIDTH) for name, count in names.items()}
    norms = ["embeddings"]
    for i in range(2):
        name = f"encoder.layer.{i}"
        norms += [f"{name}.attention.output", f"{name}.output"]
        shapes = {f"attention.self.{part}": (WIDTH, WIDTH) for part in ("query", "key", "value")}
        shapes |= {"attention.output.dense": (WIDTH, WIDTH), "intermediate.dense": (12, WIDTH)}
        for layer, (out, into) in (shapes | {"output.dense": (WIDTH, 12)}).items():
            found |= {f"{name}.{layer}.weight": draw(out, into), f"{name}.{layer}.bias": draw(out)}
    for name in norms:
        found |= {f"{name}.LayerNorm.weight": 1 + draw(WIDTH), f"{name}.LayerNorm.bias": draw(WIDTH)}
    return found


def written(path: Path) -> Path:
    """An archive with another config in a folder of it, as published ones have."""
    config = {
        "num_attention_heads": HEADS,
        "num_hidden_layers": 2,
        "layer_norm_eps": 1e-12,
        "max_position_embeddings": 6,
    }
    vocab = {"model": {"type": "WordPiece", "vocab": {piece: number for number, piece in enumerate(PIECES)}}}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("1_Pooling/config.json", "{}")
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("tokenizer.json", json.dumps(vocab))
        archive.writestr("model.safetensors", safetensors.torch.save(weights()))
    return path


def by_hand(numbers: list[int]) -> Tensor:
    w = weights()

    def norm(name: str, x: Tensor) -> Tensor:
        centered = x - x.mean(dim=1, keepdim=True)
        unit = centered / (centered.square().mean(dim=1, keepdim=True) + 1e-12).sqrt()
        return unit * w[f"{name}.LayerNorm.weight"] + w[f"{name}.LayerNorm.bias"]

    def linear(name: str, x: Tensor) -> Tensor:
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    rows = [w["embeddings.word_embeddings.weight"][n] for n in numbers]
    x = torch.stack(rows) + w["embeddings.position_embeddings.weight"][: len(numbers)]
    x = norm("embeddings", x + w["embeddings.token_type_embeddings.weight"][0])
    for i in range(2):
        name = f"encoder.layer.{i}"
        query, key, value = (linear(f"{name}.attention.self.{part}", x) for part in ("query", "key", "value"))
        heads = []
        for h in range(HEADS):
            own = slice(h * WIDTH // HEADS, (h + 1) * WIDTH // HEADS)
            heads.append((query[:, own] @ key[:, own].T / math.sqrt(WIDTH // HEADS)).softmax(dim=1) @ value[:, own])
        x = norm(f"{name}.attention.output", x + linear(f"{name}.attention.output.dense", torch.cat(heads, dim=1)))
        hidden = linear(f"{name}.intermediate.dense", x)
        hidden = hidden * 0.5 * (1 + torch.erf(hidden / math.sqrt(2)))
        x = norm(f"{name}.output", x + linear(f"{name}.output.dense", hidden))
    return F.normalize(x.mean(dim=0), dim=0)


def test_vectors_are_those_of_the_formula(tmp_path: Path) -> None:
    path = written(tmp_path / "model.zip")
    found = text_vectors(["sofa", "Café, sky"], path)
    torch.testing.assert_close(
        found, torch.stack([by_hand([2, 6, 3]), by_hand([2, 10, 9, 8, 3])]), atol=1e-5, rtol=1e-4
    )
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "folder")
    assert torch.equal(text_vectors(["sofa", "Café, sky"], tmp_path / "folder"), found)


def test_words_are_cut_into_the_longest_known_pieces(tmp_path: Path) -> None:
    model = SentenceModel(written(tmp_path / "model.zip"))
    for text, pieces in {
        "sofas": ["sofa", "##s"],
        "SOFA,sky": ["sofa", ",", "sky"],
        "sos fax": ["so", "##s", "[UNK]"],
        "sofa " * 9: ["sofa"] * 4,
        "": [],
    }.items():
        assert [PIECES[n] for n in model.tokens(text)] == ["[CLS]", *pieces, "[SEP]"], text


def test_other_files_are_refused(tmp_path: Path) -> None:
    whole = written(tmp_path / "model.zip")
    with zipfile.ZipFile(whole) as archive, zipfile.ZipFile(tmp_path / "half.zip", "w") as half:
        for name in ("config.json", "tokenizer.json"):
            half.writestr(name, archive.read(name))
    with pytest.raises(InputError, match=r"has no model\.safetensors"):
        text_vectors(["sofa"], tmp_path / "half.zip")
    with pytest.raises(InputError, match="no such file"):
        text_vectors(["sofa"], tmp_path / "none.zip")
    (tmp_path / "other.zip").write_bytes(b"no archive")
    with pytest.raises(InputError, match="is no BERT"):
        text_vectors(["sofa"], tmp_path / "other.zip")


def test_the_real_one_knows_that_a_sofa_is_like_a_chair() -> None:
    """Cosine .61 with a chair, .28 with the sky; where its package is installed."""
    pytest.importorskip(PACKAGE)
    sofa, chair, sky = text_vectors(["sofa", "chair", "sky"], "minilm")
    assert float(sofa @ chair) > 0.5 > 0.4 > float(sofa @ sky)
