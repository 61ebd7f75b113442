"""tools/simulate.py and tools/trivial_baselines.py as typed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np

from pcseg.classes import S3DIS
from pcseg.scenes.scene import Scene, write_scene
from tests.forked import run_script

ROOT = Path(__file__).parents[2]


def tool(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return run_script(f"tools/{name}.py", *map(str, arguments))


def test_simulate(tmp_path: Path) -> None:
    arguments = [f"output={tmp_path / 'raw'}", "areas=2", "rooms=1", "points=1500", "frames=1", "workers=2"]
    done = tool("simulate", *arguments, "difficulty.clutter=0.5")
    assert done.returncode == 0, done.stderr
    assert "2 rooms made" in done.stdout
    for area in (1, 2):
        assert (tmp_path / "raw" / f"Area_{area}" / "office_1" / "Annotations" / "floor_1.txt").is_file()
        assert (tmp_path / "raw" / f"Area_{area}" / "office_1" / "pose" / "0.txt").is_file()
    refused = tool("simulate", *arguments)
    assert refused.returncode == 2
    assert "begun with other settings (difficulty was {'clutter': 0.5}, now {'clutter': 1.0});" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1


def test_simulate_refuses_nonsense(tmp_path: Path) -> None:
    for argument in ("rooms=0", "points=-5", "difficulty.noise=1", "difficulty.color_overlap=2"):
        refused = tool("simulate", f"output={tmp_path / 'raw'}", argument)
        assert refused.returncode == 2, argument
        assert argument.partition("=")[0] in refused.stderr
        assert len(refused.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "raw").exists()


def test_baselines_know_what_color_and_height_tell(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for area in (1, 5):
        height = rng.uniform(0, 3, 3000)
        # floor below 1 m, table up to 2 m, chair above; color tells chair from the rest only
        segment = np.array([S3DIS.index(n) for n in ("floor", "table", "chair")])[height.astype(int)]
        color = np.where((segment == S3DIS.index("chair"))[:, None], 200, 20) + rng.integers(0, 10, (3000, 3))
        coord = np.column_stack([rng.uniform(0, 5, (3000, 2)), height])
        scene = Scene(
            coord, {"color": color.astype(np.uint8), "segment": segment}, f"Area_{area}/office_1", classes=S3DIS.names
        )
        write_scene(tmp_path / "scenes", scene)
    done = tool("trivial_baselines", f"root={tmp_path / 'scenes'}", f"output={tmp_path / 'figures.json'}")
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["height"]["miou"] > 0.93
    assert figures["color"]["iou"]["chair"] > 0.99
    assert figures["color"]["miou"] < 0.6
    assert figures["color"]["iou"]["wall"] is None
    # what metrics.json holds of a network
    assert np.sum(figures["height"]["confusion"]) == 3000
    assert figures["height"]["protocol"] == "1 scenes of Area_5; all points; height alone"
    refused = tool("trivial_baselines", f"root={tmp_path}")
    assert refused.returncode == 2
    assert len(refused.stderr.strip().splitlines()) == 1
