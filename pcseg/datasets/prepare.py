"""Turn a raw data set into scene folders: in parallel, resumable, without losing others to one bad file."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from pcseg.datasets.contract import SceneReader
from pcseg.errors import InputError, cut
from pcseg.files import read_json, sweep, write_json
from pcseg.same_settings import check_same
from pcseg.scenes.listing import is_scene
from pcseg.scenes.scene import write_scene
from pcseg.workers import Died, count_workers, in_processes

REPORT = "prepare_report.json"
"""Name of the file with the summary of a run."""

SHOWN = 20
"""Scenes that a line of a report names at most."""

WORDS = {"color": "colors", "normal": "normals", "instance": "objects", "superpoint": "superpoints"}
"""Names of the arrays of a scene in the summary."""


@dataclasses.dataclass(frozen=True)
class Summary:
    """Outcome of a run, also written to ``prepare_report.json`` (REPORT).

    Names of the scenes written now and of those found finished; (scene, error) of those that failed; ``remarks``, the
    defects of the data that scenes were made in spite of; ``used``, the sources of labels, arrays and columns, as text;
    ``changed``, those of the written scenes that were there, but made of an earlier state of their source;
    ``abandoned``, scenes in the output that are not in the input.
    """

    prepared: tuple[str, ...]
    already_there: tuple[str, ...]
    failed: tuple[tuple[str, str], ...]
    remarks: tuple[str, ...]
    used: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    abandoned: tuple[str, ...] = ()


def prepare(reader: SceneReader, output: str, workers: int = 0, overwrite: bool = False) -> Summary:
    """Write every scene of ``reader`` to ``<output>/<split>/<scene>`` and the class list to ``dataset.json``.

    ``workers`` processes, 0 for one a core; the files are read there even by one, so that none can end this process.
    How long a file may take is up to its reader. Scenes that are there already are kept unless ``overwrite``, so that
    an interrupted run is continued by running it again; where a file of their source has another size or time than
    then, they are made again, and the old ones stay where that cannot be read. Raises InputError where ``workers`` is
    negative, where ``output`` cannot be written or was begun with other settings; a scene that cannot be read is listed
    in the summary instead.
    """
    workers = count_workers(workers)
    names = reader.scenes()
    _claim(reader, Path(output), overwrite)
    found = {name: _meta(Path(output) / name) for name in names if not overwrite}
    stamped = {name: meta["stamp"] for name, meta in found.items() if meta.get("stamp")}
    changed = {name for name, stamp in stamped.items() if _stamp(reader, name) not in ("", stamp)}
    finished = [name for name, meta in found.items() if meta and name not in changed]
    todo = sorted(set(names) - set(finished))
    failed = []
    bar = tqdm(total=len(names), initial=len(finished), desc="prepare", unit="scene", mininterval=0.5)
    try:
        with bar, closing(in_processes(partial(_one, reader, output), todo, workers)) as outcomes:
            for name, result in outcomes:
                if error := _error(name, result):
                    failed.append((name, error))
                bar.set_postfix({"failed": len(failed)} if failed else {}, refresh=False)
                bar.update()
    finally:
        sweep(output)  # what was in hand when it was interrupted
    written = sorted(set(todo) - {name for name, _ in failed})
    remarks, used = _accounts(reader, output, sorted([*written, *finished]))
    again = tuple(name for name in written if name in changed)
    abandoned = _abandoned(Path(output), names)
    summary = Summary(tuple(written), tuple(finished), tuple(sorted(failed)), remarks, used, again, abandoned)
    write_json(Path(output) / REPORT, dataclasses.asdict(summary))
    return summary


def read_summary(output: str) -> Summary | None:
    """Return the summary of the last ``prepare`` into ``output``; None where there is no report."""
    path = Path(output) / REPORT
    if not path.is_file():
        return None
    try:
        found = read_json(path)
        failed = tuple((str(name), str(error)) for name, error in found["failed"])
        return Summary(
            _texts(found["prepared"]),
            _texts(found["already_there"]),
            failed,
            _texts(found["remarks"]),
            *(_texts(found.get(key, [])) for key in ("used", "changed", "abandoned")),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: is no report of tools/prepare.py ({error!r}); run that again, or remove it"
        ) from error


def few(names: Sequence[str]) -> str:
    """Return the first SHOWN ``names`` as text, and the number of the others."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def left_behind(names: Sequence[str]) -> str:
    """Return a line on the scenes ``names``, which the last input did not have."""
    return f"in the output, but not in the input of the last run: {few(names)}; remove what is not wanted"


def _texts(values: Any) -> tuple[str, ...]:
    if not isinstance(values, list):
        raise TypeError(f"{cut(repr(values), 120)} where a list was written")
    return tuple(map(str, values))


def _claim(reader: SceneReader, output: Path, overwrite: bool) -> None:
    """Write ``dataset.json``, or see that the one there agrees, so that no folder mixes two ways of preparing."""
    settings: dict[str, Any] = dataclasses.asdict(reader)  # type: ignore[call-overload]
    for part in (settings, settings.get("whole", {})):
        part.pop("root", None)
    meta: dict[str, Any] = {"reader": type(reader).__name__, "settings": settings}
    lists = reader.classes.to_json()
    meta |= {"classes": lists.pop("names"), **lists}
    meta = json.loads(json.dumps(meta))  # as it will be read back: lists for tuples, text for the keys
    path = output / "dataset.json"
    started = any((output / name / "scene.json").is_file() for name in reader.scenes())
    if path.is_file() and started and not overwrite:
        before, now = _settings(read_json(path)), _settings(meta)
        if before.get("reader") != now["reader"]:  # of another reader, all settings differ
            before, now = {"reader": before.get("reader")}, {"reader": now["reader"]}
        check_same(path, before, now, "choose another output, or overwrite=true to prepare it all again")
    sweep(output)
    if overwrite:  # unmark what the old settings made first, or a run that is killed would be continued over it
        for name in reader.scenes():
            _unmark(output / name / "scene.json")
    write_json(path, meta)


def _unmark(path: Path) -> None:
    """Remove the mark of a finished scene that is to be made again."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be removed ({error.strerror}); choose another output") from error


def _stamp(reader: SceneReader, name: str) -> str:
    """Return a hash of the names, sizes and times of the files that a scene is made of; "" where they are not seen."""
    try:
        lists = [sorted(path.iterdir()) if path.is_dir() else [path] for path in reader.sources(name)]
        files = [file for files in lists for file in files if file.is_file() and not file.name.startswith(".")]
        stats = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    except OSError:
        return ""
    return hashlib.sha256(repr(stats).encode()).hexdigest()


def _abandoned(output: Path, names: Sequence[str]) -> tuple[str, ...]:
    """Return the scenes in ``output``, of the splits of ``names``, that are none of these."""
    splits = sorted({name.partition("/")[0] for name in names})
    there = (path for split in splits for path in sorted((output / split).glob("[!.]*")) if is_scene(path))
    return tuple(sorted({"/".join(path.parts[-2:]) for path in there} - set(names)))


def _settings(meta: Any) -> dict[str, Any]:
    """Return reader, classes, colors and settings by name; those of a classes.yaml are settings like others."""
    meta = meta if isinstance(meta, dict) else {}
    flat = {key: meta.get(key) for key in ("reader", "classes", "colors")}
    for name, value in (meta.get("settings") or {}).items():
        flat |= value if isinstance(value, dict) else {name: value}
    if "names" in flat:
        del flat["classes"]  # which these are
    return flat


def _one(reader: SceneReader, output: str, name: str) -> str:
    """Prepare one scene; return the fault of the scene, raise the fault of the output."""
    try:
        stamp = _stamp(reader, name)  # before it is read, so that what changes meanwhile is read again
        scene, defects = reader.read(name)
    except InputError as error:
        return str(error)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # whatever a damaged file makes a parser do (panics of Rust are no Exception)
        return str(InputError(f"{name}: {type(error).__name__}: {error}; the file is damaged perhaps, copy it again"))
    try:
        write_scene(output, scene, source=name, defects=[str(d) for d in defects], stamp=stamp)
    except InputError as error:
        if isinstance(error.__cause__, OSError):  # no room, or no right to write: every other scene would fail too
            raise
        return str(error)
    return ""


def _error(name: str, result: str | Died) -> str:
    """Return the error of a scene, "" for none."""
    if isinstance(result, str):
        return result
    return f"{name}: {result.reason}; its file is damaged or too large for the memory, repair or remove it"


def _meta(folder: Path) -> dict[str, Any]:
    """Return the content of scene.json in ``folder``; {} without a whole one, so that the scene is made again."""
    try:
        meta = read_json(folder / "scene.json")
        for key in ("defects", "columns", "unused"):
            _texts(meta.get(key, []))
    except (InputError, AttributeError, TypeError):
        return {}
    return dict(meta)


def _accounts(reader: SceneReader, output: str, names: list[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the defects of the data set and of every scene, and the sources used; earlier runs included."""
    remarks = [str(d) for d in reader.remarks()]
    keys = ("labels from", "with", "columns kept", "columns not used")
    used: dict[str, Counter[str]] = {key: Counter() for key in keys}
    for name in names:
        folder = Path(output) / name
        meta = _meta(folder)
        remarks += _texts(meta.get("defects", []))
        labels = str(meta.get("labels_from") or "an unknown source")
        used["labels from"].update([labels if (folder / "segment.npy").is_file() else "nowhere"])
        used["with"].update(word for kind, word in WORDS.items() if (folder / f"{kind}.npy").is_file())
        used["columns kept"].update(_texts(meta.get("columns", [])))
        used["columns not used"].update(_texts(meta.get("unused", [])))
    lines = {key: [f"{what} ({count})" for what, count in counts.most_common()] for key, counts in used.items()}
    return tuple(remarks), tuple(f"{key}: {', '.join(values)}" for key, values in lines.items() if values)
