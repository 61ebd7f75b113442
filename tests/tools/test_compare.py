"""tools/compare.py from the command line: the table is that of the runs, and finished runs are not done again."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import mean, stdev

from tests.tools._runs import TINY, building, failed, tool, tool_here


def test_the_table_is_that_of_its_runs(tmp_path: Path) -> None:
    rooms = building(tmp_path)
    settings = [f"data.root={rooms}", "data.train=[Area_1]", "data.test=[Area_5]", "batch_size=2", "steps=4", *TINY]
    given = ",".join(f"'{s}'" for s in settings if not s.startswith("threads"))
    call = ("compare", "experiments=[simulated_full]", "seeds=[0,1]", f"output={tmp_path}/c", f"settings=[{given}]")
    done = tool(*call)
    assert done.returncode == 0, done.stderr
    figures = [json.loads((tmp_path / f"c/simulated_full/seed{s}/metrics.json").read_text()) for s in (0, 1)]
    scores = [100 * f["miou"] for f in figures]
    row = f"| simulated_full | 1,200 | {mean(scores):.1f} ± {stdev(scores):.1f} |"
    assert row in done.stdout
    assert row in (tmp_path / "c/table.md").read_text()

    weights = tmp_path / "c/simulated_full/seed0/last.safetensors"
    before = weights.stat().st_mtime_ns
    assert tool_here(*call).returncode == 0
    assert weights.stat().st_mtime_ns == before
    failed(tool_here(*call[:-1], "settings=['steps=5']"), "steps=4", "another output")


def test_a_failing_run_is_named_in_one_line(tmp_path: Path) -> None:
    done = tool("compare", "experiments=[simulated_ful]", "seeds=[0]", f"output={tmp_path}/c")
    failed(done, "simulated_ful, seed 0")
    assert not (tmp_path / "c" / "table.md").exists()


def test_what_leaves_nothing_to_compare_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    output = f"output={tmp_path}/c"
    for arguments, words in (
        (["experiments=[]", output], "experiments=[]"),
        (["experiments=a", "seeds=[]", output], "seeds=[]"),
        (["experiments=a,b,a", output], "experiments=[a,b,a]"),
        (["experiments=a", "seeds=0,1,0", output], "seeds=[0,1,0]"),
        (["experiments=a", f"output={tmp_path}/file/c"], "is a file and no folder"),
    ):
        failed(tool_here("compare", *arguments), words)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
