"""The table of methods on tags: what is run in which order, and what is made of the figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import tags
from benchmarks.harness.comparing import make_labels
from benchmarks.tags import CLEANED, METHODS, Options
from pcseg.errors import InputError
from tests.benchmarks._stand_in import rows_of, stand_in


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (Options(table="boats"), "table=boats: must be one of rooms"),
        (Options(table="frames"), "weights=null"),
        (Options(table="camvid", weights="lite0.pth"), "input=None"),
        (Options(table="rooms", input="CamVid"), "input=CamVid"),
        (Options(table="rooms", compute=0), "compute=0: give a number above 0"),
    ],
)
def test_what_is_missing_is_said_first(options: Options, words: str) -> None:
    with pytest.raises(InputError, match=words):
        tags.main(options)


def test_the_table_joins_methods_networks_and_what_is_beside(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    called = stand_in(monkeypatch)
    tags.main(Options(table="frames", weights="lite0.pth", seeds=[0, 1], output="out"))
    tools = [tool for tool, _ in called]
    assert tools == ["simulate", "prepare", *["draw_labels"] * 5, *["compare"] * 4]
    first, second, third, fourth = (given for tool, given in called if tool == "compare")
    assert first["compute"] == second["compute"] == "300"
    assert third["compute"] == "600"
    assert "steps=600" in fourth["settings"]
    assert ["+network.weights=lite0.pth" in given["settings"] for given in (first, second, third, fourth)] == [
        True,
        False,
        True,
        True,
    ]
    for row, name in enumerate(METHODS):
        assert rows_of(first)[row] == f"labels=tags method={name} optim.optimizer.lr=0.001"
        assert rows_of(second)[row].endswith(f"~stages.main weights=out/frames/methods/row{row}/seed${{seed}}")
    assert second["rows"].count("then=mars") == len(CLEANED)
    printed = capsys.readouterr().out
    assert printed == Path("out/frames/table.md").read_text()
    assert "| cam | 15.0 ± 7.1 | 15.0 ± 7.1 | 23.0 ± 7.1 |" in printed
    assert "| labels=1pct method=supervised | 16.0 ± 7.1 |  |  |" in printed
    called.clear()
    table = tags.TABLES["frames"]
    make_labels("data/frames", table.splits, tags.label_files(table, [0, 1]))
    assert not called
