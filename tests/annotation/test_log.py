"""The log of clicks: what was confirmed is there again, wherever the file was cut and whatever failed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcseg.annotation.log import Log, read_entries, whole_lines
from pcseg.errors import InputError

ENTRY = st.dictionaries(st.text(max_size=5), st.one_of(st.integers(-9, 9), st.text(max_size=8), st.none()), max_size=3)


def numbered(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"n": number, **entry} for number, entry in enumerate(entries)]


@settings(max_examples=60, deadline=None)
@given(st.lists(ENTRY, max_size=6), st.data())
def test_a_log_cut_anywhere_has_every_entry_that_was_confirmed_before_the_cut(
    tmp_path_factory: pytest.TempPathFactory, entries: list[dict[str, Any]], data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("log") / "split/scene.jsonl"
    log, sizes = Log(path), [0]
    for entry in numbered(entries):
        log.append(entry)
        sizes.append(path.stat().st_size)  # the entry is confirmed from here on
    log.close()
    cut = data.draw(st.integers(0, sizes[-1]))
    os.truncate(path, cut)
    confirmed = sum(size <= cut for size in sizes) - 1
    again = Log(path)
    assert again.entries == numbered(entries)[:confirmed]
    again.append({"after": True})
    again.close()
    assert read_entries(path) == [*numbered(entries)[:confirmed], {"after": True}]


@settings(max_examples=40, deadline=None)
@given(st.lists(ENTRY, min_size=1, max_size=5), st.binary(max_size=40))
def test_any_bytes_after_the_last_line_are_moved_aside(
    tmp_path_factory: pytest.TempPathFactory, entries: list[dict[str, Any]], rest: bytes
) -> None:
    path = tmp_path_factory.mktemp("log") / "scene.jsonl"
    lines = b"".join(json.dumps(entry).encode() + b"\n" for entry in numbered(entries))
    path.write_bytes(lines + b"?" + rest)
    log = Log(path)
    log.close()
    assert log.entries == numbered(entries)
    assert path.read_bytes() == lines
    assert rest in path.with_name("scene.jsonl.torn").read_bytes()


def test_a_damaged_line_before_whole_ones_is_told_and_nothing_is_changed(tmp_path: Path) -> None:
    path = tmp_path / "scene.jsonl"
    path.write_bytes(b'{"a":1}\n{"b":\n{"c":3}\n')
    with pytest.raises(InputError, match="line 2: is damaged"):
        Log(path)
    assert path.read_bytes() == b'{"a":1}\n{"b":\n{"c":3}\n'


def test_a_write_that_fails_half_way_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log(tmp_path / "scene.jsonl")
    log.append({"n": 1})
    real = os.pwrite

    def full(file: int, data: bytes, at: int) -> int:
        real(file, data[:5], at)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(InputError, match="not saved"):
        log.append({"n": 2})
    monkeypatch.undo()
    log.append({"n": 3})
    assert read_entries(log.path) == log.entries == [{"n": 1}, {"n": 3}]


def test_an_entry_is_forced_to_the_disk_before_it_is_confirmed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, synced = Log(tmp_path / "scene.jsonl"), []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(os.fstat(file).st_size))
    log.append({"n": 1})
    assert synced == [len(b'{"n":1}\n')]


def test_nothing_is_written_after_closing(tmp_path: Path) -> None:
    log = Log(tmp_path / "scene.jsonl")
    log.close()
    with open(tmp_path / "other", "wb") as other, pytest.raises(InputError):  # may have the number of the closed file
        log.append({"n": 1})
    assert other.name
    assert (tmp_path / "other").read_bytes() == b""


def test_lines_may_hold_any_text(tmp_path: Path) -> None:
    log = Log(tmp_path / "scene.jsonl")
    log.append({"text": "a\nb\u2028c\x85d\r<script>"})
    log.close()
    assert Log(log.path).entries == [{"text": "a\nb\u2028c\x85d\r<script>"}]


def test_bytes_splitlines_ends_lines_only_at_line_ends() -> None:
    assert whole_lines(b'{"a":1}\r\n{"b":2}\n', Path("x"))[0] == [{"a": 1}, {"b": 2}]
