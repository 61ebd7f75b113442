"""Reads thousands of damaged files of every kind in bounded workers: python -m tests.endurance.fuzz count=20000 seed=1.

A damaged file may be read, or be refused by one InputError of one line. Anything else is a fault: another exception, a
signal, a time of over ``seconds`` or a memory of over ``memory`` GiB for a file of some kilobytes, a long message.
Faulty files are kept in ``output`` with what was seen.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import resource
import sys
import tempfile
import time
import warnings
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

LONGEST = 1200
"""Characters that a message may have."""
TARGETS = "tests.endurance.targets"
"""The module that says what is read, and how."""


def fuzz(
    count: int,
    seed: int,
    output: Path,
    seconds: float = 20.0,
    memory: float = 3.0,
    only: str = "",
    module: str = TARGETS,
) -> Counter[str]:
    """Try ``count`` damaged files, those of the kinds whose name has ``only`` in it; returns how many ended how.

    The keys are "<kind>: read", "<kind>: refused" and "<kind>: FAULT".
    """
    context = multiprocessing.get_context("spawn")
    tally: Counter[str] = Counter()
    done = 0
    bar = tqdm(total=count, unit="file", mininterval=1)
    while done < count:
        ours, theirs = context.Pipe()
        worker = context.Process(target=_work, args=(theirs, done, count, seed, output, memory, only, module))
        worker.start()
        theirs.close()
        done = _watch(ours, worker, done, count, output, seconds, tally, bar)
        worker.kill()
        worker.join()
    bar.close()
    return tally


def _watch(
    pipe: Connection,
    worker: multiprocessing.Process,
    done: int,
    count: int,
    output: Path,
    seconds: float,
    tally: Counter[str],
    bar: tqdm[Any],
) -> int:
    """Follow one worker until it is done, dies or hangs; returns the number of the next file to try."""
    doing, kind, started = done, "start", False
    while doing < count:
        if not pipe.poll(seconds if started else 120.0):
            return _fault(output, doing, kind, f"over {seconds:g} s", tally)
        try:
            doing, kind, outcome = pipe.recv()
        except EOFError:
            worker.join(5)
            if not started:
                raise RuntimeError("a worker could not start; see what it printed") from None
            return _fault(output, doing, kind, f"the process ended with {worker.exitcode}", tally)
        started = True
        if outcome:
            tally[f"{kind}: {outcome}"] += 1
            bar.update()
            doing += 1
    return count


def _fault(output: Path, number: int, kind: str, text: str, tally: Counter[str]) -> int:
    tally[f"{kind}: FAULT"] += 1
    print(f"FAULT file {number} ({kind}): {text}", file=sys.stderr)
    if number >= 0:
        with open(output / "faults.txt", "a", encoding="utf-8") as stream:
            stream.write(f"{number} {kind}: {text}\n")
    return number + 1


def _work(
    pipe: Connection, first: int, count: int, seed: int, output: Path, memory: float, only: str, module: str
) -> None:
    """Try files ``first`` to ``count``, telling before and after each which it is."""
    os.environ["OMP_NUM_THREADS"] = "1"
    warnings.simplefilter("ignore")
    import torch

    from pcseg.errors import InputError
    from tests.endurance.mutate import damaged

    made_by = importlib.import_module(module)

    torch.set_num_threads(1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with tempfile.TemporaryDirectory() as temporary:
        home, away = Path(temporary) / "home", Path(temporary) / "away"
        targets = [target for target in made_by.make(home) if only in target.kind]
        originals = [target.file.read_bytes() for target in targets]
        used = (
            int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            if sys.platform == "linux"
            else 0
        )
        if used:
            limit = used + int(memory * 2**30)
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        for number in range(first, count):
            rng = np.random.default_rng([seed, number])
            which = int(rng.integers(len(targets)))
            target = targets[which]
            content = damaged(originals[which], target.file.name, rng)
            path = made_by.place(target, home, away, content)
            pipe.send((number, target.kind, ""))
            try:
                target.read(path)
                outcome = "read"
            except InputError as error:
                text = str(error)
                outcome = (
                    "refused" if len(text) <= LONGEST and len(text.splitlines()) == 1 else f"message {text[:200]!r}"
                )
            except BaseException as error:
                outcome = f"{type(error).__name__}: {str(error)[:200]}"
            if outcome not in ("read", "refused"):
                (output / f"{number}_{target.file.name}").write_bytes(content)
                _fault(output, number, target.kind, outcome, Counter())
                outcome = "FAULT"
            made_by.place(target, home, away, originals[which])
            pipe.send((number, target.kind, outcome))


def main(arguments: list[str]) -> int:
    """Run with name=value arguments; returns the number of faults."""
    given = dict(argument.split("=", 1) for argument in arguments)
    output = Path(given.get("output", "fuzz_found"))
    output.mkdir(parents=True, exist_ok=True)
    count, seed = int(given.get("count", 2000)), int(given.get("seed", 0))
    started = time.monotonic()
    tally = fuzz(
        count, seed, output, float(given.get("seconds", 20)), float(given.get("memory", 3)), given.get("only", "")
    )
    for key in sorted(tally):
        print(f"{tally[key]:7,}  {key}")
    faults = sum(number for key, number in tally.items() if key.endswith("FAULT"))
    print(f"{sum(tally.values()):,} files in {time.monotonic() - started:.0f} s, {faults} faults; files: {output}")
    return faults


if __name__ == "__main__":
    sys.exit(bool(main(sys.argv[1:])))
