"""Frames in folders as exported from ScanNet: pictures, poses, and matrices of pictures of another size.

Bad input and its message: no matrix of the camera; a matrix that is none, or of pictures of another shape; depths of 8
bits; a pose that is no rotation or of other numbers; a color picture that its EXIF turns; damaged pictures.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pcseg.errors import InputError
from pcseg.formats.frames import FrameFolder, find_frames, in_order, read_depth
from pcseg.formats.intrinsics import implied_size, rescaled
from pcseg.formats.sens import SensFile
from tests.formats.frame_files import HALF, INTRINSIC, folder, pictures, sens


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    return folder(tmp_path / "train" / "scene0000_00", pictures(12))


def test_frames_come_back_in_order(scene: Path) -> None:
    found = FrameFolder(scene)
    assert found.names == tuple(map(str, range(12)))
    assert found.remarks == ()
    for name, (pose, color, depth) in zip(found.names, pictures(12), strict=True):
        frame = found.frame(name)
        np.testing.assert_array_equal(frame.pose, pose)
        assert frame.color is not None
        assert frame.depth is not None
        assert np.abs(frame.color.astype(int) - color).max() <= 3  # of JPEG
        np.testing.assert_allclose(frame.depth, depth / 1000, rtol=1e-6)
        np.testing.assert_array_equal(frame.color_intrinsic, INTRINSIC[:3, :3])
        np.testing.assert_array_equal(frame.depth_intrinsic, HALF[:3, :3])


def test_pictures_may_be_missing(scene: Path) -> None:
    shutil.rmtree(scene / "depth")
    (scene / "color" / "3.jpg").unlink()
    found = FrameFolder(scene)
    assert found.frame("3").color is None
    assert found.frame("3").color_intrinsic is None
    assert found.frame("4").color is not None
    assert found.frame("4").depth is None
    np.testing.assert_array_equal(found.frame("3").intrinsic((6, 8)), INTRINSIC[:3, :3])
    shutil.rmtree(scene / "color")  # then the principal point tells the size that the matrix is for
    np.testing.assert_allclose(FrameFolder(scene).frame("3").intrinsic((12, 16))[0, 0], 20)
    shutil.rmtree(scene / "intrinsic")
    with pytest.raises(InputError, match=r"frame 3: no intrinsic/intrinsic_color\.txt beside it"):
        FrameFolder(scene).frame("3").intrinsic((6, 8))


def test_a_matrix_of_larger_pictures_is_rescaled_and_told(scene: Path) -> None:
    """As where color pictures were made smaller after the export: the center of each pixel has whole coordinates."""
    larger = np.eye(4)
    larger[:2, :3] = [[40, 0, 15.5], [0, 40, 11.5]]
    np.savetxt(scene / "intrinsic" / "intrinsic_color.txt", larger)
    found = FrameFolder(scene)
    np.testing.assert_allclose(found.frame("0").color_intrinsic, INTRINSIC[:3, :3], atol=1e-9)
    assert "of pictures of 32 x 24, but 0.jpg has 8 x 6; rescaled" in str(found.remarks[0])


@pytest.mark.parametrize(
    ("principal", "found"), [((319.5, 239.5), (480, 640)), ((330, 225), (480, 640)), ((647.75, 483.75), (968, 1296))]
)
def test_the_size_that_a_principal_point_implies(principal: tuple[float, float], found: tuple[int, int]) -> None:
    matrix = np.array([[577.0, 0, principal[0]], [0, 577, principal[1]], [0, 0, 1]])
    height, width = implied_size(matrix, (480, 640), "here")
    assert abs(height - found[0]) <= 4
    assert abs(width - found[1]) <= 4


def test_a_ray_keeps_its_place_when_pictures_are_rescaled() -> None:
    """Pixel (2, 3) of a picture covers the pixels (4, 6) to (5, 7) of one twice as large: its center is (4.5, 6.5)."""
    small = rescaled(INTRINSIC[:3, :3], (6, 8), (12, 16), "here")
    ray = np.linalg.inv(INTRINSIC[:3, :3]) @ [3, 2, 1]
    np.testing.assert_allclose(small @ ray, [6.5, 4.5, 1])


def test_a_pose_of_a_lost_frame_and_a_moved_camera(scene: Path) -> None:
    (scene / "pose" / "1.txt").write_text("-inf -inf -inf -inf\n" * 4)
    np.savetxt(scene / "intrinsic" / "extrinsic_depth.txt", np.eye(4)[::-1])
    found = FrameFolder(scene)
    assert [found.frame(name).tracked for name in "012"] == [True, False, True]
    assert "the depth camera has a place of its own" in str(found.remarks[0])


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("pose/0.txt", "1 0 0\n0 1 0\n0 0 1\n", r"pose/0\.txt: a pose of \(3, 3\); give \(4, 4\)"),
        ("pose/0.txt", "2 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1\n", "its pose is not a rotation and a shift"),
        ("pose/0.txt", "1 0 0 0\n0 -1 0 0\n0 0 1 0\n0 0 0 1\n", "its pose is not a rotation and a shift"),
        ("pose/0.txt", "1 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 1 1\n", "its pose is not a rotation and a shift"),
        ("pose/0.txt", "1 0 0 x\n", "holds no matrix of numbers"),
        ("pose/0.txt", "1 0\n1\n", "holds no matrix of numbers"),
        ("pose/0.txt", "", r"a matrix of \(0,\), but \(4, 4\) is needed"),
        ("intrinsic/intrinsic_depth.txt", "0 0 1\n0 5 1\n0 0 1\n", "is no intrinsic matrix; give fx"),
        ("intrinsic/intrinsic_depth.txt", "5 0 nan\n0 5 1\n0 0 1\n", "is no intrinsic matrix; give fx"),
        ("intrinsic/intrinsic_depth.txt", "5 0 3\n0 5 1\n0 0 1\n", "in the middle of no picture of the shape 4 x 3"),
        ("intrinsic/intrinsic_depth.txt", "5 0 -2\n0 5 1\n0 0 1\n", "in the middle of no picture of the shape 4 x 3"),
    ],
)
def test_matrices_that_cannot_be(scene: Path, file: str, text: str, message: str) -> None:
    (scene / file).write_text(text)
    with pytest.raises(InputError, match=message) as refused:
        FrameFolder(scene).frame("0")
    assert str(refused.value).startswith(str(scene / file))


def test_pictures_that_cannot_be(scene: Path) -> None:
    frame = FrameFolder(scene).frame
    Image.fromarray(np.zeros((3, 4), np.uint8)).save(scene / "depth" / "1.png")
    with pytest.raises(InputError, match=r"depth/1\.png: L, but depths are whole numbers of 16 bits"):
        _ = frame("1").depth
    Image.fromarray(np.zeros((4, 3), np.uint16)).save(scene / "depth" / "2.png")
    with pytest.raises(InputError, match="frame 2: depth: 3 x 4 pixels, but its camera takes 4 x 3, of another shape"):
        _ = frame("2").depth_intrinsic
    Image.fromarray(np.zeros((6, 8), np.uint16)).save(scene / "depth" / "3.png")
    np.testing.assert_allclose(np.diag(frame("3").depth_intrinsic), [10, 10, 1])  # as wide a view, so rescaled
    content = (scene / "depth" / "4.png").read_bytes()
    (scene / "depth" / "4.png").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"depth/4\.png: not a readable picture"):
        _ = frame("4").depth
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.fromarray(np.zeros((6, 8, 3), np.uint8)).save(scene / "color" / "5.jpg", exif=exif)
    with pytest.raises(InputError, match=r"color/5\.jpg: its EXIF says to turn it"):
        _ = frame("5").color
    (scene / "intrinsic" / "intrinsic_color.txt").unlink()
    with pytest.raises(InputError, match=r"intrinsic_color\.txt: no such file; write the camera matrix of the color"):
        FrameFolder(scene).frame("0")


def test_depths_of_32_bits_are_read_if_they_fit(tmp_path: Path) -> None:
    for value, fits in ((65535, True), (65536, False)):
        Image.fromarray(np.full((2, 2), value, np.int32)).save(tmp_path / "a.tif")
        if fits:
            np.testing.assert_allclose(read_depth(tmp_path / "a.tif"), 65.535)
        else:
            with pytest.raises(InputError, match="depths of 65536 to 65536; save 0 to 65535"):
                read_depth(tmp_path / "a.tif")


def test_the_places_where_frames_are_found(tmp_path: Path, scene: Path) -> None:
    assert find_frames(tmp_path, "train/scene0000_00") == FrameFolder(scene)
    assert find_frames(tmp_path / "train", "val/scene0000_00") == FrameFolder(scene)
    assert find_frames(tmp_path, "train/scene0000_01") is None
    for place in ("train/scene0000_01.sens", "scene0000_02.sens", "scene0000_03/scene0000_03.sens"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        sens(tmp_path / place, pictures(1))
        found = find_frames(tmp_path, f"train/{Path(place).stem}")
        assert isinstance(found, SensFile)
        assert found.path == tmp_path / place


def test_names_are_in_the_order_of_their_numbers() -> None:
    assert in_order(["10", "b", "9", "007", "a"]) == ["007", "9", "10", "a", "b"]
