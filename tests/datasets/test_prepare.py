"""Preparing from Python: what it refuses, in which words, and what it tells of what it took."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from pcseg.classes import Classes
from pcseg.datasets import FolderReader, S3disReader
from pcseg.datasets.class_file import ClassFile
from pcseg.datasets.cloud_scene import to_scene
from pcseg.datasets.prepare import REPORT, prepare, read_summary
from pcseg.errors import InputError
from pcseg.files import read_json, write_json
from pcseg.formats import write_cloud
from pcseg.formats.cloud import Cloud
from pcseg.formats.defects import Defect
from pcseg.scenes.scene import Scene, read_classes, read_scene
from tests.datasets.raw import s3dis_room

NAMES = tuple(f"kind of thing {i}" for i in range(40))
MEANING = ClassFile(NAMES, ids={2: NAMES[0], 5: NAMES[1]})


@pytest.fixture
def reader(tmp_path: Path) -> FolderReader:
    """One scan of two points, in a folder of its own."""
    (tmp_path / "raw").mkdir()
    write_cloud(tmp_path / "raw/a.ply", np.eye(3), labels=np.array([2, 5, 5]))
    return FolderReader(str(tmp_path / "raw"), MEANING)


def test_a_negative_number_of_workers(tmp_path: Path, reader: FolderReader) -> None:
    with pytest.raises(InputError, match=r"^workers=-1: give 0 \(one for each core\) or more$"):
        prepare(reader, str(tmp_path / "out"), workers=-1)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"ids": {2: NAMES[0], 5: NAMES[2]}}, f"ids was {{'5': '{NAMES[1]}'}}, now {{'5': '{NAMES[2]}'}}"),
        ({"ids": {2: NAMES[0]}, "scale": 0.5}, f"ids was {{'5': '{NAMES[1]}'}}, now {{}}, scale was 1.0, now 0.5"),
        ({"names": (*NAMES[:-1], "door")}, f"names was ['...', '{NAMES[-1]}'], now ['...', 'door']"),
        ({"names": ("door", *NAMES), "ignore": (7,)}, "names was ['kind of thing 0', "),
    ],
)
def test_only_what_differs_is_told(tmp_path: Path, reader: FolderReader, change: dict, told: str) -> None:
    prepare(reader, str(tmp_path / "out"), workers=1)
    with pytest.raises(InputError) as caught:
        prepare(replace(reader, meaning=replace(MEANING, **change)), str(tmp_path / "out"), workers=1)
    message = str(caught.value)
    assert f"{tmp_path / 'out/dataset.json'}: begun with other settings ({told}" in message
    assert message.endswith("; choose another output, or overwrite=true to prepare it all again")
    assert "label" not in message  # which is as it was
    assert len(message) < len(str(tmp_path)) + 450


def test_another_reader_is_told_alone(tmp_path: Path, reader: FolderReader) -> None:
    s3dis_room(tmp_path / "s3dis/Area_1/office_1", {"floor_1": 5})
    prepare(S3disReader(str(tmp_path / "s3dis")), str(tmp_path / "out"), workers=1)
    (tmp_path / "out/Area_1").rename(tmp_path / "out/train")
    (tmp_path / "out/train/office_1").rename(tmp_path / "out/train/a")
    with pytest.raises(InputError, match=r"settings \(reader was 'S3disReader', now 'FolderReader'\); choose"):
        prepare(reader, str(tmp_path / "out"), workers=1)
    write_json(tmp_path / "out/dataset.json", ["nothing of the kind"])
    with pytest.raises(InputError, match=r"settings \(reader was None, now 'FolderReader'\); choose"):
        prepare(reader, str(tmp_path / "out"), workers=1)


def test_the_report_is_read_back(tmp_path: Path, reader: FolderReader) -> None:
    assert read_summary(str(tmp_path / "out")) is None
    write_cloud(tmp_path / "raw/b.ply", np.eye(3), labels=np.array([2, 5, 7]))
    summary = prepare(reader, str(tmp_path / "out"), workers=1)
    assert [name for name, _ in summary.failed] == ["train/b"]
    assert read_summary(str(tmp_path / "out")) == summary
    (tmp_path / "out" / REPORT).write_text("{}")
    with pytest.raises(InputError, match=r"prepare_report\.json: is no report of tools/prepare\.py"):
        read_summary(str(tmp_path / "out"))


class Panic(BaseException):
    """As those of Rust, of which Exception is no parent."""


@dataclass(frozen=True)
class Deadly:
    """Five scenes; what becomes of ``way`` is what the name says."""

    way: str

    @property
    def classes(self) -> Classes:
        return Classes(("a",))

    def scenes(self) -> list[str]:
        return [f"train/{i}" for i in range(5)]

    def remarks(self) -> list[Defect]:
        return []

    def sources(self, name: str) -> list[Path]:
        return []

    def read(self, name: str) -> tuple[Scene, list[Defect]]:
        if name == "train/2":
            if self.way == "panic":
                raise Panic("no such chunk\nat all")
            if self.way == "recursion":
                raise RecursionError("too deep")
            if self.way == "memory":
                raise MemoryError
            os.kill(os.getpid(), getattr(signal, self.way))
        return Scene(np.eye(3, dtype=np.float32), name=name), []


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(("way", "told"), [
    ("panic", "Panic: no such chunk at all"), ("recursion", "RecursionError: too deep"), ("memory", "MemoryError"),
    ("SIGKILL", "its process was killed, perhaps for lack of memory"), ("SIGABRT", "its process died of SIGABRT"),
])  # fmt: skip
def test_a_file_that_kills_its_reader_costs_its_scene_alone(tmp_path: Path, way: str, told: str, workers: int) -> None:
    summary = prepare(Deadly(way), str(tmp_path), workers)
    assert summary.prepared == tuple(f"train/{i}" for i in (0, 1, 3, 4))
    ((name, error),) = summary.failed
    assert name == "train/2"
    assert error.startswith("train/2: ")
    assert told in error
    assert "\n" not in error
    assert "fewer" not in error


def folder_of(root: Path, **clouds: np.ndarray) -> FolderReader:
    """Scans as .npy of columns x, y, z, label."""
    (root / "raw/train").mkdir(parents=True)
    for name, coord in clouds.items():
        np.save(root / f"raw/train/{name}.npy", np.column_stack([coord, np.arange(len(coord)) % 2]))
    return FolderReader(str(root / "raw"), ClassFile(("a", "b"), columns=("x", "y", "z", "label")))


ROOM = np.random.default_rng(0).random((3000, 3)) * [5, 4, 2.5] + [500_000, 5_000_000, 100]


@pytest.mark.parametrize(
    "strays", [[[0, 0, 0]] * 10, [[500_000, 5_000_000, -1e9]], [[-3e7, 5_000_000, 100]], [[1e11, -1e11, 1e11]]]
)
def test_strays_are_kept_and_told_and_cost_no_precision(tmp_path: Path, strays: list[list[float]]) -> None:
    coord = np.concatenate([ROOM, strays])
    summary = prepare(folder_of(tmp_path, a=coord), str(tmp_path / "out"), 1)
    scene = read_scene(tmp_path / "out/train/a", Classes(("a", "b")), with_labels=True)
    error = np.abs(scene.coord.astype(np.float64) + scene.origin - coord).max(axis=1)
    assert error[:3000].max() < 1e-6
    told = read_json(tmp_path / "out/train/a/scene.json")["precision_m"]
    assert told == {"bulk": error[:3000].max(), "all": error.max()}
    (remark,) = summary.remarks
    assert (
        f"{len(strays)} of {len(coord)} points stand over 1000 m apart from the others (first: point 3000, " in remark
    )
    assert ("kept, to " in remark) == (error.max() > 0.001)


def test_a_loss_of_precision_is_told(tmp_path: Path) -> None:
    wide = np.random.default_rng(0).random((3000, 3)) * [1e6, 1e6, 10]
    summary = prepare(folder_of(tmp_path, wide=wide, room=ROOM), str(tmp_path / "out"), 1)
    (remark,) = summary.remarks
    assert "wide.npy: float32 holds coordinates in so wide a scan to 0.031 m only; kept so" in remark


@pytest.mark.parametrize("value", [1e19, 1e30, 3.4028235e38, 1e300, np.nan, np.inf])
def test_marks_of_no_value_are_dropped_and_counted(tmp_path: Path, value: float) -> None:
    coord = ROOM.copy()
    coord[[7, 9], 1] = value
    summary = prepare(folder_of(tmp_path, a=coord), str(tmp_path / "out"), 1)
    scene = read_scene(tmp_path / "out/train/a", Classes(("a", "b")), with_labels=True)
    np.testing.assert_allclose(scene.coord + scene.origin, np.delete(ROOM, [7, 9], axis=0), rtol=0, atol=1e-6)
    assert scene.segment is not None
    assert scene.segment.tolist() == np.delete(np.arange(3000) % 2, [7, 9]).tolist()
    why = "coordinates beyond 1e+12" if np.isfinite(value) else "NaN or infinite coordinates"
    assert any(f"2 of 3000 points have {why} (first: point 7)" in remark for remark in summary.remarks)


def test_normals_that_are_no_numbers_become_zero_and_are_told(tmp_path: Path) -> None:
    normal = np.tile(np.array([[0, 0, 1]], np.float32), (4, 1))
    normal[2] = np.nan
    cloud = Cloud(np.arange(12.0).reshape(4, 3), normal=normal)
    scene, defects = to_scene("train/a", "a.ply", cloud, {}, ())
    assert scene.normal is not None
    assert scene.normal.tolist() == [[0, 0, 1], [0, 0, 1], [0, 0, 0], [0, 0, 1]]
    assert [str(d) for d in defects] == [
        "a.ply: 1 points have a normal that is no finite number (first: point 2); made zero"
    ]


def test_what_was_used_is_told(tmp_path: Path, reader: FolderReader) -> None:
    write_cloud(tmp_path / "raw/b.ply", np.eye(3), color=np.ones((3, 3), np.uint8))
    (tmp_path / "raw/c.csv").write_text("x,y,z,classification,intensity\n0,0,0,2,9\n1,1,1,5,9\n")
    summary = prepare(reader, str(tmp_path / "out"), workers=1)
    assert summary.used == (
        "labels from: label (1), nowhere (1), classification (1)", "with: colors (1)", "columns kept: intensity (1)"
    )  # fmt: skip
    assert read_summary(str(tmp_path / "out")) == summary
    assert prepare(reader, str(tmp_path / "out"), workers=1).used == summary.used


def test_the_users_numbers_are_kept(tmp_path: Path, reader: FolderReader) -> None:
    prepare(reader, str(tmp_path / "out"), workers=1)
    classes = read_classes(tmp_path / "out")
    assert classes == reader.classes
    assert classes.codes[:2] == ((2,), (5,))


@pytest.mark.parametrize("text", ["", "[]", "5", '{"defects": 5}', '{"unused": "x"}', "[" * 100_000])
def test_a_scene_with_a_damaged_account_is_made_again(tmp_path: Path, reader: FolderReader, text: str) -> None:
    prepare(reader, str(tmp_path / "out"), workers=1)
    (tmp_path / "out/train/a/scene.json").write_text(text)
    assert prepare(reader, str(tmp_path / "out"), workers=1).prepared == ("train/a",)
    assert read_json(tmp_path / "out/train/a/scene.json")["labels_from"] == "label"
