"""Train every method on tags, and networks on what each sees, beside supervision: one table; see --help."""

# ruff: noqa: RUF009 (option() is dataclasses.field)
from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from benchmarks.harness.table import markdown
from pcseg.checks import above_zero, one_of
from pcseg.command_line import check_output, option, run
from pcseg.errors import InputError
from pcseg.files import read_json

METHODS = ("cam", "bas", "fickle", "group", "aux_seg", "cosa", "mix_reorg", "zero_seg")
"""Methods that learn tags."""

CLEANED = ("cam", "cosa")
"""Those whose labels MARS cleans."""

ROOMS = "[Area_1,Area_2,Area_3,Area_4,Area_6]"


@dataclass(frozen=True)
class Table:
    """A data set: how it is made, its splits to train on, its tags, settings of all runs, and compute of each part.

    ``labeling`` and ``cleaning``: what a step costs after a pass over all scenes (then=tag_labels, then=mars), in
    supervised steps, at that compute; those of pictures are guesses, not measured yet. ``stride``: of the encoder level
    that methods but cam see classes at; None: the coarsest. ``labels``: further ones. ``rows``: of as many steps as
    those that have twice the compute, and spreading beside them.
    """

    data: tuple[tuple[str, ...], ...]
    splits: str
    tags: tuple[str, ...]
    settings: tuple[str, ...]
    compute: int
    labeling: float
    cleaning: float
    stride: int | None = None
    labels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    rows: tuple[str, ...] = ()


SIMULATED = ("simulate", "output=data/simulated_raw")
TABLES = {
    "rooms": Table(
        (SIMULATED, ("prepare", "input=data/simulated_raw", "output=data/simulated")),
        ROOMS,
        ("radius=2", "points=20"),
        ("experiment=simulated", "data.voxel_size=0.1"),
        compute=500,
        labeling=1.1,
        cleaning=2.6,
        stride=4,
        labels={"20pts": ("rule=points", "points=20")},
        rows=(
            "labels=tags method=label_efficient stages.spread.cost=2.2",
            "labels=20pts method=label_efficient stages.spread.cost=1.2",
            "labels=20pts_tags method=label_efficient stages.spread.cost=1.4",
        ),
    ),
    "frames": Table(
        (SIMULATED, ("prepare", "dataset=frames", "input=data/simulated_raw", "output=data/frames")),
        ROOMS,
        (),
        ("experiment=frames",),
        compute=300,
        labeling=1.1,
        cleaning=2.2,
    ),
    "camvid": Table(
        (("prepare", "dataset=camvid", "crops=4", "output=data/camvid"),),
        "[train_4x4]",
        (),
        ("experiment=camvid", "data.train=[train_4x4]", "data.images.scale=1.0", "data.crop.size=[80,112]"),
        compute=300,
        labeling=1.5,
        cleaning=2.5,
    ),
}


@dataclass
class Options:
    """Train methods on tags, and networks on the labels that come of them, and print a table of their mIoU.

    python -m benchmarks.tags table=rooms                        # balls of 2 m in simulated rooms, 10 cm voxels
    python -m benchmarks.tags table=frames weights=lite0.pth     # pictures of the same building
    python -m benchmarks.tags table=camvid input=CamVid weights=lite0.pth       # 4 x 4 parts of each picture

    Columns: the network that learned the tags; one trained from it for as long on the labels that it gives with the
    help of the tags; the same after MARS has cleaned these. Supervised rows have as much compute as both together,
    and those that spread labels as many steps; table.json of <output>/<table>/spread tells their compute. Data and
    labels are made where they are missing; goes on after a stop. Run it from the folder that has tools/.
    """

    table: str = option("rooms, frames or camvid", "rooms")
    input: str | None = option("camvid: the data set in SegNet's layout", None)
    weights: str | None = option("pictures: ImageNet's weights of EfficientNet-Lite0", None)
    output: str = option("folder of the runs and the table", "outputs/tags")
    seeds: list[int] = option("seeds", factory=lambda: [0, 1, 2])
    compute: int | None = option("of each part, in supervised steps; null: 500 (rooms) or 300", None)
    jobs: int = option("runs at a time", 2)


def main(options: Options) -> None:
    """Make what is missing, train, and print the table."""
    one_of("table", options.table, TABLES)
    table, folder = TABLES[options.table], f"{options.output}/{options.table}"
    if options.table != "rooms" and options.weights is None:
        raise InputError("weights=null: pictures are trained from ImageNet's weights; give the file")
    if (options.table == "camvid") != (options.input is not None):
        raise InputError(f"input={options.input}: give CamVid in SegNet's layout for table=camvid, else leave it out")
    if options.compute is not None:
        above_zero(compute=options.compute)
    check_output(folder, folder=True)
    root = make_data(table, options)
    make_labels(table, root, options.seeds)
    begin = [] if options.weights is None else [f"+network.weights={options.weights}"]
    compute = table.compute if options.compute is None else options.compute
    finer = {
        name: "" if table.stride is None or name == "cam" else f"stages.main.method.stride={table.stride}"
        for name in METHODS
    }
    rows = {name: f"labels=tags method={name} {finer[name]}".strip() for name in METHODS}
    each = f"compute={compute}"
    alone = compare(options, f"{folder}/methods", each, [*table.settings, *begin], rows)
    runs = {name: "_".join(filter(None, (f"tags_{name}", finer[name].replace("=", "-")))) for name in METHODS}
    then = {name: start(f"{folder}/methods/{runs[name]}", "tag_labels", table.labeling) for name in METHODS}
    then |= {f"{name}, MARS": start(f"{folder}/methods/{runs[name]}", "mars", table.cleaning) for name in CLEANED}
    trained = compare(options, f"{folder}/networks", each, [*table.settings], then)
    full = {row: row for row in ("labels=full method=supervised", "labels=1pct method=supervised")}
    beside = compare(options, f"{folder}/beside", f"compute={2 * compute}", [*table.settings, *begin], full)
    if table.rows:
        steps = [*table.settings, f"steps={2 * compute}"]
        beside |= compare(options, f"{folder}/spread", "compute=null", steps, {row: row for row in table.rows})
    lines = [[name, alone[name], trained[name], trained.get(f"{name}, MARS", "")] for name in METHODS]
    lines += [[row, figure, "", ""] for row, figure in beside.items()]
    text = markdown(("mIoU %", "alone:", "network on its labels:", "after MARS:"), lines)
    Path(f"{folder}/table.md").write_text(text + "\n")
    print(text)


def make_data(table: Table, options: Options) -> str:
    """Make the scenes that are not there yet, and return their folder."""
    for name, *arguments in table.data:
        more = [f"input={options.input}"] if options.input is not None else []
        call(name, *arguments, *more)
    return next(text for text in table.data[-1] if text.startswith("output=")).removeprefix("output=")


def make_labels(table: Table, root: str, seeds: list[int]) -> None:
    """Draw the labels and tags that are not there yet; tags of whole scenes are all that there are, and not drawn."""
    rules = {"1pct": ("rule=uniform", "fraction=0.01"), **table.labels}
    for seed in seeds:
        drawn = (f"seed={seed}",)
        files = {f"{name}_seed{seed}.npz": (*rule, *drawn) for name, rule in rules.items()}
        files["none.npz"] = ("rule=scenes", "scenes=0", "seed=0")
        files[f"tags_seed{seed}.json"] = ("rule=tags", *table.tags, *(drawn if table.tags else ()))
        for name, rule in files.items():
            target = Path(f"{root}_labels") / name
            if not target.is_file():
                call("draw_labels", f"root={root}", f"splits={table.splits}", f"output={target}", *rule)


def start(runs: str, then: str, cost: float) -> str:
    """Return the row of networks that go on from those of ``runs``, on the labels that these give."""
    return f"labels=tags then={then} stages.then.cost={cost} ~stages.main weights={runs}/seed${{seed}}"


def compare(options: Options, output: str, compute: str, settings: list[str], rows: dict[str, str]) -> dict[str, str]:
    """Train the rows and return mean and spread of the mIoU of each, in %."""
    lists = {"settings": settings, "rows": list(rows.values()), "seeds": [str(seed) for seed in options.seeds]}
    texts = [f"{name}=[{','.join(values)}]" for name, values in lists.items()]
    call("compare", f"output={output}", compute, f"jobs={options.jobs}", *texts)
    found: list[dict[str, Any]] = read_json(Path(output) / "table.json")
    figures = [[100 * one["miou"] for one in row["runs"]] for row in found]
    return {name: with_spread(values) for name, values in zip(rows, figures, strict=True)}


def with_spread(values: list[float]) -> str:
    """Return mean and sample standard deviation."""
    return f"{mean(values):.1f}" + (f" ± {stdev(values):.1f}" if len(values) > 1 else "")


def call(tool: str, *arguments: str) -> None:
    """Run one of the tools; raises InputError if it fails, after its own message."""
    if subprocess.run([sys.executable, f"tools/{tool}.py", *arguments], check=False).returncode:
        raise InputError(f"tools/{tool}.py failed")


if __name__ == "__main__":
    run(main, Options)
