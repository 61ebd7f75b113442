"""Pictures of virtual cameras as files: frames that are read again show what rays find."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pcseg.errors import InputError
from pcseg.formats.frames import FrameFolder
from pcseg.pseudo.view_files import write_views
from tests.pseudo.views import BOARD, SIZE, camera, cloud, picture

POINTS, LABELS = cloud()
COLORS = np.where(LABELS[:, None] == BOARD, [250, 10, 20], [30, 40, 50]).astype(np.uint8)
SHIFT = np.array([7.7e5, 6.2e6, 100.0])
AWAY = camera(0, np.pi)
"""A camera that looks to the other side."""


def test_frames_come_back_with_poses_colors_and_labels(tmp_path: Path) -> None:
    views = [camera(), AWAY, camera(0.8, 0.3)]
    for view in views:
        view.pose[:3, 3] += SHIFT
    count = write_views(tmp_path / "s", views, POINTS + SHIFT, COLORS, LABELS, ("wall", "board"))
    assert count == 2  # the one that sees nothing is left out
    frames = FrameFolder(tmp_path / "s")
    assert frames.names == ("0", "1")
    for name, view in zip(frames.names, (views[0], views[2]), strict=True):
        frame = frames.frame(name)
        np.testing.assert_allclose(frame.pose, view.pose, atol=1e-5)
        np.testing.assert_allclose(frame.color_intrinsic, view.intrinsic)
        assert frame.depth is None
        label, color = np.asarray(Image.open(tmp_path / f"s/label/{name}.png")), frame.color
        wanted = picture(replace(view, pose=view.pose - np.pad(SHIFT[:, None], ((0, 1), (3, 0)))))[1]
        assert (label > 0).mean() > 0.9
        assert (label - 1 == wanted)[label > 0].mean() > 0.96
        assert color is not None
        np.testing.assert_array_equal(color[label == 0], 0)
        np.testing.assert_array_equal(np.unique(color[label == 2], axis=0), [[250, 10, 20]])


def test_without_labels_none_are_written(tmp_path: Path) -> None:
    assert write_views(tmp_path / "s", [camera()], POINTS, COLORS) == 1
    assert sorted(path.name for path in (tmp_path / "s").iterdir()) == ["color", "intrinsic", "pose"]
    assert write_views(tmp_path / "t", [], POINTS, COLORS) == 0


def test_what_cannot_be_written(tmp_path: Path) -> None:
    other = replace(camera(), size=(SIZE[0] + 2, SIZE[1]))
    with pytest.raises(InputError, match="their sizes or matrices differ"):
        write_views(tmp_path / "s", [camera(), other], POINTS, COLORS)
    with pytest.raises(InputError, match="300 classes; label pictures tell 255 apart"):
        write_views(tmp_path / "s", [camera()], POINTS, COLORS, LABELS, [str(i) for i in range(300)])
    assert not (tmp_path / "s").exists()
