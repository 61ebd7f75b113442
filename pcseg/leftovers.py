"""Temporary names that tell who made them, so that what a killed process left behind is found and removed."""

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
"""Seconds after which a temporary that another machine left is taken for forgotten."""

_LEFT = re.compile(r"\.(.+)\.pcseg-([0-9a-f]{8})-(\d+)-(\d+)-[0-9a-f]{8}\.(tmp|old)")
"""A temporary's name: that of the file, then where (see ``_place``), by which process, begun when, it was made."""


def beside(final: Path, kind: str) -> Path:
    """A path beside ``final`` that no other call gives; the name is cut where the file system would not take it."""
    name = os.fsdecode(os.fsencode(final.name)[:90])
    maker = f"{_place()}-{os.getpid()}-{_begun(os.getpid()) or 0}"
    return final.with_name(f".{name}.pcseg-{maker}-{uuid.uuid4().hex[:8]}.{kind}")


def sweep_folder(folder: Path) -> None:
    """Remove the temporaries in ``folder`` that nobody is going to finish; a folder that was being replaced comes back."""
    with suppress(OSError):
        for name in os.listdir(folder):
            left = _LEFT.fullmatch(name) if name.startswith(".") else None
            if left and _forgotten(folder / name, left[2], int(left[3]), left[4]):
                with suppress(OSError):
                    _clear(folder / name, folder / left[1] if left[5] == "old" else None)


def _clear(left: Path, replaced: Path | None) -> None:
    """Remove ``left``, unless it is the folder ``replaced``, retired by a process that was killed before its successor."""
    if replaced and not replaced.exists():
        left.rename(replaced)
    else:
        shutil.rmtree(left) if left.is_dir() else left.unlink()


def _forgotten(left: Path, place: str, process: int, begun: str) -> bool:
    """Whether nobody is going to finish a temporary: its process has ended, or, made elsewhere, it is a day old."""
    if place != _place():
        return time.time() - left.stat().st_mtime > DAY
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return True
    except OSError:  # another user's
        return False
    return _begun(process) not in (begun, None)


def _place() -> str:
    """Eight digits that tell apart machines, their boots and their containers: where a process number means something."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
        about = f"{boot} {os.readlink('/proc/self/ns/pid')} {platform.node()}"
    except OSError:  # no Linux: numbers mean nothing beyond this call
        about = uuid.uuid4().hex
    return hashlib.sha256(about.encode()).hexdigest()[:8]


def _begun(process: int) -> str | None:
    """When a process began, in ticks since the boot; "" for one that has ended, None where it is not told."""
    try:
        state, *rest = Path(f"/proc/{process}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except (OSError, ValueError):
        return None
    return "" if state in "ZX" else rest[18]
