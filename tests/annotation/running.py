"""The tool in a process of its own, as a user starts it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

TOOL = Path(__file__).parents[2] / "tools/annotate.py"


def _hears_ctrl_c() -> None:
    """Undo what a shell does to what it runs in the background: it lets Ctrl-C be ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Running:
    """tools/annotate.py on ``root``; ``address`` is that of its page."""

    def __init__(self, root: Path, *options: str) -> None:
        command = [sys.executable, str(TOOL), f"root={root}", "port=0", "browser=false", "threads=1", *options]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=environment, preexec_fn=_hears_ctrl_c
        )
        assert self.process.stdout is not None
        self.lines: list[str] = []
        for line in self.process.stdout:
            self.lines.append(line)
            if found := re.search(r"http://127\.0\.0\.1:\d+/\S+", line):
                self.address = found[0]
                return
        raise RuntimeError("".join(self.lines))

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self._wait()

    def stop(self) -> int:
        """End it as Ctrl-C does, and return its exit code."""
        self.process.send_signal(signal.SIGINT)
        return self._wait()

    def _wait(self) -> int:
        code = self.process.wait(30)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code
