"""Preparing from Python: what it refuses, and in which words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pcseg.data.prepare import REPORT, prepare, read_summary
from pcseg.data.readers import FolderReader, S3disReader, write_cloud
from pcseg.data.readers.class_file import ClassFile
from pcseg.errors import InputError
from pcseg.files import write_json
from tests.data.raw import s3dis_room

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
    assert f"{tmp_path / 'out/dataset.json'}: prepared with other settings ({told}" in message
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
