"""Run tools/prepare.py as typed, on a small building in S3DIS's layout or on scans of the user's own."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

from tests.datasets.raw import s3dis_room
from tests.forked import ROOT, run_script


def prepare(
    *arguments: object, limit: int | None = None, handles: int | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the tool; no file may exceed ``limit`` bytes, and at most ``handles`` files may be open."""
    if limit is None and handles is None:
        return run_script("tools/prepare.py", *map(str, arguments))

    def limited() -> None:
        if handles is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (handles, handles))
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    command = [sys.executable, "tools/prepare.py", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, preexec_fn=limited)


def failed(done: subprocess.CompletedProcess[str]) -> str:
    """Check that the tool refused its input; return the one line of the error."""
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    return lines[0]


def leftovers(root: Path) -> list[Path]:
    """Return the hidden files and folders under ``root``, as an unfinished scene is."""
    return list(root.rglob(".*"))


def building(root: Path, rooms: int = 4, points: int = 200) -> None:
    """Write rooms of a floor and a chair of ``points`` points each, in Area_1 and Area_2 by turns."""
    for i in range(rooms):
        s3dis_room(root / f"Area_{1 + i % 2}/office_{i}", {"floor_1": points, "chair_1": points})


def own_scans(raw: Path, *names: str) -> None:
    """Write good scans of two points each, with a classes.yaml."""
    for name in names:
        (raw / name).parent.mkdir(parents=True, exist_ok=True)
        (raw / name).write_text("x,y,z,label\n0,1,1,0\n1,2,2,1\n")
    (raw / "classes.yaml").write_text("names: [ground, tree]\n")
