"""Files that are whole or absent, whatever happens while they are written."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pcseg.errors import InputError
from pcseg.files import atomic_path, read_json, sweep, write_json


def content(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_a_file_appears_whole(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "deep" / "file") as temporary:
        temporary.write_text("new")
        assert not (tmp_path / "deep" / "file").exists()
    assert (tmp_path / "deep" / "file").read_text() == "new"
    assert content(tmp_path / "deep") == ["file"]


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")

    def half() -> None:
        with atomic_path(tmp_path / "file") as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half()
    assert (tmp_path / "file").read_text() == "old"
    assert content(tmp_path) == ["file"]


def test_a_folder_replaces_a_folder(tmp_path: Path) -> None:
    for text in ("old", "new"):
        with atomic_path(tmp_path / "scene") as temporary:
            temporary.mkdir()
            (temporary / text).write_text(text)
    assert content(tmp_path) == ["scene"]
    assert content(tmp_path / "scene") == ["new"]


def test_a_file_never_replaces_a_folder(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "precious").write_text("")
    with pytest.raises(InputError, match="is a folder"):
        write_json(tmp_path / "results", {})
    assert content(tmp_path / "results") == ["precious"]
    assert content(tmp_path) == ["results"]


def test_a_place_below_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        write_json(tmp_path / "file" / "below.json", {})


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    program = f"""
import resource
from pcseg.errors import InputError
from pcseg.files import atomic_path
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    with atomic_path({str(tmp_path / "file")!r}) as temporary:
        temporary.write_bytes(bytes(5000))
except InputError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "cannot write (File too large)" in done.stdout
    assert content(tmp_path) == []


def test_kill_leaves_the_old_file_and_sweep_clears_the_rest(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    program = f"""
from pcseg.files import atomic_path
with atomic_path({str(tmp_path / "file")!r}) as temporary:
    temporary.write_text("half")
    print("writing", flush=True)
    time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert (tmp_path / "file").read_text() == "old"
    (tmp_path / ".kept").write_text("")
    sweep(tmp_path)
    assert content(tmp_path) == [".kept", "file"]


def test_json_is_read_back(tmp_path: Path) -> None:
    value = {"a": [1, 2.5, None], "ü": "ok"}
    write_json(tmp_path / "v.json", value)
    assert read_json(tmp_path / "v.json") == value


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe"])
def test_damaged_json(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "v.json").write_bytes(content)
    with pytest.raises(InputError, match=r"v\.json: not a readable JSON") as caught:
        read_json(tmp_path / "v.json")
    assert "\n" not in str(caught.value)


def test_absent_json(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_json(tmp_path / "v.json")


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path):
    (tmp_path / "taken").write_text("x")
    with pytest.raises(InputError, match="taken is a file and no folder"):
        write_json(tmp_path / "taken" / "folder" / "new.json", 1)
    assert (tmp_path / "taken").read_text() == "x"
