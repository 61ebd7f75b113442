"""Train on the clicks in a process of its own, and tell how far it is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from pcseg.annotation.export import given_labels, write_clicks, write_label_file
from pcseg.annotation.sources import Place
from pcseg.datasets import read_class_file
from pcseg.errors import InputError
from pcseg.files import atomic_path, write_json
from pcseg.scenes.scene import read_classes, write_scene

RUNS = "runs"
"""Folder of the runs, numbered, in the home of the place."""

SHOWN = 12
"""Last lines of the log that the page shows."""


class Training:
    """Runs of ``tool``, the path of tools/train.py, on the clicks in ``place``, for ``steps`` steps.

    ``extra``: further settings of the tool. One run at a time; each has its clicks and labels in its folder.
    """

    def __init__(self, place: Place, tool: Path, steps: int, extra: tuple[str, ...] = ()) -> None:
        self.place, self.tool, self.steps, self.extra = place, tool, steps, extra
        self._process: subprocess.Popen[bytes] | None = None
        self._busy = threading.Lock()
        self._stopped = False
        self.output: Path | None = None
        self.problem = ""

    def start(self) -> None:
        """Write clicks and labels and start a run; raises InputError where one is running or there is no click."""
        if not self._busy.acquire(blocking=False):
            raise InputError("training: is being started; wait")
        try:
            if self.running:
                raise InputError("training: is running; stop it first")
            self.problem, self._stopped = "", False
            self._start()
        finally:
            self._busy.release()

    @property
    def running(self) -> bool:
        """Whether a run goes on."""
        return self._process is not None and self._process.poll() is None

    @property
    def finished(self) -> Path | None:
        """The newest run that came to its end, this session's or an earlier one's; None without one."""
        runs = [run for run in (self.place.home / RUNS).glob("*/") if run.name.isdigit()]
        done = [run for run in runs if (run / "metrics.json").is_file()]
        return max(done, key=lambda run: int(run.name), default=None)

    def stop(self) -> None:
        """End the run; what it has written stays."""
        if self._process is not None and self.running:
            self._stopped = True
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(20)
                return
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def progress(self) -> dict[str, Any]:
        """Return how far the run is: its state, its steps, its last loss and the end of its log."""
        finished = self.finished
        about: dict[str, Any] = {"state": "none", "finished": finished.name if finished else ""}
        if self._process is None or self.output is None:
            return about
        code = self._process.poll()
        state = "running" if code is None else "stopped" if self._stopped else "done" if code == 0 else "failed"
        log = _end(self.output.with_suffix(".log"))
        step, loss = _last_step(self.output / "curve.jsonl")
        return about | {
            "state": state,
            "run": self.output.name,
            "step": step,
            "steps": self.steps,
            "loss": loss,
            "log": log,
        }

    def _start(self) -> None:
        runs = self.place.home / RUNS
        runs.mkdir(parents=True, exist_ok=True)
        taken = [int(path.stem) for path in runs.iterdir() if path.stem.isdigit()]
        output = runs / str(max(taken, default=0) + 1)
        clicks, labels = (output.with_name(f"{output.name}_{name}") for name in ("clicks.csv", "labels.npz"))
        write_clicks(self.place, clicks)
        root, names = self._scenes()
        write_label_file(self.place, clicks, labels)
        settings = [
            "experiment=custom", f"data.root={root}", f"data.train={_listed(names)}", "data.test=[]",
            f"labels.file={labels}", "method=label_efficient", f"steps={self.steps}", f"output={output}",
            f"data.classes={_quoted(str(self._classes(output)))}", "tensorboard=false",
        ]  # fmt: skip
        with open(output.with_suffix(".log"), "wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, str(self.tool), *settings, *self.extra],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        self.output = output

    def _classes(self, output: Path) -> Path:
        """Write the classes of a run as a classes.yaml, which any name survives, and return its path."""
        meaning = next(iter(self.place.sources.values())).meaning
        classes = meaning.classes
        about = {"names": list(classes.names), "colors": [list(color) for color in classes.colors]}
        about |= {"ids": dict(meaning.ids)} if meaning.ids else {}
        path = output.with_name(f"{output.name}_classes.yaml")
        with atomic_path(path, check=read_class_file) as temporary:
            temporary.write_text(yaml.safe_dump(about, allow_unicode=True), encoding="utf-8")
        return path

    def _scenes(self) -> tuple[Path, list[str]]:
        """Return the root of prepared scenes and its splits with clicks; raw scans are prepared first."""
        names = [name for name, source in self.place.sources.items() if given_labels(source)]
        splits = sorted({name.partition("/")[0] for name in names})
        if self.place.root is not None:
            return self.place.root, splits
        root = self.place.home / "scenes"
        for name, source in self.place.sources.items():
            folder = root / name
            newest = source.path.stat().st_mtime
            if name.partition("/")[0] in splits and not (
                (folder / "coord.npy").is_file() and (folder / "coord.npy").stat().st_mtime > newest
            ):
                write_scene(root, replace(source.read(), name=name), source=str(source.path))
        about = {"reader": "annotation", "settings": {}} | self.place.classes.to_json()
        write_json(root / "dataset.json", about | {"classes": about.pop("names")})
        read_classes(root)
        return root, splits


def _listed(names: list[str]) -> str:
    """Return the names of splits as a list in a setting, each in quotes."""
    return f"[{','.join(map(_quoted, names))}]"


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _last_step(curve: Path) -> tuple[int, float | None]:
    """Return the last step of a loss curve and its loss."""
    for line in reversed(_end(curve, 3)):
        with suppress(ValueError, KeyError, TypeError):
            entry = json.loads(line)
            loss = next((entry[key] for key in ("loss", "total") if isinstance(entry.get(key), float)), None)
            return int(entry["step"]), loss
    return 0, None


def _end(path: Path, lines: int = SHOWN) -> list[str]:
    """Return the last lines of a text file; a line drawn anew over itself counts in its last form."""
    try:
        with open(path, "rb") as stream:
            stream.seek(max(0, path.stat().st_size - 8192))
            text = stream.read().decode(errors="replace")
    except OSError:
        return []
    found = [line.rpartition("\r")[2].rstrip()[:300] for line in text.replace("\r\n", "\n").split("\n")]
    return [line for line in found if line][-lines:]
