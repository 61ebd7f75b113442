"""The click page beside the cells of a notebook: served, clicked through its requests, its labels at hand."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

import numpy as np
import pytest

import pcseg
from pcseg.annotation.wire import unpack
from pcseg.errors import InputError
from pcseg.formats import write_cloud


def test_labels_of_the_page_are_at_hand(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    coord = np.c_[rng.random((400, 2)) * 3, np.zeros(400)]
    write_cloud(tmp_path / "floor.ply", coord, color=np.full((400, 3), 120, dtype=np.uint8))
    page = pcseg.annotate(tmp_path / "floor.ply", ["floor", "wall"])
    try:
        (name,) = page.scenes
        assert f'src="{page.address}"' in page._repr_html_()
        with pytest.raises(InputError, match="is not open"):
            page.labels(name)

        def ask(what: str, **request: object) -> None:
            body = json.dumps({"scene": name, "page": "a-notebook", **request}).encode()
            sent = urllib.request.Request(page.address + what, body, {"Content-Type": "application/json"})
            with urllib.request.urlopen(sent, timeout=60) as answer:
                unpack(answer.read())

        ask("open")
        ask("act", id="1", seconds=1, kind="label", how="click", places=[7], **{"class": "wall"})
        label, confidence = page.labels(name)
    finally:
        page.close()
    assert (label == 1).all(), "one click on a floor reaches all of it"
    assert (confidence == 1).sum() == 1
    again = pcseg.annotate(tmp_path / "floor.ply", "floor,wall")
    again.close()
    with pytest.raises(InputError, match="names the classes"):
        pcseg.annotate(tmp_path / "floor.ply")
