"""Train every semi-supervised method beside supervision: one table; see --help."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.harness import comparing
from benchmarks.harness.comparing import CAMVID, ROOMS, SIMULATED, Commands, Compared, Tables, with_spread
from benchmarks.harness.table import markdown
from pcseg.checks import one_of
from pcseg.command_line import option, run
from pcseg.files import read_json

WHOLE = ("cps", "ccvc", "dars", "s4l")
"""Methods trained from the beginning: those of two networks, and those with a supervised stage of their own."""

AT_ONCE = "supervised at once"
"""Their control: supervised training with the compute of both parts, from the beginning."""

RAMP = "stages.main.method.warmup=0.0 stages.main.method.ramp=0.2"
SLOW = "optim.optimizer.lr=0.002"
FURTHER = {
    "cw_bass": f"{RAMP} stages.main.method.teacher=0.99 stages.main.method.deploy_teacher=true",
    "pseudo_seg": f"{RAMP} {SLOW}",
    "label_cycle": RAMP,
    "unimatch": f"{RAMP} {SLOW} stages.main.method.teacher=0.98 stages.main.sampler.labeled=0.5 "
    "stages.main.sampler.views=2",
    "soft_labels": "",
    "mgd": "",
}
"""Methods that go on from a supervised network, and their settings there."""


@dataclass(frozen=True)
class Table:
    """A data set: how it is made, its splits to train on, settings of all runs, and rules of draw_labels by labels.

    ``networks``: further networks trained as the control is; the first teaches MGD beside it. ``rate``: learning rate
    of what goes on, but for methods set to SLOW (found on Area 4). ``whole``: methods trained from the beginning.
    ``costs``: of a step of a method, or with a further network, where it is not that of its file.
    """

    data: Commands
    splits: str
    settings: tuple[str, ...]
    labels: dict[str, tuple[str, ...]]
    networks: dict[str, str]
    rate: float
    whole: tuple[str, ...] = WHOLE
    costs: dict[str, float] = field(default_factory=dict)


TABLES = {
    "camvid": Table(
        (CAMVID,),
        "[train]",
        ("experiment=camvid",),
        {"eighth_scenes": ("rule=scenes", "scenes=46", "every_class=true")},
        {"OCR": "ocr_lite0"},
        rate=0.002,
        costs={"cps": 2.7, "ccvc": 2.4, "label_cycle": 5.4, "mgd": 3.0, "s4l": 3.7},
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
        rate=0.005,
        whole=(*WHOLE, "label_efficient"),
        costs={"OCR": 1.24, "ASPP": 1.07, "axes": 1.13, "cps": 2.5, "ccvc": 1.7, "cw_bass": 1.2, "pseudo_seg": 1.3}
        | {"label_cycle": 2.6, "mgd": 1.8, "s4l": 3.0, "label_efficient": 1.1},
    ),
}


@dataclass
class Options(Tables):
    """Train semi-supervised methods and networks at equal compute, and print a table of their mIoU.

    python -m benchmarks.methods table=camvid input=CamVid weights=lite0.pth    # 46 of 367 pictures labeled
    python -m benchmarks.methods table=rooms       # simulated rooms, 10 cm voxels: 0.1 % of the points, 5 of 40 rooms

    Supervised training, `begin` steps, is gone on with by the control, supervised, and by the methods: of compute
    `further` each. Methods of two networks or with a supervised stage of their own have the compute of both parts at
    once, from the beginning, and a control of their own. Columns: mIoU, and what a method has above its control of the
    same labels and seed, mean and sample standard deviation over the seeds, last weights. The first teacher of MGD has
    the compute of `begin` on top; "CRF" are predictions smoothed, of the control where no method is named. Data and
    labels are made where they are missing; goes on after a stop. Run it from the folder that has tools/.
    """

    table: str = option("camvid or rooms", "camvid")
    output: str = option("folder of the runs and the table", "outputs/methods")
    begin: int = option("compute of the beginning, in supervised steps", 1000)
    further: int = option("compute of what goes on", 1000)


def main(options: Options) -> None:
    """Make what is missing, train, and print the table."""
    one_of("table", options.table, TABLES)
    table, folder = TABLES[options.table], f"{options.output}/{options.table}"
    weights = options.check(options.table, folder, begin=options.begin, further=options.further)
    root = options.make_data(table.data)
    files = {
        f"{name.removesuffix('_scenes')}_seed{seed}.npz": (*rule, f"seed={seed}")
        for name, rule in table.labels.items()
        for seed in options.seeds
    }
    comparing.make_labels(root, table.splits, files)
    networks = {name: f"network={network} {cost(table, name)}".strip() for name, network in table.networks.items()}
    kinds = {labels: f"labels={labels} method=supervised" for labels in table.labels}
    controls = {"full": "labels=full method=supervised", **kinds}
    pairs = [(labels, name) for labels in kinds for name in networks]
    starts = controls | {f"{labels}, {name}": f"{kinds[labels]} {networks[name]}" for labels, name in pairs}
    begun = options.compare(f"{folder}/begun", [*table.settings, *weights], starts, f"compute={options.begin}")
    rows = {name: f"{row} weights={begun[name].run}" for name, row in starts.items()}
    for labels in kinds:
        teachers = [begun[f"{labels}, {next(iter(networks))}"].run, begun[labels].run]
        for name, own in FURTHER.items():
            more = [f"'stages.main.method.teachers=[{','.join(teachers)}]'"] if name == "mgd" else []
            parts = [f"labels={labels} method={name} weights={begun[labels].run}", own, *more, cost(table, name)]
            rows[f"{labels}, {name}"] = " ".join(filter(None, parts))
    rate = f"optim.optimizer.lr={table.rate}"
    found = options.compare(f"{folder}/further", [*table.settings, rate], rows, f"compute={options.further}")
    whole = {f"{labels}, {AT_ONCE}": row for labels, row in controls.items()}
    for labels in kinds:
        for name in table.whole:
            whole[f"{labels}, {name}"] = f"labels={labels} method={name} {cost(table, name)}".strip()
    both = f"compute={options.begin + options.further}"
    at_once = options.compare(f"{folder}/whole", [*table.settings, *weights], whole, both)
    found |= {f"{labels}, CRF": smoothed(found[labels], options.seeds) for labels in controls}
    spread = [name for name in at_once if name.endswith(", label_efficient")]
    at_once |= {f"{name}, CRF": smoothed(at_once[name], options.seeds) for name in spread}
    lines = []
    for name, one in sorted({**found, **at_once}.items()):
        labels = name.partition(",")[0]
        control = at_once[f"{labels}, {AT_ONCE}"] if name in at_once else found[labels]
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
    """Return the setting that says what a step costs, where it is not that of the method's file."""
    stage = "spread" if name == "label_efficient" else "main"
    return f"stages.{stage}.cost={table.costs[name]}" if name in table.costs else ""


if __name__ == "__main__":
    run(main, Options)
