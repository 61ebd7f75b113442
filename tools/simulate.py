"""Write the simulated building: furnished rooms in the raw S3DIS layout, with posed RGB-D frames beside them."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import perf_counter

import _cli
from pcseg.data.simulated import Difficulty, Settings, simulate_building


@dataclass
class Options:
    """Write a simulated building in the raw S3DIS layout; rooms that are already there are kept."""

    output: str = _cli.option("folder to write to", "data/simulated_raw")
    areas: int = _cli.option("number of areas; Area_5 is the one to test on", 6)
    rooms: int = _cli.option("rooms in each area", 8)
    points: int = _cli.option("points in each room", 100_000)
    frames: int = _cli.option("RGB-D frames of each room", 8)
    seed: int = _cli.option("seed of everything that is drawn", 0)
    workers: int = _cli.option("processes; 0 is one for each core", 0)
    difficulty: Difficulty = field(
        default_factory=Difficulty, metadata={"help": "e.g. difficulty.clutter=2; see pcseg.data.simulated.Difficulty"}
    )


def main(options: Options) -> None:
    settings = Settings(options.points, options.frames, options.seed, options.difficulty)
    start = perf_counter()
    made = simulate_building(options.output, options.areas, options.rooms, settings, options.workers)
    print(
        f"{options.output}: {made} rooms made in {perf_counter() - start:.0f} s, {options.areas * options.rooms} in all"
    )


if __name__ == "__main__":
    _cli.run(main, Options)
