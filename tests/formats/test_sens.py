"""ScanNet's .sens files, made here byte by byte: frames come back as written, and every cut is told.

Bad input and its message: cut off in any region; other versions and compressions; counts and sizes that do not fit;
pictures of another size; depths that unpack to too much; poses that are lost (no error) or no rotation.
"""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest

from pcseg.errors import InputError
from pcseg.formats.sens import read_sens
from tests.formats.frame_files import COLOR, DEPTH, HALF, INTRINSIC, jpeg, pictures, sens


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "scene0000_00.sens"


def test_frames_come_back(path: Path) -> None:
    frames = pictures(12)
    sens(path, frames)
    found = read_sens(path)
    assert found.names == tuple(map(str, range(12)))
    assert found.remarks == ()
    for name, (pose, color, depth) in zip(found.names, frames, strict=True):
        frame = found.frame(name)
        assert frame.tracked
        np.testing.assert_array_equal(frame.pose, pose)
        assert frame.color is not None
        assert frame.color.dtype == np.uint8
        assert np.abs(frame.color.astype(int) - color).max() <= 3  # of JPEG
        assert frame.depth is not None
        assert frame.depth.dtype == np.float32
        np.testing.assert_allclose(frame.depth, depth / 1000, rtol=1e-6)
        np.testing.assert_array_equal(frame.color_intrinsic, INTRINSIC[:3, :3])
        np.testing.assert_array_equal(frame.depth_intrinsic, HALF[:3, :3])


def test_the_matrix_of_color_is_rescaled_to_label_pictures(path: Path) -> None:
    sens(path, pictures(1))
    frame = read_sens(path).frame("0")
    np.testing.assert_allclose(frame.intrinsic(DEPTH), HALF[:3, :3])
    with pytest.raises(InputError, match=r"label\.png: 6 x 6 pixels, but its camera takes 8 x 6, of another shape"):
        frame.intrinsic((6, 6), "label.png")


def test_other_steps_of_depth(path: Path) -> None:
    frames = pictures(1)
    sens(path, frames, steps=5000.0)
    depth = read_sens(path).frame("0").depth
    assert depth is not None
    np.testing.assert_allclose(depth, frames[0][2] / 5000, rtol=1e-6)


@pytest.mark.parametrize("value", [-np.inf, np.nan])
def test_a_frame_whose_tracking_was_lost_is_told(path: Path, value: float) -> None:
    frames = pictures()
    frames[1][0][:] = value
    sens(path, frames)
    assert [read_sens(path).frame(name).tracked for name in "012"] == [True, False, True]


def test_a_camera_with_a_place_of_its_own_is_told(path: Path) -> None:
    moved = np.eye(4)
    moved[0, 3] = 0.04
    sens(path, pictures(1), extrinsic=moved)
    assert [str(remark) for remark in read_sens(path).remarks] == [
        f"{path}: the color camera has a place of its own beside the pose; not used"
    ]


def test_every_cut_is_told(path: Path) -> None:
    ends = sens(path, pictures(3))
    content = path.read_bytes()
    regions = set()
    for length in [*range(0, ends[-1], 7), *(end - 1 for end in ends)]:
        path.write_bytes(content[:length])
        with pytest.raises(InputError) as refused:
            read_sens(path)
        message = str(refused.value)
        assert message.startswith(f"{path}: ")
        assert "cut off" in message or "damaged" in message
        regions.add(sum(end <= length for end in ends))
    assert regions == set(range(len(ends)))
    path.write_bytes(content[: ends[-1]])  # without the records that follow, nothing is missing
    assert len(read_sens(path).names) == 3


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"version": 3}, "not a .sens file of version 4 (its version would be 3)"),
        ({"length": 2**63}, "a name of 9223372036854775808 bytes in a file of"),
        ({"color": 1}, "color in compression png; only jpeg is read"),
        ({"color": 9}, "color in compression number 9"),
        ({"depth": 2}, "depth in compression occi_ushort; only zlib_ushort is read"),
        ({"size": (0, 8)}, "pictures of 8 x 0"),
        ({"depth_size": (2**31, 2**31)}, "pictures of 8 x 6 and 2147483648 x 2147483648; it is damaged"),
        ({"steps": 0.0}, "0 steps of depth a meter"),
        ({"steps": np.nan}, "nan steps of depth a meter"),
        ({"count": 2**62}, "4611686018427387904 frames do not fit"),
        ({"count": 4}, "it is cut off"),
    ],
)
def test_a_head_that_cannot_be(path: Path, changed: dict[str, object], message: str) -> None:
    sens(path, pictures(3), **changed)
    with pytest.raises(InputError) as refused:
        read_sens(path)
    assert message in str(refused.value)
    assert str(refused.value).startswith(f"{path}: ")


def test_sizes_of_pictures_that_do_not_fit(path: Path) -> None:
    ends = sens(path, pictures(3))
    content = bytearray(path.read_bytes())
    at = ends[-3] - 16  # bytes of the last color picture
    for size in (2**64 - 1, 10**6):
        content[at : at + 8] = struct.pack("<Q", size)
        path.write_bytes(content)
        with pytest.raises(InputError, match="ends within frame 2 of 3; it is cut off"):
            read_sens(path)


def test_pictures_that_are_damaged_are_told_when_asked_for(path: Path) -> None:
    frames = pictures(2)
    sens(path, frames, size=(12, 16))
    found = read_sens(path)
    with pytest.raises(InputError, match="frame 1: a color picture of 8 x 6, but the head of the file says 16 x 12"):
        _ = found.frame("1").color
    for size in ((2, 4), (6, 8), (1, 1)):
        sens(path, frames, depth_size=size)
        with pytest.raises(InputError, match=f"frame 1: its depths are not the {size[0] * size[1]} of"):
            _ = read_sens(path).frame("1").depth
    ends = sens(path, frames)
    content = bytearray(path.read_bytes())
    content[ends[-1] - 10 : ends[-1]] = b"x" * 10
    content[ends[-2] - len(jpeg(frames[1][1])) : ends[-2]] = b"x" * len(jpeg(frames[1][1]))
    path.write_bytes(content)
    for kind in ("color", "depth"):
        with pytest.raises(InputError, match="sens: "):
            getattr(read_sens(path).frame("1"), kind)
    assert read_sens(path).frame("0").color is not None


def test_depths_that_unpack_to_too_much_are_not_unpacked(path: Path) -> None:
    with_depths(path, zlib.compress(bytes(10**7), 9))
    tracemalloc.start()
    with pytest.raises(InputError, match=f"its depths are not the {DEPTH[0] * DEPTH[1]}"):
        _ = read_sens(path).frame("0").depth
    assert tracemalloc.get_traced_memory()[1] < 10**6
    tracemalloc.stop()


def test_depths_without_their_end_are_told(path: Path) -> None:
    whole = zlib.compress(pictures(1)[0][2].tobytes())
    for packed, good in ((whole, True), (whole[:-2], False), (whole[:-1] + b"x", False), (b"", False)):
        with_depths(path, packed)
        if good:
            assert read_sens(path).frame("0").depth is not None
        else:
            with pytest.raises(InputError, match=r"scene0000_00\.sens: "):
                _ = read_sens(path).frame("0").depth


def with_depths(path: Path, packed: bytes) -> None:
    """Write a .sens file of one frame, with ``packed`` for its compressed depths."""
    frames = pictures(1)
    ends = sens(path, frames)
    content, start = path.read_bytes(), ends[-2] - len(jpeg(frames[0][1])) - 8
    path.write_bytes(content[:start] + struct.pack("<Q", len(packed)) + content[start + 8 : ends[-2]] + packed)


def test_a_pose_that_is_none_and_a_frame_that_is_not_there(path: Path) -> None:
    frames = pictures(2)
    frames[1][0][0, 0] = 2.0
    sens(path, frames)
    with pytest.raises(InputError, match="frame 1: its pose is not a rotation and a shift"):
        read_sens(path).frame("1")
    with pytest.raises(InputError, match="no frame 2; it has 0 to 1"):
        read_sens(path).frame("2")
    with pytest.raises(InputError, match="no such file"):
        read_sens(path.with_name("other.sens"))
    assert read_sens(path).color.size == COLOR
