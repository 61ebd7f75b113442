"""Shared by the tests of train, evaluate and predict: a building of four rooms, a tiny network, the command line."""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import runpy
import subprocess
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import torch

from pcseg.budgets.draw import draw_uniform
from pcseg.classes import Classes
from pcseg.files import write_json
from pcseg.model.checkpoint import save_model
from pcseg.model.inputs import VoxelInputs
from pcseg.model.model import Model
from pcseg.model.networks import Networks, NetworkSpec
from pcseg.model.trained_on import TrainedOn
from pcseg.scenes.listing import list_scenes
from pcseg.scenes.scene import Scene, read_scene, write_scene
from tests.forked import ROOT, environment, run_script

CLASSES = Classes(("floor", "wall", "chair"), ((10, 200, 10), (10, 10, 200), (200, 10, 10)))
TINY = (
    "network.name=MinkUNet", "+network.channels=[8,8]", "+network.blocks=[1,1]",
    "data.voxel_size=0.2", "workers=0", "threads=1", "tensorboard=false", "device=cpu",
)  # fmt: skip
"""Settings of a network of a few thousand weights, for the rooms of ``building``."""

PROPAGATION = ("method=dense_propagation", "stages.cross.method.stride=2", "stages.intra.method.stride=2")
"""Settings of dense propagation for that network."""


def tool(
    name: str, *arguments: str, limit: tuple[int, int] | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run ``tools/<name>.py`` as a user does and wait for it; ``limit``: a resource.RLIMIT_... and its value."""
    if limit is None:
        return run_script(f"tools/{name}.py", *arguments, **variables)
    return subprocess.run(
        [sys.executable, f"tools/{name}.py", *arguments],
        cwd=ROOT, capture_output=True, text=True, env=environment(**variables), timeout=120,
        preexec_fn=lambda: resource.setrlimit(limit[0], (limit[1], limit[1])),
    )  # fmt: skip


def torchrun(script: str | Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``script`` in two processes that train together, as torchrun does, and wait for them."""
    return subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone", script, *arguments],
        cwd=ROOT, capture_output=True, text=True, env=environment(), timeout=120,
    )  # fmt: skip


def tool_here(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The same within this process, which has imported everything already: for the many ways to be refused."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    folder, argv, path = os.getcwd(), sys.argv, sys.path[:]
    try:
        os.chdir(ROOT)
        sys.argv, sys.path[:0] = [f"tools/{name}.py", *arguments], [str(ROOT / "tools")]
        with mock.patch.dict(os.environ), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            runpy.run_path(f"tools/{name}.py", run_name="__main__")
    except SystemExit as leaving:
        code = int(leaving.code or 0)
    finally:
        os.chdir(folder)
        sys.argv, sys.path[:] = argv, path
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


def room(name: str, seed: int) -> Scene:
    """A floor, a wall and a chair, which differ in color and height, of 200 points each."""
    rng = np.random.default_rng(seed)
    floor = rng.uniform((0, 0, -0.02), (3, 3, 0.02), (200, 3))
    wall = rng.uniform((0, 0, 0), (3, 0.02, 2.5), (200, 3))
    chair = rng.uniform((1, 1, 0.3), (1.6, 1.6, 0.9), (200, 3))
    segment = np.repeat(np.arange(3), 200)
    color = np.clip(CLASSES.palette()[segment] + rng.integers(-40, 40, (600, 3)), 0, 255).astype(np.uint8)
    coord = np.concatenate([floor, wall, chair]).astype(np.float32)
    return Scene(coord, {"color": color, "segment": segment}, name, classes=CLASSES.names)


def building(root: Path) -> Path:
    """Write two rooms to train on, two to test on and a file of 5 % of the labels; return the folder of the rooms."""
    for seed, name in enumerate(("Area_1/a", "Area_1/b", "Area_5/c", "Area_5/d")):
        write_scene(root / "rooms", room(name, seed))
    write_json(root / "rooms" / "dataset.json", {"classes": CLASSES.names, "colors": CLASSES.colors})
    folders = list_scenes(root / "rooms", ["Area_1"])
    draw_uniform((read_scene(f, CLASSES, with_labels=True) for f in folders), CLASSES, 0.05).save(root / "labels.npz")
    return root / "rooms"


def checkpoint(path: Path, seed: int = 0, classes: Classes = CLASSES, scenes: TrainedOn | None = None) -> Path:
    """Save a network of random weights, as a run on ``scenes`` leaves it, and return ``path``."""
    torch.manual_seed(seed)
    arguments = {"in_channels": 4, "n_classes": len(classes), "channels": (8, 8), "blocks": (1, 1)}
    spec = NetworkSpec("MinkUNet", arguments)
    network = spec.build()
    torch.nn.init.normal_(network.head.weight, std=3.0)
    record = {"trained_on": scenes.to_json()} if scenes else {}
    inputs = VoxelInputs(0.2, ("optional_color", "height"))
    save_model(path, Model(Networks(network, spec), classes, inputs, record))
    return path


def settings(rooms: Path, output: Path, *more: str) -> list[str]:
    """Return the settings of a run on the two training rooms of ``building``."""
    return [
        f"data.root={rooms}", "data.train=[Area_1]", "data.test=[Area_5]", f"labels.file={rooms.parent / 'labels.npz'}",
        f"output={output}", "batch_size=2", *TINY, *more,
    ]  # fmt: skip


def curve(folder: Path) -> list[dict[str, object]]:
    """Return the lines of a run's loss curve."""
    return [json.loads(line) for line in (folder / "curve.jsonl").read_text().splitlines()]


def failed(result: subprocess.CompletedProcess[str], *words: str) -> None:
    """The tool refused its input as tools do: exit code 2 and one line that has ``words`` in it."""
    assert result.returncode == 2, result.stderr
    lines = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, result.stderr
    assert "Traceback" not in result.stderr
    for word in words:
        assert word in lines[0], lines[0]
