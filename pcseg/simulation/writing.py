"""Write simulated rooms in the raw S3DIS layout, in parallel, each room complete or absent."""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from pcseg.classes import S3DIS
from pcseg.errors import InputError
from pcseg.files import atomic_path, read_json, sweep, write_json
from pcseg.same_settings import check_same
from pcseg.simulation.difficulty import Difficulty
from pcseg.simulation.frames import draw_poses, photograph, write_frames
from pcseg.simulation.light import Lit
from pcseg.simulation.rooms import draw_room, room_names
from pcseg.simulation.scanner import scan
from pcseg.workers import Died, count_workers, in_processes

SPACING = 20.0
"""Meters between the corners of neighboring rooms in the frame of their area."""


@dataclass(frozen=True)
class Settings:
    """Settings of all rooms: ``points`` and ``frames`` per room, the seed, the difficulty."""

    points: int = 100_000
    frames: int = 8
    seed: int = 0
    difficulty: Difficulty = field(default_factory=Difficulty)

    def __post_init__(self) -> None:
        for name, least in (("points", 1000), ("frames", 0), ("seed", 0)):
            if getattr(self, name) < least:
                raise InputError(f"{name}={getattr(self, name)}: give {least} or more")


def simulate_building(
    output: str | os.PathLike[str], areas: int = 6, rooms: int = 8, settings: Settings | None = None, workers: int = 0
) -> int:
    """Write the missing rooms of a building below ``output``, and return their number.

    ``workers`` processes, 0 for one per core; the files do not depend on it. Raises InputError for counts below 1,
    ``workers`` below 0, and if ``output`` holds rooms made with other settings.
    """
    settings = settings or Settings()
    for name, value in (("areas", areas), ("rooms", rooms)):
        if value < 1:
            raise InputError(f"{name}={value}: give 1 or more")
    workers = count_workers(workers)
    output = Path(output)
    _claim(output, settings)
    wanted = [(area, index) for area in range(1, areas + 1) for index in range(rooms)]
    names = room_names(rooms)
    tasks = [(a, i) for a, i in wanted if not (output / f"Area_{a}" / names[i]).is_dir()]
    workers = min(workers, len(tasks))
    with tqdm(total=len(wanted), initial=len(wanted) - len(tasks), desc="simulate", unit="room") as bar:
        if workers <= 1:
            for area, index in tasks:
                simulate_room(output, area, index, settings)
                bar.update()
            return len(tasks)
        with closing(in_processes(partial(_one, output, settings), tasks, workers)) as done:
            for (area, index), result in done:
                if isinstance(result, Died):
                    raise InputError(f"{output}: room {index} of area {area}: {result.reason}; run again to continue")
                bar.update()
    return len(tasks)


def _one(output: Path, settings: Settings, room: tuple[int, int]) -> Path:
    return simulate_room(output, *room, settings)


def simulate_room(output: str | os.PathLike[str], area: int, index: int, settings: Settings) -> Path:
    """Draw, scan, photograph and write one room; returns its folder, ``<output>/Area_<area>/<type>_<number>``.

    Besides ``Annotations/<class>_<i>.txt`` and ``<room>.txt`` it holds ``color``, ``depth``, ``pose``, ``intrinsic``
    and ``label``, as in an exported ScanNet scene. All are in the frame of the area.
    """
    room = draw_room(settings.seed, area, index, settings.difficulty)
    lit = Lit(room)
    scan_rng, frame_rng = (np.random.default_rng([settings.seed, area, index, stream]) for stream in (1, 2))
    cloud = scan(lit, settings.points, scan_rng, settings.difficulty)
    poses = draw_poses(lit, settings.frames, frame_rng)
    frames = [photograph(lit, pose, frame_rng, settings.difficulty) for pose in poses]
    shift = np.array([SPACING * (index % 4), SPACING * (index // 4), 0.0])
    folder = Path(output) / f"Area_{area}" / room.name
    with atomic_path(folder) as temporary:
        (temporary / "Annotations").mkdir(parents=True)
        whole, counts = [], dict.fromkeys(S3DIS.names, 0)
        instance = room.instance[cloud.solid]
        order = np.argsort(instance, kind="stable")
        starts = np.flatnonzero(np.diff(instance[order], prepend=-1))
        for rows in np.split(order, starts[1:]):
            name = S3DIS.names[room.label[cloud.solid[rows[0]]]]
            counts[name] += 1
            text = format_points(cloud.coord[rows] + shift, cloud.color[rows])
            (temporary / "Annotations" / f"{name}_{counts[name]}.txt").write_bytes(text)
            whole.append(text)
        (temporary / f"{room.name}.txt").write_bytes(b"".join(whole))
        if frames:
            write_frames(temporary, frames, shift)
    return folder


def format_points(coord: np.ndarray, color: np.ndarray) -> bytes:
    """Return lines ``x y z r g b`` of points (P, 3), in meters to the millimeter, and colors (P, 3) uint8.

    Made as one matrix of characters, blanks and leading zeros masked out: about thirty times as fast as numpy.savetxt.
    """
    milli = np.rint(np.asarray(coord, dtype=np.float64) * 1000).astype(np.int64)
    columns: list[np.ndarray] = []
    for axis in range(3):
        value = np.abs(milli[:, axis])
        whole = len(str(int(value.max(initial=0)) // 1000))
        columns.append(np.where(milli[:, axis] < 0, ord("-"), 0))
        columns += [*_digits(value // 1000, whole), np.full(len(value), ord("."))]
        columns += [ord("0") + value // 10**k % 10 for k in (2, 1, 0)] + [np.full(len(value), ord(" "))]
    for channel in range(3):
        columns += _digits(color[:, channel].astype(np.int64), 3)
        columns.append(np.full(len(color), ord("\n" if channel == 2 else " ")))
    text = np.stack([c.astype(np.uint8) for c in columns], axis=1)
    return text[text != 0].tobytes()


def _digits(value: np.ndarray, width: int) -> list[np.ndarray]:
    """Return the characters of integers (P,), column by column; 0 for a leading zero that is left out."""
    return [np.where((value >= 10**k) | (k == 0), ord("0") + value // 10**k % 10, 0) for k in range(width - 1, -1, -1)]


def _claim(output: Path, settings: Settings) -> None:
    """Write the settings to ``output`` or check that they are those of its rooms; removes leftovers of killed
    processes.
    """
    note, made = output / "simulated.json", asdict(settings)
    if note.is_file():
        check_same(note, read_json(note), made, f"choose another output or remove {output}")
    else:
        write_json(note, made)
    sweep(output)
