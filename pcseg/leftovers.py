"""Name temporary files by the process that made them, and remove those of killed processes."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import time
import uuid
from contextlib import suppress
from pathlib import Path

DAY = 24 * 3600.0
"""Seconds after which a temporary file of another machine is considered abandoned."""

_LEFT = re.compile(r"\.(.+)\.pcseg-([0-9a-f]{8})-(\d+)-(\d+)-[0-9a-f]{8}\.(tmp|old)")
"""Name of a temporary file: the final name, then the place (see ``_place``), id and start time of its process."""


def beside(final: Path, kind: str) -> Path:
    """Return a unique path beside ``final``; the name is shortened if it would be too long for the file system."""
    name = os.fsdecode(os.fsencode(final.name)[:90])
    maker = f"{_place()}-{os.getpid()}-{_begun(os.getpid()) or 0}"
    return final.with_name(f".{name}.pcseg-{maker}-{uuid.uuid4().hex[:8]}.{kind}")


def sweep_folder(folder: Path) -> None:
    """Remove abandoned temporaries in ``folder``; a folder that was being replaced is restored."""
    with suppress(OSError):
        for name in os.listdir(folder):
            left = _LEFT.fullmatch(name) if name.startswith(".") else None
            if left and _forgotten(folder / name, left[2], int(left[3]), left[4]):
                with suppress(OSError):
                    _clear(folder / name, folder / left[1] if left[5] == "old" else None)


def _clear(left: Path, replaced: Path | None) -> None:
    """Remove ``left``; but if it is the folder ``replaced``, whose process was killed before replacing it, restore
    that.
    """
    if replaced and not replaced.exists():
        left.rename(replaced)
    else:
        shutil.rmtree(left) if left.is_dir() else left.unlink()


def _forgotten(left: Path, place: str, process: int, begun: str) -> bool:
    """Return whether a temporary is abandoned: its process has ended, or it is of another place and a day old."""
    if place != _place():
        return time.time() - left.stat().st_mtime > DAY
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return True
    except OSError:  # another user's process
        return False
    return _begun(process) not in (begun, None)


def _place() -> str:
    """Return eight digits that identify machine, boot and container, within which a process id has a meaning."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
        about = f"{boot} {os.readlink('/proc/self/ns/pid')} {platform.node()}"
    except OSError:  # not on Linux: process ids cannot be compared
        about = uuid.uuid4().hex
    return hashlib.sha256(about.encode()).hexdigest()[:8]


def _begun(process: int) -> str | None:
    """Return the start time of a process in ticks since the boot; "" if it has ended, None if unknown."""
    try:
        state, *rest = Path(f"/proc/{process}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except (OSError, ValueError):
        return None
    return "" if state in "ZX" else rest[18]
