"""Train every semi-supervised method beside supervision: one table; see --help."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.harness import comparing
from benchmarks.harness.comparing import ROOMS, SIMULATED, Commands, Compared, Tables, make_labels, with_spread
from benchmarks.harness.table import markdown
from pcseg.checks import one_of
from pcseg.command_line import option, run
from pcseg.files import read_json

WHOLE = ("cps", "ccvc", "dars", "s4l")
"""Methods trained from the beginning: those of two networks, and those with a supervised stage of their own."""

RAMP = "stages.main.method.warmup=0.0 stages.main.method.ramp=0.2"
FURTHER = {
    "cw_bass": RAMP,
    "pseudo_seg": RAMP,
    "label_cycle": RAMP,
    "unimatch": f"{RAMP} stages.main.method.teacher=0.98 stages.main.sampler.labeled=0.5",
    "soft_labels": "",
    "mgd": "",
}
"""Methods that go on from a supervised network, and their settings there."""


@dataclass(frozen=True)
class Table:
    """A data set: how it is made, its splits to train on, settings of all runs, and rules of draw_labels by labels.

    ``networks``: further networks trained as the control is, which also teach MGD. ``costs``: of a step of a method,
    where it is not that of its file.
    """

    data: Commands
    splits: str
    settings: tuple[str, ...]
    labels: dict[str, tuple[str, ...]]
    networks: dict[str, str]
    costs: dict[str, float] = field(default_factory=dict)


TABLES = {
    "camvid": Table(
        (("prepare", "dataset=camvid", "output=data/camvid"),),
        "[train]",
        ("experiment=camvid",),
        {"eighth_scenes": ("rule=scenes", "scenes=46", "every_class=true")},
        {"OCR": "ocr_lite0"},
        costs={"cps": 2.7, "ccvc": 2.4, "label_cycle": 5.4},
    ),
    "rooms": Table(
        (SIMULATED, ("prepare", "input=data/simulated_raw", "output=data/simulated")),
        ROOMS,
        ("experiment=simulated", "data.voxel_size=0.1", "augment=indoor_strong"),
        {
            "0.1pct": ("rule=uniform", "fraction=0.001"),
            "eighth_scenes": ("rule=scenes", "fraction=0.125", "every_class=true"),
        },
        {"OCR": "minkunet_small_ocr", "ASPP": "minkunet_small_aspp", "axes": "minkunet_small_axial"},
    ),
}


@dataclass
class Options(Tables):
    """Train semi-supervised methods and networks at equal compute, and print a table of their mIoU.

    python -m benchmarks.methods table=camvid input=CamVid weights=lite0.pth    # 46 of 367 pictures labeled
    python -m benchmarks.methods table=rooms       # simulated rooms, 10 cm voxels: 0.1 % of the points, 5 of 40 rooms

    Supervised training, `begin` steps, is gone on with by the control, supervised, and by the methods: of compute
    `further` each. Methods of two networks or with a supervised stage of their own have the compute of both parts at
    once, from the beginning. Columns: mIoU, and what a method has above the control of the same labels and seed, mean
    and sample standard deviation over the seeds, last weights. The teachers of MGD, the further networks, have `begin`
    steps each on top; "CRF" are the predictions of the control smoothed. Data and labels are made where they are
    missing; goes on after a stop. Run it from the folder that has tools/.
    """

    table: str = option("camvid or rooms", "camvid")
    output: str = option("folder of the runs and the table", "outputs/methods")
    rate: float = option("learning rate of what goes on", 0.002)
    begin: int = option("compute of the beginning, in supervised steps", 1000)
    further: int = option("compute of what goes on", 1000)


def main(options: Options) -> None:
    """Make what is missing, train, and print the table."""
    one_of("table", options.table, TABLES)
    table, folder = TABLES[options.table], f"{options.output}/{options.table}"
    weights = options.check(options.table, folder, begin=options.begin, further=options.further, rate=options.rate)
    root = options.make_data(table.data)
    files = {
        f"{name.removesuffix('_scenes')}_seed{seed}.npz": (*rule, f"seed={seed}")
        for name, rule in table.labels.items()
        for seed in options.seeds
    }
    make_labels(root, table.splits, files)
    networks = {name: f"network={network}" for name, network in table.networks.items()}
    kinds = {labels: f"labels={labels} method=supervised" for labels in table.labels}
    starts = {"full": "labels=full method=supervised", **kinds}
    starts |= {f"{labels}, {name}": f"{row} {own}" for labels, row in kinds.items() for name, own in networks.items()}
    begun = options.compare(f"{folder}/begun", [*table.settings, *weights], starts, f"compute={options.begin}")
    rows = {name: f"{row} weights={begun[name].run}" for name, row in starts.items()}
    for labels in kinds:
        teachers = [begun[f"{labels}, {name}"].run for name in networks] + [begun[labels].run]
        for name, own in FURTHER.items():
            more = [f"'stages.main.method.teachers=[{','.join(teachers)}]'"] if name == "mgd" else []
            parts = [f"labels={labels} method={name} weights={begun[labels].run}", own, *more, cost(table, name)]
            rows[f"{labels}, {name}"] = " ".join(filter(None, parts))
    rate = f"optim.optimizer.lr={options.rate}"
    found = options.compare(f"{folder}/further", [*table.settings, rate], rows, f"compute={options.further}")
    whole = {
        f"{labels}, {name}": f"labels={labels} method={name} {cost(table, name)}".strip()
        for labels in kinds
        for name in WHOLE
    }
    found |= options.compare(
        f"{folder}/whole", [*table.settings, *weights], whole, f"compute={options.begin + options.further}"
    )
    found |= {f"{labels}, CRF": smoothed(found[labels], options.seeds) for labels in kinds}
    lines = []
    for name, one in sorted(found.items()):
        control = found[name.partition(",")[0]]
        above = [value - other for value, other in zip(one.miou, control.miou, strict=True)]
        lines.append([name, str(begun.get(name, "")), str(one), "" if one is control else with_spread(above, "+")])
    text = markdown(("mIoU %", "begun:", "in the end:", "above supervised:"), lines)
    Path(f"{folder}/table.md").write_text(text + "\n")
    print(text)


def smoothed(control: Compared, seeds: list[int]) -> Compared:
    """Return the figures of the runs of ``control`` with their probabilities smoothed."""
    folders = [f"{control.folder}/seed{seed}" for seed in seeds]
    for folder in folders:
        if not Path(f"{folder}/crf/metrics.json").is_file():
            comparing.call("evaluate", f"checkpoint={folder}", f"output={folder}/crf", "crf=true")
    return Compared([100 * read_json(Path(f"{folder}/crf/metrics.json"))["miou"] for folder in folders], control.folder)


def cost(table: Table, name: str) -> str:
    """Return the setting that says what a step of a method costs, where it is not that of its file."""
    return f"stages.main.cost={table.costs[name]}" if name in table.costs else ""


if __name__ == "__main__":
    run(main, Options)
