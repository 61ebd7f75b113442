"""Train every method on tags, and networks on what each sees, beside supervision: one table; see --help."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.harness.comparing import CAMVID, ROOMS, SIMULATED, Commands, Compared, Tables, make_labels
from benchmarks.harness.table import markdown
from pcseg.checks import one_of
from pcseg.command_line import option, run

METHODS = ("cam", "bas", "fickle", "group", "aux_seg", "cosa", "mix_reorg", "zero_seg")
"""Methods that learn tags."""

CLEANED = ("cam", "cosa")
"""Those whose labels MARS cleans."""


@dataclass(frozen=True)
class Table:
    """A data set: how it is made, its splits to train on, its tags, settings of all runs, and compute of each part.

    ``labeling`` and ``cleaning``: what a step costs after a pass over all scenes (then=tag_labels, then=mars), in
    supervised steps, at that compute; those of pictures are guesses, not measured yet. ``stride``: of the encoder level
    that methods but cam see classes at; None: the coarsest. ``learning``: settings of methods. ``labels``: further
    ones. ``rows``: of as many steps as those that have twice the compute, and spreading beside them.
    """

    data: Commands
    splits: str
    tags: tuple[str, ...]
    settings: tuple[str, ...]
    compute: int
    labeling: float
    cleaning: float
    stride: int | None = None
    learning: str = ""
    labels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    rows: tuple[str, ...] = ()


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
            "labels=tags method=label_efficient stages.spread.cost=1.4",
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
        learning="optim.optimizer.lr=0.001",
        rows=("labels=tags method=label_efficient stages.spread.cost=4",),
    ),
    "camvid": Table(
        (CAMVID,),
        "[train_4x4]",
        (),
        ("experiment=camvid", "data.train=[train_4x4]", "data.images.scale=1.0", "data.crop.size=[80,112]"),
        compute=300,
        labeling=1.5,
        cleaning=2.5,
        learning="optim.optimizer.lr=0.001",
    ),
}


@dataclass
class Options(Tables):
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
    output: str = option("folder of the runs and the table", "outputs/tags")
    compute: int | None = option("of each part, in supervised steps; null: 500 (rooms) or 300", None)


def main(options: Options) -> None:
    """Make what is missing, train, and print the table."""
    one_of("table", options.table, TABLES)
    table, folder = TABLES[options.table], f"{options.output}/{options.table}"
    begin = options.check(options.table, folder, compute=options.compute)
    root = options.make_data(table.data)
    make_labels(root, table.splits, label_files(table, options.seeds))
    compute = table.compute if options.compute is None else options.compute
    finer = {
        name: "" if table.stride is None or name == "cam" else f" stages.main.method.stride={table.stride}"
        for name in METHODS
    }
    rows = {name: f"labels=tags method={name}{finer[name]} {table.learning}".strip() for name in METHODS}
    each = f"compute={compute}"
    alone = options.compare(f"{folder}/methods", [*table.settings, *begin], rows, each)
    then = {name: start(alone[name], "tag_labels", table.labeling) for name in METHODS}
    then |= {f"{name}, MARS": start(alone[name], "mars", table.cleaning) for name in CLEANED}
    trained = options.compare(f"{folder}/networks", table.settings, then, each)
    full = {row: row for row in ("labels=full method=supervised", "labels=1pct method=supervised")}
    beside = options.compare(f"{folder}/beside", [*table.settings, *begin], full, f"compute={2 * compute}")
    if table.rows:
        steps = [*table.settings, *begin, f"steps={2 * compute}"]
        beside |= options.compare(f"{folder}/spread", steps, {row: row for row in table.rows})
    lines = [[name, str(alone[name]), str(trained[name]), str(trained.get(f"{name}, MARS", ""))] for name in METHODS]
    lines += [[row, str(figures), "", ""] for row, figures in beside.items()]
    text = markdown(("mIoU %", "alone:", "network on its labels:", "after MARS:"), lines)
    Path(f"{folder}/table.md").write_text(text + "\n")
    print(text)


def label_files(table: Table, seeds: list[int]) -> dict[str, tuple[str, ...]]:
    """Return the label files by name; tags of whole scenes are all that there are, and not drawn."""
    rules = {"1pct": ("rule=uniform", "fraction=0.01"), **table.labels}
    files: dict[str, tuple[str, ...]] = {"none.npz": ("rule=scenes", "scenes=0", "seed=0")}
    for seed in seeds:
        drawn = (f"seed={seed}",)
        files |= {f"{name}_seed{seed}.npz": (*rule, *drawn) for name, rule in rules.items()}
        files[f"tags_seed{seed}.json"] = ("rule=tags", *table.tags, *(drawn if table.tags else ()))
    return files


def start(run: Compared, then: str, cost: float) -> str:
    """Return the row of networks that go on from those of ``run``, on the labels that these give."""
    return f"labels=tags then={then} stages.then.cost={cost} ~stages.main weights={run.run}"


if __name__ == "__main__":
    run(main, Options)
