"""The table of methods on tags: what is run in which order, and what is made of the figures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import tags
from benchmarks.tags import CLEANED, METHODS, Options
from pcseg.errors import InputError


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (Options("boats"), "table=boats: must be one of rooms"),
        (Options("frames"), "weights=null"),
        (Options("camvid", weights="lite0.pth"), "input=None"),
        (Options("rooms", input="CamVid"), "input=CamVid"),
    ],
)
def test_what_is_missing_is_said_first(options: Options, words: str) -> None:
    with pytest.raises(InputError, match=words):
        tags.main(options)


def test_the_table_joins_methods_networks_and_what_is_beside(tmp_path, monkeypatch, capsys) -> None:
    """The tools are stood in for: they leave the files that the real ones would."""
    monkeypatch.chdir(tmp_path)
    called = []

    def call(tool: str, *arguments: str) -> None:
        given = dict(argument.partition("=")[::2] for argument in arguments)
        called.append((tool, given))
        output = Path(given["output"])
        if tool == "draw_labels":
            assert not output.exists()
            output.parent.mkdir(parents=True, exist_ok=True)
            output.touch()
        if tool == "compare":
            output.mkdir(parents=True)
            rows = given["rows"].strip("[]").split(",")
            runs = [{"runs": [{"miou": 0.01 * number + shift} for shift in (0.1, 0.2)]} for number in range(len(rows))]
            (output / "table.json").write_text(json.dumps(runs))

    monkeypatch.setattr(tags, "call", call)
    tags.main(Options("frames", weights="lite0.pth", seeds=[0, 1], output="out"))
    tools = [tool for tool, _ in called]
    assert tools == ["simulate", "prepare", *["draw_labels"] * 5, *["compare"] * 3]
    first, second, third = (given for tool, given in called if tool == "compare")
    assert first["compute"] == second["compute"] == "300"
    assert third["compute"] == "600"
    assert ["+network.weights=lite0.pth" in given["settings"] for given in (first, second, third)] == [
        True,
        False,
        True,
    ]
    for name in METHODS:
        assert f"labels=tags method={name}" in first["rows"].strip("[]").split(",")
        assert f"weights=out/frames/methods/tags_{name}/seed${{seed}}" in second["rows"]
    assert second["rows"].count("then=mars") == len(CLEANED)
    printed = capsys.readouterr().out
    assert printed == Path("out/frames/table.md").read_text()
    assert "| cam | 15.0 ± 7.1 | 15.0 ± 7.1 | 23.0 ± 7.1 |" in printed
    assert "| labels=1pct method=supervised | 16.0 ± 7.1 |  |  |" in printed
    called.clear()
    tags.make_labels(tags.TABLES["frames"], "data/frames", [0, 1])
    assert not called
