"""Pictures with the name of each labeled point beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from pcseg.classes import IGNORE, Classes
from pcseg.vis.numbered import write_numbered
from pcseg.vis.view import CloudView


def test_each_labeled_point_has_a_dot_and_a_name(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    coord = np.c_[rng.random((3000, 2)), np.zeros(3000)].astype(np.float32)
    color = np.full((3000, 3), 128, np.uint8)
    red = []
    for count in (0, 1, 9):
        labels = np.full(3000, IGNORE)
        labels[:count] = np.arange(count)
        view = CloudView("a_$b$", coord, Classes(tuple(map(str, range(1, 10)))), color, labels=labels)
        picture = np.asarray(Image.open(write_numbered(tmp_path / f"{count}.png", view, width=300)).convert("RGB"), int)
        red.append(int(((picture[..., 0] > 200) & (picture[..., 1] < 60)).sum()))
        dark = (picture[40:].max(axis=-1) < 60).sum()  # names, below the title
        assert (dark > 0) == (count > 0)
    assert red[0] == 0
    assert red[2] > 4 * red[1] > 0
