"""An hour of a person at the click page, simulated through the page's own requests; see --help."""

# ruff: noqa: RUF009 (option() is dataclasses.field)
from __future__ import annotations

from pcseg.command_line import option, run  # before torch: pcseg chooses how the threads wait

# isort: split

import json
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial import cKDTree
from tqdm import tqdm

from benchmarks.spreading import scores
from pcseg.annotation.desk import Desk
from pcseg.annotation.requests import make_server
from pcseg.annotation.session import Session
from pcseg.annotation.sources import Place, Source
from pcseg.annotation.training import Training
from pcseg.annotation.wire import unpack
from pcseg.classes import IGNORE, Classes
from pcseg.datasets import ClassFile
from pcseg.errors import InputError
from pcseg.files import atomic_path
from pcseg.scenes.scene import read_scene, scene_classes

PAGE = "simulated-person"


@dataclass
class Options:
    """Print accuracy and mIoU of the spread labels of scans against minutes of clicking.

    python -m benchmarks.annotate 'scenes=[data/simulated/Area_5/office_1,data/simulated/Area_5/lobby_1]'

    A simulated person labels each scan for `minutes`, at `seconds` a click: `choose=suggested` points as the page
    suggests them, in turn with `choose=random` ones. Of the clicks `wrong` name another class, and `missed` hit a point
    at `distance` meters from the one that is meant, whose class they name all the same. Every click and every question
    goes through the server that tools/annotate.py starts. Points without a class are passed over, for as long a time.
    Beside them a person who cuts objects out by polygons, as in CloudCompare, without a mistake, from one side of the
    scan to the other, in `whole` minutes: 22 are said of a scan of ScanNet (One Thing One Click, CVPR 2021).
    """

    scenes: list[str] = option("folders of prepared scenes with labels")
    minutes: float = option("minutes that each scan is worked on", 15.0)
    seconds: float = option("of a person, for a click", 4.0)
    wrong: float = option("share of the clicks of a wrong class", 0.05)
    missed: float = option("share of the clicks that miss", 0.1)
    distance: float = option("meters by which they miss", 0.03)
    at: list[float] = option("minutes at which labels are scored", factory=lambda: [0.5, 1, 2, 5, 10, 15])
    whole: float = option("minutes for a scan by polygons", 22.0)
    seed: int = option("of the person's mistakes, and of random points", 0)
    picture: str = option("a .svg or .png to draw the curves in", "")


class Person:
    """Clicks in one scan: what is meant, what is hit, and which class is named."""

    def __init__(self, options: Options, folder: Path, classes: Classes, address: str) -> None:
        self.options, self.address = options, address
        self.rng = np.random.default_rng(options.seed)
        scene = read_scene(folder, classes, with_labels=True)
        assert scene.segment is not None
        self.truth, self.coord, self.n_classes = np.asarray(scene.segment), np.asarray(scene.coord), len(classes)
        self.near = cKDTree(self.coord)
        self.name = f"{folder.parent.name}/{folder.name}"

    def ask(self, what: str, **request: Any) -> dict[str, Any]:
        """Send a request as the page does and return the header of the answer."""
        body = json.dumps({"scene": self.name, "page": PAGE, **request}).encode()
        sent = urllib.request.Request(self.address + what, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(sent, timeout=600) as answer:
            return unpack(answer.read())[0]

    def hit(self, point: int) -> tuple[int, int]:
        """Return the point that is hit where ``point`` is meant, and the class that is named."""
        label = int(self.truth[point])
        if self.rng.random() < self.options.wrong:
            label = int((label + self.rng.integers(1, self.n_classes)) % self.n_classes)
        if self.rng.random() < self.options.missed:
            aside = self.rng.normal(size=3)
            place = self.coord[point] + self.options.distance * aside / np.linalg.norm(aside)
            point = int(self.near.query(place)[1])
        return point, label

    def points(self, choose: str, session: Session) -> Iterator[int]:
        """Yield the points to be labeled, without end."""
        skipped: list[int] = []
        while True:
            if choose == "random":
                yield int(self.rng.integers(len(self.truth)))
                continue
            for spot in self.ask("suggest", skipped=skipped)["spots"]:
                if self.truth[spot["point"]] == IGNORE:
                    skipped.append(spot["place"])
                yield spot["point"]

    def work(self, choose: str, session: Session) -> dict[float, tuple[float, float]]:
        """Label the scan and return accuracy and mIoU of the labels of all points by minute."""
        clicks = round(60 * self.options.minutes / self.options.seconds)
        scored = {round(60 * minute / self.options.seconds): minute for minute in self.options.at}
        found, points = {}, self.points(choose, session)
        for number in tqdm(range(1, clicks + 1), desc=f"{self.name} {choose}", unit="click", leave=False):
            meant = next(points)
            if self.truth[meant] != IGNORE:
                point, label = self.hit(meant)
                place = int(session.picture.place[point])
                about = {"kind": "label", "how": "click", "class": session.scene.classes[label], "places": [place]}
                self.ask("act", id=f"{choose}-{number}", seconds=self.options.seconds, **about)
            if number in scored:
                found[scored[number]] = self.score(session)
        return found

    def score(self, session: Session) -> tuple[float, float]:
        """Return accuracy and mIoU of the labels on all points; those without one are wrong."""
        label, confidence = session.point_labels()
        *_, accuracy, miou, _ = scores(self.truth, label, confidence)
        return accuracy, miou


def labeled(options: Options, folder: Path, choose: str) -> dict[float, tuple[float, float]]:
    """Start a server for one scan, label it and return its scores."""
    classes = scene_classes(folder)
    name = f"{folder.parent.name}/{folder.name}"
    with tempfile.TemporaryDirectory() as home:
        source = Source(name, folder, Path(home) / "clicks.jsonl", ClassFile(classes.names, classes.colors))
        place = Place({name: source}, classes, Path(home), None)
        desk = Desk(place, "simulated", Training(place, Path("tools/train.py"), 1, ()))
        server, address = make_server(desk)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            person = Person(options, folder, classes, address)
            person.ask("open")
            return person.work(choose, desk.session(name, PAGE))
        finally:
            server.shutdown()
            server.server_close()
            desk.close()


def by_polygons(options: Options, folder: Path) -> dict[float, tuple[float, float]]:
    """Return accuracy and mIoU by minute of labels that are right, and reach further along x by the minute."""
    scene = read_scene(folder, scene_classes(folder), with_labels=True)
    assert scene.segment is not None
    truth, order = np.asarray(scene.segment), np.argsort(scene.coord[:, 0], kind="stable")
    found = {}
    for minute in options.at:
        done = order[: round(min(1.0, minute / options.whole) * len(order))]
        label = np.full_like(truth, IGNORE)
        label[done] = truth[done]
        *_, accuracy, miou, _ = scores(truth, label, (label != IGNORE).astype(np.float32))
        found[minute] = accuracy, miou
    return found


def draw(path: Path, minutes: list[float], curves: dict[str, np.ndarray], title: str) -> None:
    """Draw accuracy and mIoU (M, 2) of each way to label against minutes (M,)."""
    from matplotlib.figure import Figure  # here: only for a picture

    figure = Figure(figsize=(8, 3), layout="constrained")
    for axis, column, name in zip(figure.subplots(1, 2), (0, 1), ("accuracy %", "mIoU %"), strict=True):
        for (way, values), style in zip(curves.items(), ("-o", "--s", ":^"), strict=True):
            axis.plot([0, *minutes], [0, *values[:, column]], style, markersize=4, label=way)
        axis.set(xlabel="minutes a scan", ylabel=name, ylim=(0, 100), xlim=(0, None))
        axis.grid(alpha=0.3)
    axis.legend(loc="lower right")
    figure.suptitle(title)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:])


def main(options: Options) -> None:
    """Label each scan in each way and print a row for each minute."""
    if not options.scenes or min(options.seconds, options.whole) <= 0 or max(options.at, default=0) > options.minutes:
        raise InputError(
            "scenes, seconds, whole, at: give scenes, numbers above 0, and minutes to score within `minutes`"
        )
    if options.picture and Path(options.picture).suffix not in (".svg", ".png"):
        raise InputError(f"picture={options.picture}: must end in .svg or .png")
    folders = [Path(scene) for scene in options.scenes]
    ways = {
        "suggested": partial(labeled, options, choose="suggested"),
        "random": partial(labeled, options, choose="random"),
        "polygons": partial(by_polygons, options),
    }
    found = {way: [work(folder) for folder in folders] for way, work in ways.items()}
    curves = {
        way: np.array([[each[minute] for minute in options.at] for each in scans]).mean(axis=0)
        for way, scans in found.items()
    }
    header = " | ".join(f"{way}: accuracy % | mIoU %" for way in ways)
    print(f"| minutes | {header} |\n|---|{'---|---|' * len(ways)}")
    for row, minute in enumerate(options.at):
        cells = [f"{value:.1f}" for values in curves.values() for value in values[row]]
        print(f"| {minute:g} | {' | '.join(cells)} |")
    if options.picture:
        draw(Path(options.picture), options.at, curves, f"{len(folders)} scans, {options.seconds:g} s a click")


if __name__ == "__main__":
    run(main, Options)
