"""The tokens of CLIP's text: byte pairs, by the list of merges that is published beside its weights."""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from pcseg.errors import InputError, reason

WORD = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d|[^\W\d_]+|\d|[^\s\w]+|_+", re.IGNORECASE)

END = "</w>"
"""Mark of the last piece of a word."""

MOST_BYTES = 2**24
"""Of a list of merges, unpacked; the published one has 3.2 MB."""


class ClipWords:
    """Text to numbers, as CLIP has them; ``path``: ``bpe_simple_vocab_16e6.txt.gz``, or such a list unpacked.

    ``size`` numbers in all: each byte alone and as the end of a word, merges in their order, then two marks, of the
    begin and of the end. Raises InputError for a file that is no such list, or too short for ``size``.
    """

    def __init__(self, path: str | os.PathLike[str], size: int = 49408) -> None:
        letters = _letters()
        lines = _text(path).split("\n")[1:]
        merges = [(*line.split(), "")[:2] for line in lines[: max(0, size - 2 * len(letters) - 2)]]
        if len(merges) != size - 2 * len(letters) - 2 or not all(all(pair) for pair in merges):
            raise InputError(f"{path}: is no list of {size - 514} merges; give bpe_simple_vocab_16e6.txt.gz")
        plain = list(letters.values())
        pieces = [*plain, *(letter + END for letter in plain), *("".join(pair) for pair in merges)]
        self._number = {piece: number for number, piece in enumerate(pieces)}
        self._rank = {pair: rank for rank, pair in enumerate(merges)}
        self._letters, self._begin, self._end = letters, size - 2, size - 1

    def __call__(self, texts: Sequence[str], length: int = 77) -> Tensor:
        """Return the numbers (n, ``length``) int64 of texts, 0 after their end; what is longer is cut."""
        found = torch.zeros(len(texts), length, dtype=torch.int64)
        for row, text in zip(found, texts, strict=True):
            pieces = [piece for word in WORD.findall(text.strip().lower()) for piece in self._pieces(word)]
            numbers = [self._begin, *(self._number[piece] for piece in pieces[: length - 2]), self._end]
            row[: len(numbers)] = torch.tensor(numbers)
        return found

    def _pieces(self, word: str) -> list[str]:
        """Merge the bytes of a word, the pair that is first in the list first."""
        parts = [self._letters[byte] for byte in word.encode()]
        parts[-1] += END
        while len(parts) > 1:
            pairs = list(pairwise(parts))
            best = min(pairs, key=lambda pair: self._rank.get(pair, len(self._rank)))
            if best not in self._rank:
                break
            merged: list[str] = []
            for part in parts:  # from the left; a merged piece takes no further part in this round
                if merged and (merged[-1], part) == best:
                    merged[-1] += part
                else:
                    merged.append(part)
            parts = merged
        return parts


def _letters() -> dict[int, str]:
    """Return a visible letter for each byte: its own where it has one, else one above 255, in the published order."""
    own = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in own]
    return {byte: chr(byte) for byte in own} | {byte: chr(256 + i) for i, byte in enumerate(others)}


def _text(path: str | os.PathLike[str]) -> str:
    if not Path(path).is_file():
        raise InputError(f"{path}: no such file; give bpe_simple_vocab_16e6.txt.gz, which is published with CLIP")
    try:
        packed = Path(path).suffix == ".gz"
        with gzip.open(path, "rb") if packed else open(path, "rb") as stream:
            return stream.read(MOST_BYTES).decode()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: is no list of merges ({reason(error)}); get it again") from error
