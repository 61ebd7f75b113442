"""Take a folder of point files through all tools: python -m tests.endurance.chain files=<folder> checkpoint=<run>.

Each file is read and compared with an independent reader (tests/oracles/point_files.py), prepared, checked, labeled in
its own format, read again and drawn, in a process that is ended after ``seconds``. Prints figures by format; ``output``
gets ``chain.jsonl``, a line a file, with the result of each step.
"""

from __future__ import annotations

import contextlib
import io
import json
import multiprocessing
import sys
import tempfile
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tqdm import tqdm

from tests.endurance.chain_steps import STEPS


def chain(files: list[Path], checkpoint: str, seconds: float = 120.0) -> list[dict[str, str]]:
    """Return for each file {"file", step: "ok" | "refused: ..." | "skipped: ..." | "FAULT ..."}."""
    context = multiprocessing.get_context("spawn")
    results: list[dict[str, str]] = []
    bar = tqdm(total=len(files), unit="file")
    while len(results) < len(files):
        ours, theirs = context.Pipe()
        worker = context.Process(target=_work, args=(theirs, [str(f) for f in files[len(results) :]], checkpoint))
        worker.start()
        theirs.close()
        step, started = "read", False
        while len(results) < len(files):
            if not ours.poll(seconds if started else 120.0):
                results.append({"file": str(files[len(results)]), step: f"FAULT over {seconds:g} s"})
                break
            try:
                step, result = ours.recv()
            except EOFError:
                worker.join(5)
                results.append({"file": str(files[len(results)]), step: f"FAULT ended with {worker.exitcode}"})
                break
            started = True
            if result is not None:
                results.append(result)
            bar.update(len(results) - bar.n)
        worker.kill()
        worker.join()
    return results


def _work(pipe: Connection, files: list[str], checkpoint: str) -> None:
    warnings.simplefilter("ignore")
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
    import torch

    torch.set_num_threads(1)
    for file in files:
        with tempfile.TemporaryDirectory() as folder:
            result = _one(Path(file), Path(folder), checkpoint, lambda step: pipe.send((step, None)))
        pipe.send(("", result))


def _one(file: Path, folder: Path, checkpoint: str, report: Callable[[str], None]) -> dict[str, str]:
    """Run all steps for one file and return their results; a file that cannot be read goes no further."""
    from pcseg.errors import InputError

    result = {"file": str(file)}
    memory: dict[str, Any] = {}
    for name, step in STEPS.items():
        report(name)
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                result[name] = step(file, folder, checkpoint, memory) or "ok"
        except InputError as error:
            long = len(str(error)) > 1200 or len(str(error).splitlines()) > 1
            result[name] = f"FAULT message {error}" if long else f"refused: {error}"
        except BaseException as error:
            result[name] = f"FAULT {type(error).__name__}: {str(error)[:300]}"
        if name == "read" and result[name] != "ok":
            break
    return result


def main(arguments: list[str]) -> int:
    """Run with name=value arguments; return the number of faults."""
    from pcseg.formats import FORMATS

    given = dict(argument.split("=", 1) for argument in arguments)
    output = Path(given.get("output", "chain_found"))
    output.mkdir(parents=True, exist_ok=True)
    files = sorted(p for p in Path(given["files"]).rglob(given.get("pattern", "*")) if p.suffix.lower() in FORMATS)
    results = chain(files, given["checkpoint"], float(given.get("seconds", 120)))
    (output / "chain.jsonl").write_text("".join(json.dumps(result) + "\n" for result in results))
    figures: dict[str, Counter[str]] = defaultdict(Counter)
    for result in results:
        kind = figures[Path(result["file"]).suffix.lower()]
        kind["files"] += 1
        for step in STEPS:
            kind[f"{step} {result.get(step, 'not reached').split(':')[0].split(' ')[0]}"] += 1
        for step, text in result.items():
            if text.startswith("FAULT"):
                print(f"{result['file']}: {step}: {text}")
    for ending, kind in sorted(figures.items()):
        print(ending, ", ".join(f"{name} {number}" for name, number in sorted(kind.items())))
    return sum(text.startswith("FAULT") for result in results for text in result.values())


if __name__ == "__main__":
    sys.exit(bool(main(sys.argv[1:])))
