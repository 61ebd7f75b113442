"""The table of semi-supervised methods: what goes on from which run, at which compute, and what is compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import methods, tags
from benchmarks.methods import FURTHER, WHOLE, Options
from pcseg.errors import InputError
from tests.benchmarks._stand_in import rows_of, stand_in


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (Options(table="boats"), "table=boats: must be one of camvid"),
        (Options(table="rooms", begin=0), "begin=0: give a number above 0"),
        (Options(table="rooms", further=-1), "further=-1: give a number above 0"),
    ],
)
def test_what_is_wrong_is_said_first(options: Options, words: str) -> None:
    with pytest.raises(InputError, match=words):
        methods.main(options)


def test_methods_go_on_from_the_control_of_their_seed_at_its_compute(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    called = stand_in(monkeypatch)
    given = {"input": "CamVid", "weights": "lite0.pth", "settings": ["device=cuda"], "jobs": 3}
    methods.main(Options(table="camvid", seeds=[0, 1], output="out", begin=100, further=50, **given))
    tools = [tool for tool, _ in called]
    assert tools == ["prepare", "draw_labels", "draw_labels", *["compare"] * 3, *["evaluate"] * 4]
    begun, further, whole = (arguments for tool, arguments in called if tool == "compare")
    assert [one["compute"] for one in (begun, further, whole)] == ["100", "50", "150"]
    assert all(one["jobs"] == "3" and "device=cuda" in one["settings"] for one in (begun, further, whole))
    assert ["+network.weights=lite0.pth" in one["settings"] for one in (begun, further, whole)] == [True, False, True]
    full, control, ocr = (f"weights=out/camvid/begun/row{row}/seed${{seed}}" for row in range(3))
    rows = rows_of(further)
    assert rows[:3] == [
        f"labels=full method=supervised {full}",
        f"labels=eighth_scenes method=supervised {control}",
        f"labels=eighth_scenes method=supervised network=ocr_lite0 {ocr}",
    ]
    assert [row.split()[1:3] for row in rows[3:]] == [[f"method={name}", control] for name in FURTHER]
    assert f"teachers=[{ocr[8:]};{control[8:]}]" in next(row for row in rows if "mgd" in row)
    assert [row.split()[:2] for row in rows_of(whole)] == [
        ["labels=full", "method=supervised"],
        *(["labels=eighth_scenes", f"method={name}"] for name in ("supervised", *WHOLE)),
    ]
    printed = capsys.readouterr().out
    assert printed == Path("out/camvid/table.md").read_text()
    assert "| full | 15.0 ± 7.1 | 15.0 ± 7.1 |  |" in printed
    assert "| eighth_scenes | 16.0 ± 7.1 | 16.0 ± 7.1 |  |" in printed  # the control: nothing is above it
    assert "| eighth_scenes, cps |  | 17.0 ± 7.1 | +1.0 ± 0.0 |" in printed
    assert "| full, CRF |  | 50.0 ± 0.0 | +35.0 ± 7.1 |" in printed
    assert "| eighth_scenes, CRF |  | 50.0 ± 0.0 | +34.0 ± 7.1 |" in printed


def test_spread_labels_are_smoothed_too_and_above_their_own_control(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    called = stand_in(monkeypatch)
    methods.main(Options(table="rooms", seeds=[0, 1], output="out"))
    smoothed = [arguments["output"] for tool, arguments in called if tool == "evaluate"]
    assert len(smoothed) == 10
    assert all(folder.startswith("out/rooms/further/") for folder in smoothed[:6])
    assert all(folder.startswith("out/rooms/whole/") for folder in smoothed[6:])
    assert "| 0.1pct, label_efficient, CRF |  | 50.0 ± 0.0 |" in capsys.readouterr().out


def test_tables_share_what_is_prepared() -> None:
    for name in ("camvid", "rooms"):
        assert methods.TABLES[name].data == tags.TABLES[name].data
