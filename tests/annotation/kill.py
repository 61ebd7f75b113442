"""Kill the tool in the middle of clicks, again and again: what it confirmed must be there; see the last lines.

python -m tests.annotation.kill times=20
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from http.client import HTTPException
from pathlib import Path

import numpy as np

from pcseg.annotation.history import History
from pcseg.annotation.log import read_entries
from pcseg.annotation.session import replay
from tests.annotation.rooms import CLASSES, room, write_root
from tests.annotation.running import Running
from tests.annotation.served import Client

ROOM, COUNT = "train/room", 600


def click_until_killed(root: Path, wait: float, first: int, clicks: int = 200) -> list[str]:
    """Send up to ``clicks`` clicks, kill the server after ``wait`` seconds, and return the ids that it confirmed."""
    running = Running(root)
    client, confirmed = Client(running.address), list[str]()
    assert client.send("open", scene=ROOM)[0] == 200
    killer = threading.Timer(wait, running.kill)
    killer.start()
    rng = np.random.default_rng(first)
    try:
        for number in range(first, first + clicks):
            entry = {"kind": "label", "places": [int(rng.integers(COUNT))], "class": CLASSES[rng.integers(3)]}
            if number % 9 == 4:
                entry = {"kind": "undo"}
            status, _, _ = client.send("act", scene=ROOM, id=f"click-{number}", how="click", seconds=1, **entry)
            if status == 200:
                confirmed.append(f"click-{number}")
    except (OSError, HTTPException):
        pass  # killed
    killer.join()
    return confirmed


def lost(root: Path, confirmed: list[str]) -> set[str]:
    """Return the ids of ``confirmed`` that are not in the log, after replaying it."""
    entries = read_entries(root / f"annotations/{ROOM}.jsonl")
    history = History(COUNT, CLASSES)
    if entries:
        replay(history, entries, root, (COUNT, room(COUNT).digest()))
    return set(confirmed) - history.seen


def main(times: int) -> None:
    root = write_root(Path(tempfile.mkdtemp()), count=COUNT)
    confirmed: list[str] = []
    rng = np.random.default_rng(int(time.time()))
    for kill in range(times):
        confirmed += click_until_killed(root, float(rng.uniform(0.05, 1.5)), 1000 * kill)
        print(
            f"kill {kill + 1}: {len(confirmed)} clicks confirmed so far, {len(lost(root, confirmed))} lost", flush=True
        )
    sys.exit(bool(lost(root, confirmed)))


if __name__ == "__main__":
    main(int(dict(argument.split("=") for argument in sys.argv[1:]).get("times", "20")))
