"""tools/compare.py from the command line: the table is that of the runs, and finished runs are not done again."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import mean, stdev

from tests.tools._runs import TINY, building, failed, tool, tool_here


def test_the_table_is_that_of_its_runs(tmp_path: Path) -> None:
    rooms = building(tmp_path)
    settings = [f"data.root={rooms}", "data.train=[Area_1]", "data.test=[Area_5]", "batch_size=2", "steps=4", *TINY]
    given = ",".join(f"'{s}'" for s in ["experiment=simulated", *settings] if not s.startswith("threads"))
    rows = ("labels=full", "match=supervised labels=full clip=5")
    call = ("compare", f"rows=[{','.join(rows)}]", "seeds=[0,1]", f"output={tmp_path}/c", f"settings=[{given}]")
    done = tool(*call)
    assert done.returncode == 0, done.stderr
    for row, name in zip(rows, ("full", "full_match_supervised_clip-5"), strict=True):
        figures = [json.loads((tmp_path / f"c/{name}/seed{s}/metrics.json").read_text()) for s in (0, 1)]
        scores = [100 * f["miou"] for f in figures]
        line = f"| {row} | 1,200 | {mean(scores):.1f} ± {stdev(scores):.1f} |"
        assert line in done.stdout
        assert line in (tmp_path / "c/table.md").read_text()

    weights = tmp_path / "c/full/seed0/last.safetensors"
    before = weights.stat().st_mtime_ns
    assert tool_here(*call).returncode == 0
    assert weights.stat().st_mtime_ns == before
    failed(tool_here(*call[:-1], "settings=['steps=5']"), "begun with other settings", "steps=5", "another output")


def test_a_failing_run_is_named_in_one_line(tmp_path: Path) -> None:
    done = tool("compare", "rows=[experiment=simulatd steps=3]", "seeds=[0]", f"output={tmp_path}/c")
    failed(done, "experiment=simulatd steps=3, seed 0")
    assert not (tmp_path / "c" / "table.md").exists()


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
