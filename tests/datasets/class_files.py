"""Write a classes.yaml, draw valid ones at random, and check the message when one is refused."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import strategies as st

from pcseg.datasets.class_file import LARGEST, ClassFile, read_class_file
from pcseg.errors import InputError

NAMES = "names: [ground, tree, house]\n"


def written(folder: Path, text: str | bytes) -> Path:
    """Write ``folder/classes.yaml`` and return its path."""
    path = folder / "classes.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def refused(path: Path) -> str:
    """Return the error message of a bad file: one printable line of bounded length that names it, within 5 s."""
    started = time.process_time()
    with pytest.raises(InputError) as caught:
        read_class_file(path)
    message = str(caught.value)
    assert time.process_time() - started < 5
    assert message.startswith(str(path))
    assert message.isprintable()
    assert len(message) < 1000
    return message


words = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=8)
codes = st.integers(0, LARGEST) | st.integers(0, 20) | st.integers(-99, -2)


@st.composite
def class_files(draw: st.DrawFn) -> ClassFile:
    """Draw a valid class file of 1 to 5 classes."""
    names = tuple(draw(st.lists(words, min_size=1, max_size=5, unique=True)))
    numbers = draw(st.lists(codes, unique=True, max_size=10))
    n_ids = draw(st.integers(0, len(numbers)))
    ids = {number: draw(st.sampled_from(names)) for number in numbers[:n_ids]}
    ignore = tuple(n for n in numbers[n_ids:] if ids or not 0 <= n < len(names))
    channel = st.integers(0, 255)
    colors = draw(st.just(()) | st.tuples(*[st.tuples(channel, channel, channel)] * len(names)))
    scale = draw(st.floats(1e-9, 1e9))
    return ClassFile(names, colors, draw(words), draw(words), ids, ignore, tuple(draw(st.lists(words))), scale)
