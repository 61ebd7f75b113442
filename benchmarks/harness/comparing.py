"""Run the tools one after another to make a table: data, labels, and runs compared."""

# ruff: noqa: RUF009 (option() is dataclasses.field)

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from pcseg.checks import above_zero
from pcseg.command_line import check_output, option
from pcseg.errors import InputError
from pcseg.files import read_json

ROOMS = "[Area_1,Area_2,Area_3,Area_4,Area_6]"
"""The areas of the simulated building that are trained on."""

SIMULATED = ("simulate", "output=data/simulated_raw")
"""The command that makes the building."""

CAMVID = ("prepare", "dataset=camvid", "crops=4", "output=data/camvid")
"""The command that prepares CamVid, whole pictures and 4 x 4 parts of them, for every table alike."""

Commands = tuple[tuple[str, ...], ...]
"""Commands, each the name of a tool and its arguments."""


@dataclass(frozen=True)
class Compared:
    """Runs of a row: their mIoU in %, a number a seed, and the folder that has each as seed<n>."""

    miou: list[float]
    folder: str

    @property
    def run(self) -> str:
        """Where the run of the same seed is, for a setting of another row."""
        return f"{self.folder}/seed${{seed}}"

    def __str__(self) -> str:
        """Mean and spread."""
        return with_spread(self.miou)


@dataclass
class Tables:
    """Options of every command that makes a table of trained networks."""

    input: str | None = option("camvid: the data set in SegNet's layout", None)
    weights: str | None = option("pictures: ImageNet's weights of EfficientNet-Lite0", None)
    seeds: list[int] = option("seeds", factory=lambda: [0, 1, 2])
    settings: list[str] = option("further settings of all runs, such as device=cuda", factory=list)
    jobs: int = option("runs at a time", 2)

    def check(self, table: str, output: str, **numbers: float | None) -> list[str]:
        """Return the settings that name the weights; raises InputError for options that do not fit ``table``.

        ``numbers`` are options that are above zero or None.
        """
        if table != "rooms" and self.weights is None:
            raise InputError("weights=null: pictures are trained from ImageNet's weights; give the file")
        if (table == "camvid") != (self.input is not None):
            raise InputError(f"input={self.input}: give CamVid in SegNet's layout for table=camvid, else leave it out")
        above_zero(**{name: number for name, number in numbers.items() if number is not None})
        check_output(output, folder=True)
        return [] if self.weights is None else [f"+network.weights={self.weights}"]

    def make_data(self, commands: Commands) -> str:
        """Make the scenes that are not there yet, and return their folder."""
        for name, *arguments in commands:
            more = [f"input={self.input}"] if self.input is not None else []
            call(name, *arguments, *more)
        return next(text for text in commands[-1] if text.startswith("output=")).removeprefix("output=")

    def compare(self, output: str, settings: Sequence[str], rows: Mapping[str, str], *more: str) -> dict[str, Compared]:
        """Train the rows, by name, and return what came of each."""
        lists = {"settings": [*settings, *self.settings], "rows": rows.values(), "seeds": map(str, self.seeds)}
        texts = [f"{name}=[{','.join(values)}]" for name, values in lists.items()]
        call("compare", f"output={output}", f"jobs={self.jobs}", *more, *texts)
        found: list[dict[str, Any]] = read_json(Path(output) / "table.json")
        runs = [Compared([100 * one["miou"] for one in row["runs"]], row["folder"]) for row in found]
        return dict(zip(rows, runs, strict=True))


def make_labels(root: str, splits: str, files: Mapping[str, Sequence[str]]) -> None:
    """Draw the label files of ``root`` that are not there yet: by name, the arguments of tools/draw_labels.py."""
    for name, arguments in files.items():
        target = Path(f"{root}_labels") / name
        if not target.is_file():
            call("draw_labels", f"root={root}", f"splits={splits}", f"output={target}", *arguments)


def with_spread(values: Iterable[float], sign: str = "") -> str:
    """Return mean and sample standard deviation; ``sign``: as in a format, "+" for differences."""
    values = list(values)
    return f"{mean(values):{sign}.1f}" + (f" ± {stdev(values):.1f}" if len(values) > 1 else "")


def call(tool: str, *arguments: str) -> None:
    """Run one of the tools; raises InputError if it fails, after its own message."""
    if subprocess.run([sys.executable, f"tools/{tool}.py", *arguments], check=False).returncode:
        raise InputError(f"tools/{tool}.py failed")
