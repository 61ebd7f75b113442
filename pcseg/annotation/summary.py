"""Tell how far each scan is: its steps, labels, notes and time; of a large one, tile by tile."""

from __future__ import annotations

from typing import Any

import numpy as np

from pcseg.annotation.history import History
from pcseg.annotation.log import read_entries
from pcseg.annotation.session import replay
from pcseg.annotation.sources import Source
from pcseg.errors import InputError


def summaries(source: Source) -> list[dict[str, Any]]:
    """Return name, labels, steps (``clicks``), notes, seconds and fault of a scan, or of each of its tiles.

    A step counts for the tile of its first point; seconds are those of the whole scan.
    """
    parts = source.parts()
    about: dict[str, Any] = {"labels": 0, "clicks": 0, "notes": 0, "seconds": 0.0, "fault": ""}
    rows = [{"name": part.title} | about for part in parts]
    try:
        entries = read_entries(source.log)
        if not entries:
            return rows
        history = History(int(entries[0].get("points", 0)), source.meaning.names)
        replay(history, entries, source.log, None if source.tiles is None else source.tiles.identity)
    except InputError as error:
        return [row | {"fault": str(error)} for row in rows]
    noted = [note["point"] for note in history.notes if note.get("point") is not None]
    steps = [step.entry["points"][0] for step in history.done]
    counted = {"labels": list(history.labels), "clicks": steps, "notes": noted}
    for name, points in counted.items():
        if source.tiles is None:
            rows[0][name] = len(history.notes) if name == "notes" else len(points)
        elif points:
            tiles = np.bincount(source.tiles.tile_of(np.array(points)), minlength=len(parts))
            for row, count in zip(rows, tiles.tolist(), strict=True):
                row[name] = count
    return [row | {"seconds": history.seconds} for row in rows]
