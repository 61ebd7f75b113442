"""A scan that changes while it is labeled: its labels are not written to other points."""

from __future__ import annotations

from pathlib import Path

import pytest

from pcseg.annotation.export import write_scan
from pcseg.annotation.session import Session
from pcseg.annotation.sources import open_place
from pcseg.datasets import ClassFile
from pcseg.errors import InputError
from pcseg.formats import write_cloud
from tests.annotation.rooms import CLASSES
from tests.annotation.test_tiles import COUNT, MOST, wide


@pytest.mark.parametrize("most", [MOST, COUNT + 1], ids=["tiles", "whole"])
def test_labels_are_not_written_to_the_points_of_a_changed_scan(tmp_path: Path, most: int) -> None:
    scene, scan = wide(), tmp_path / "scan.las"
    for order in (1, -1):
        write_cloud(scan, (scene.coord + scene.origin)[::order], color=scene.color)
        if order == 1:
            (source,) = open_place(scan, ClassFile(CLASSES)).cut(most).sources.values()
            session = Session(next(iter(source.parts())), "Ada")
    try:
        for suffix in ("ply", "las"):
            with pytest.raises(InputError, match="has changed since it was opened"):
                write_scan(session, tmp_path / f"out.{suffix}")
            assert not (tmp_path / f"out.{suffix}").exists()
    finally:
        session.close()
