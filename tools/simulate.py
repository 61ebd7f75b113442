"""Write the simulated building: furnished rooms in the raw S3DIS layout, with posed RGB-D frames beside them."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from time import perf_counter

from pcseg.command_line import check_output, option, run
from pcseg.errors import InputError
from pcseg.simulation import Difficulty, Settings, simulate_building

KNOWN = tuple(f.name for f in fields(Difficulty))
HELP = f"how hard it is, e.g. difficulty.clutter=2; of {', '.join(KNOWN)}"


@dataclass
class Options:
    """Write a simulated building in the raw S3DIS layout; rooms that are already there are kept."""

    output: str = option("folder to write to", "data/simulated_raw")
    areas: int = option("number of areas; Area_5 is the one to test on", 6)
    rooms: int = option("rooms in each area", 8)
    points: int = option("points in each room", 100_000)
    frames: int = option("RGB-D frames of each room", 8)
    seed: int = option("seed of everything that is drawn", 0)
    workers: int = option("processes; 0 is one for each core", 0)
    difficulty: dict[str, float] = field(default_factory=dict, metadata={"help": HELP})


def main(options: Options) -> None:
    for name in options.difficulty:
        if name not in KNOWN:
            raise InputError(f"difficulty.{name}: no such setting; choose from {', '.join(KNOWN)}")
    check_output(options.output, folder=True)
    difficulty = Difficulty(**options.difficulty)
    settings = Settings(options.points, options.frames, options.seed, difficulty)
    start = perf_counter()
    made = simulate_building(options.output, options.areas, options.rooms, settings, options.workers)
    print(
        f"{options.output}: {made} rooms made in {perf_counter() - start:.0f} s, {options.areas * options.rooms} in all"
    )


if __name__ == "__main__":
    run(main, Options)
