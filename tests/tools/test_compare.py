"""tools/compare.py from the command line: the table is that of the runs, and finished runs are not done again."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import pytest

from tests.forked import run_script
from tests.tools._runs import TINY, building, failed, tool, tool_here


@pytest.fixture
def forked_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the runs that compare starts within this process the time in which a new one loads PyTorch; one thread."""
    run = subprocess.run

    def start(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        if options == {"capture_output": True, "text": True, "check": False}:  # as compare starts them
            assert (command[0], Path(command[1]).name) == (sys.executable, "train.py")
            return run_script(*command[1:])
        return run(command, **options)

    monkeypatch.setattr(subprocess, "run", start)
    monkeypatch.setattr("pcseg.device.cores", lambda: 1)


def common(rooms: Path, *more: str) -> str:
    """Return the option ``settings`` of runs on the rooms of ``building``; threads are chosen by the tool."""
    data = (f"data.root={rooms}", "data.train=[Area_1]", "data.test=[Area_5]", "batch_size=2")
    given = [*data, *(setting for setting in TINY if not setting.startswith("threads")), *more]
    return f"settings=[{','.join(map(repr, given))}]"


def test_the_table_is_that_of_its_runs(forked_runs: None, tmp_path: Path) -> None:
    given = common(building(tmp_path), "experiment=simulated", "steps=4")
    rows = ("labels=full", "match=supervised labels=full clip=5")
    call = ("compare", f"rows=[{','.join(rows)}]", "seeds=[0,1]", f"output={tmp_path}/c", given)
    done = tool_here(*call)
    assert done.returncode == 0, done.stderr
    kept = json.loads((tmp_path / "c/table.json").read_text())
    for row, name, record in zip(rows, ("full", "full_match_supervised_clip-5"), kept, strict=True):
        figures = [json.loads((tmp_path / f"c/{name}/seed{s}/metrics.json").read_text()) for s in (0, 1)]
        scores = [100 * f["miou"] for f in figures]
        line = f"| {row} | 1,200 | {mean(scores):.1f} ± {stdev(scores):.1f} |"
        assert line in done.stdout
        assert line in (tmp_path / "c/table.md").read_text()
        assert (record["choices"], record["compute"]) == (row, 4)
        for seed, (run, figure) in enumerate(zip(record["runs"], figures, strict=True)):
            labels = figure["labels"]
            found = {key: figure[key] for key in ("miou", "accuracy", "seconds", "steps")}
            assert run == {"seed": seed, **found, "labels": 1200, "labels_sha256": labels["sha256"]}

    weights = tmp_path / "c/full/seed0/last.safetensors"
    before = weights.stat().st_mtime_ns
    assert tool_here(*call).returncode == 0
    assert weights.stat().st_mtime_ns == before
    failed(tool_here(*call[:-1], "settings=['steps=5']"), "begun with other settings", "steps=5", "another output")


def test_rows_are_checked_before_the_first_run(tmp_path: Path) -> None:
    rooms = building(tmp_path / "data")
    given = common(rooms, f"data.label_folder={rooms.parent}", "steps=1")
    (rooms.parent / "20pts_seed0.npz").write_bytes((rooms.parent / "labels.npz").read_bytes())
    for row, words in (
        ("experiment=simulatd", ["experiment=simulatd, seed 0", "experiment/simulatd"]),
        ("batch_sise=2", ["seed 0: batch_sise: no such setting; did you mean batch_size?"]),
        ("labels=20pts", ["labels=20pts, seed 1", "20pts_seed1.npz: no such label file"]),
        ("data.root=nowhere", ["nowhere: no such folder"]),
        ("data.test=[]", ["nothing would be scored"]),
        ("method=dense_propagation match=supervised", ["match:", "takes a method of one stage"]),
    ):
        done = tool_here("compare", f"rows=[labels=full,{row}]", given, "seeds=[0,1]", f"output={tmp_path}/c")
        failed(done, *words)
        assert not (tmp_path / "c").exists()


def test_a_failing_run_is_named_in_one_line(tmp_path: Path) -> None:
    given = common(building(tmp_path), "steps=3")
    done = tool("compare", "rows=[network.norm=none]", given, "seeds=[0]", f"output={tmp_path}/c")
    failed(done, "network.norm=none, seed 0: norm=none: must be one of")
    assert not (tmp_path / "c" / "table.md").exists()


def test_compute_is_steps_times_cost(tmp_path: Path) -> None:
    given = common(building(tmp_path), "steps=4")
    match = "match=dense_propagation match.stages.cross.cost=1.5 match.stages.intra.cost=3"
    done = tool("compare", f"rows=[{match}]", given, "seeds=[0]", f"output={tmp_path}/c")
    assert done.returncode == 0, done.stderr
    (row,) = json.loads((tmp_path / "c/table.json").read_text())
    assert (row["compute"], row["runs"][0]["steps"]) == (4 * 1.5 + 1 * 3, 6 + 3)
    assert " | 9 | " in done.stdout


def test_each_row_gets_the_steps_of_the_same_compute(forked_runs: None, tmp_path: Path) -> None:
    given = common(building(tmp_path))
    rows = "rows=[method=supervised,method=view_consistency stages.main.cost=2]"
    call = ("compare", rows, given, "seeds=[0]", f"output={tmp_path}/c")
    assert tool_here(*call, "compute=6").returncode == 0
    found = json.loads((tmp_path / "c/table.json").read_text())
    assert [(row["compute"], row["runs"][0]["steps"]) for row in found] == [(6, 6), (6, 3)]
    failed(tool_here(*call, "compute=8"), "begun with other settings", "(steps was 6, now 8)")
    failed(tool_here(*call[:-1], "compute=0", f"output={tmp_path}/d"), "compute=0")
    failed(tool_here(*call, "compute=6", common(tmp_path, "steps=2")), "leave out steps=2")


def test_what_leaves_nothing_to_compare_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    output = f"output={tmp_path}/c"
    for arguments, words in (
        (["rows=[]", output], "rows=[]"),
        (["rows=a=1", "seeds=[]", output], "seeds=[]"),
        (["rows=labels=1pct method=b,method=b labels=1pct", output], "each once"),
        (["rows=labels=1pct dense", output], "'dense' is not understood"),
        (['rows=a="1', output], "write name=value"),
        (["rows=a=1", "seeds=0,1,0", output], "seeds=[0,1,0]"),
        (["rows=a=1", f"output={tmp_path}/file/c"], "is a file and no folder"),
    ):
        failed(tool_here("compare", *arguments), words)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_rows_go_on_from_the_runs_of_others_with_the_same_seed_and_leave_stages_out(
    forked_runs: None, tmp_path: Path
) -> None:
    given, where = common(building(tmp_path)), f"{tmp_path}/first"
    call = (given, "seeds=[0,1]", "compute=4")
    assert tool_here("compare", "rows=[method=supervised]", *call, f"output={where}").returncode == 0
    row = f"method=dars ~stages.first ~stages.second weights={where}/supervised/seed${{seed}}"
    done = tool_here("compare", f"rows=[{row}]", *call, f"output={tmp_path}/then")
    assert done.returncode == 0, done.stderr
    (folder,) = (path for path in (tmp_path / "then").iterdir() if path.is_dir())
    assert len(folder.name) == 120  # a long path of weights is cut
    for seed in (0, 1):
        config = (folder / f"seed{seed}" / "config.yaml").read_text()
        assert f"weights: {where}/supervised/seed{seed}" in config
        assert "first:" not in config
    (found,) = json.loads((tmp_path / "then/table.json").read_text())
    assert [run["steps"] for run in found["runs"]] == [4, 4]
