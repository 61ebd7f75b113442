"""Files are written completely or not at all, whatever happens meanwhile."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcseg import files
from pcseg.errors import InputError
from pcseg.files import atomic_path, parse_json, read_json, read_text, write_json


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


def test_json_is_read_back(tmp_path: Path) -> None:
    value = {"a": [1, 2.5, None], "ü": "ok"}
    write_json(tmp_path / "v.json", value)
    assert read_json(tmp_path / "v.json") == value


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "Expecting value"),
        (b"{", "Expecting property name"),
        (b"\xff\xfe", "Expecting value"),
        (b"[" * 100_000, "lists within lists"),
        (b"[" * 101 + b"]" * 101, "more than 100 lists within lists"),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, "lists within lists"),
        (b"[NaN]", "NaN where a finite number"),
        (b"[-Infinity]", "-Infinity where a finite number"),
        (b'{"colors": [[1e999, 0, 0]]}', "1e999 where a finite number"),
        (b"[" + b"9" * 5000 + b"]", "a whole number of 5000 digits"),
        (b"[9223372036854775808]", "a whole number of 19 digits"),
        (b'{"a": 1, "b": 2, "a": 3}', "the key 'a' is there twice"),
        (b'[{"\\n\\u001b[2J": 1, "\\n\\u001b[2J": 1}]', "is there twice"),
        (b"{'a': 1}", "Expecting property name"),
    ],
)
def test_damaged_json(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "v.json").write_bytes(content)
    with pytest.raises(InputError, match=r"v\.json: not a readable JSON") as caught:
        read_json(tmp_path / "v.json")
    assert reason in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_hundred_lists_within_lists_are_read(tmp_path: Path) -> None:
    (tmp_path / "v.json").write_text("[" * 100 + "]" * 100)
    assert json.dumps(read_json(tmp_path / "v.json")) == "[" * 100 + "]" * 100


def test_absent_json(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_json(tmp_path / "v.json")
    with pytest.raises(InputError, match="cannot be read"):
        read_json(tmp_path)


def test_a_json_file_beyond_the_bound_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_JSON", 10)
    (tmp_path / "v.json").write_text("[1, 2, 34]")
    assert read_json(tmp_path / "v.json") == [1, 2, 34]
    (tmp_path / "v.json").write_text("[1, 2, 345]")
    with pytest.raises(InputError, match=r"v\.json: has more than 10 bytes"):
        read_json(tmp_path / "v.json")


numbers = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)
values = st.recursive(
    numbers | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(value=values)
@settings(max_examples=100, deadline=None)
def test_every_value_comes_back_from_its_text(value: object) -> None:
    assert parse_json(json.dumps(value), "wrong") == value
    assert parse_json(json.dumps(value, ensure_ascii=False), "wrong") == value


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
def test_text_is_read_in_its_encoding(tmp_path: Path, encoding: str) -> None:
    text = '{"größe": "≥ 1 m"}\r\n'
    (tmp_path / "t").write_bytes((b"\xfe\xff" if encoding == "utf-16-be" else b"") + text.encode(encoding))
    assert read_text(tmp_path / "t", 100) == text
    assert read_json(tmp_path / "t") == {"größe": "≥ 1 m"}


def test_other_encodings_are_named_with_their_place(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes("names: [Straße]".encode("latin-1"))
    with pytest.raises(InputError, match=r"its byte 12 is not UTF-8"):
        read_text(tmp_path / "t", 100)


@pytest.mark.parametrize("error", [InputError, KeyError, OSError, ValueError])
def test_what_is_written_is_checked_before_it_takes_its_name(tmp_path: Path, error: type[Exception]) -> None:
    (tmp_path / "file").write_text("old")
    seen = []

    def read_back(temporary: Path) -> None:
        seen.append(temporary.read_text() + (tmp_path / "file").read_text())
        if len(seen) > 1:
            raise error(f"{temporary}: lost a point\n")

    def write(text: str) -> None:
        with atomic_path(tmp_path / "file", read_back) as temporary:
            temporary.write_text(text)

    write("new")
    with pytest.raises(InputError, match=r"not written, since it could not be read back \(.*file: lost") as caught:
        write("bad")
    assert "pcseg-" not in str(caught.value)
    assert seen == ["newold", "badnew"]
    assert (tmp_path / "file").read_text() == "new"
    assert content(tmp_path) == ["file"]


def test_json_that_could_not_be_read_again_is_not_written(tmp_path: Path) -> None:
    write_json(tmp_path / "v.json", 1)
    with pytest.raises(InputError, match="could not be read back"):
        write_json(tmp_path / "v.json", 2**64)
    assert read_json(tmp_path / "v.json") == 1
    assert content(tmp_path) == ["v.json"]


@pytest.mark.parametrize("length", [89, 91, 200, 255])
def test_names_as_long_as_the_file_system_takes(tmp_path: Path, length: int) -> None:
    for name in ("x" * length, "ä" * (length // 2)):
        for _ in range(2):
            write_json(tmp_path / name, [1])
        assert read_json(tmp_path / name) == [1]
    assert len(content(tmp_path)) == 2
    with pytest.raises(InputError, match="File name too long"):
        write_json(tmp_path / ("x" * 256), [1])


def test_a_link_stays_and_what_it_points_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "file").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "far" / "file")
    (tmp_path / "new").symlink_to(tmp_path / "far" / "not_yet")
    for name in ("link", "new"):
        write_json(tmp_path / name, name)
        assert (tmp_path / name).is_symlink()
    assert read_json(tmp_path / "far" / "file") == "link"
    assert content(tmp_path / "far") == ["file", "not_yet"]


def test_devices_and_protected_files_are_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="pipe: is a device"):
        write_json(tmp_path / "pipe", 1)
    (tmp_path / "file").write_text("old")
    (tmp_path / "file").chmod(0o444)
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # as for all but the superuser
    with pytest.raises(InputError, match="file: is write-protected"):
        write_json(tmp_path / "file", 1)
    assert (tmp_path / "file").read_text() == "old"
    assert content(tmp_path) == ["file", "pipe"]


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path):
    (tmp_path / "taken").write_text("x")
    with pytest.raises(InputError, match="taken is a file and no folder"):
        write_json(tmp_path / "taken" / "folder" / "new.json", 1)
    assert (tmp_path / "taken").read_text() == "x"
