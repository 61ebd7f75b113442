"""The click page in a notebook: its server runs beside the cells, its labels are at hand."""

from __future__ import annotations

import html
import os
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pcseg.annotation.begin import meaning_of, person
from pcseg.annotation.desk import Desk
from pcseg.annotation.requests import make_server
from pcseg.annotation.sources import TILE, open_place
from pcseg.annotation.training import Training


class ClickPage:
    """A click page that is being served; shown by a notebook as an inline frame, at ``address`` by a browser."""

    def __init__(self, desk: Desk, port: int) -> None:
        self._desk = desk
        self._server, self.address = make_server(desk, port)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True).start()

    def _repr_html_(self) -> str:
        address = html.escape(self.address, quote=True)
        return f'<iframe src="{address}" style="width: 100%; height: 720px; border: 1px solid #ccc"></iframe>'

    @property
    def scenes(self) -> list[str]:
        """Names of the scans, split/scene, and of the tiles of large ones."""
        return list(self._desk.place.listed)

    def labels(self, scene: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the label (P,) int64 of each point of a scan that is open, -1 for none, and its confidence (P,).

        A label that was clicked has the confidence 1, a spread one less. Raises InputError where it is not open.
        """
        return self._desk.labels(scene)

    def close(self) -> None:
        """End the server and what it trains; every click is on disk already."""
        self._server.shutdown()
        self._server.server_close()
        self._desk.close()


def annotate(
    source: str | os.PathLike[str],
    classes: str | Sequence[str] = "auto",
    *,
    checkpoint: str | os.PathLike[str] | None = None,
    port: int = 0,
    device: str = "auto",
) -> ClickPage:
    """Serve the click page of tools/annotate.py for ``source`` to this machine alone, and return it.

    ``source``: a folder of prepared scenes, a scan of any format, or a folder of scans. ``classes``: names in order; a
    classes.yaml; "auto": those of the scenes. ``checkpoint``: a network whose prediction and doubt are shown. ``port``:
    0 for any free one. Clicks are kept beside the scans, as docs/annotate.md tells. Training runs tools/train.py, which
    is there in a checkout alone. Raises InputError for a source without scans and for classes that are not known.
    """
    place = open_place(Path(source), meaning_of(Path(source), classes)).cut(TILE)
    tool = Path(__file__).resolve().parents[2] / "tools" / "train.py"
    training = Training(place, tool, 500, (f"device={device}",))
    return ClickPage(Desk(place, person(), training, Path(checkpoint) if checkpoint else None, device), port)
