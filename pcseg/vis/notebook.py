"""Draw the page of a cloud in the cell of a notebook, save it or open it in a browser."""

from __future__ import annotations

import html
import os
import tempfile
import webbrowser
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from pcseg.vis.html import MOST_POINTS, page, write_page
from pcseg.vis.view import CloudView

HEIGHT = 560
"""Pixels of the frame in a cell."""


@dataclass(frozen=True)
class Page:
    """The interactive page of a ``view``: a notebook draws it below the cell that returns it.

    At most ``most`` points are drawn. ``titles``: other titles of layers, by name.
    """

    view: CloudView
    most: int = MOST_POINTS
    titles: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        layers = ", ".join(self.titles.get(layer, layer) for layer in self.view.layers)
        return f"Page of {self.view.name}: {len(self.view):,} points, {layers}; .save(path) or .open() it"

    def _repr_html_(self) -> str:
        """Return a frame that holds the page itself, so that it is still there when the notebook is opened again.

        What runs in the frame cannot reach the notebook.
        """
        source = html.escape(self._text, quote=True)
        return (
            f'<iframe srcdoc="{source}" sandbox="allow-scripts" loading="lazy" title="{html.escape(self.view.name)}" '
            f'style="width: 100%; height: {HEIGHT}px; border: 0"></iframe>'
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page to one HTML file, atomically, and return its path."""
        return write_page(path, self._text)

    def open(self) -> Path:
        """Open the page in the browser, from a file in the folder for temporary files, and return its path."""
        path = self.save(Path(tempfile.mkdtemp(prefix="pcseg-")) / "scan.html")
        webbrowser.open(path.as_uri())
        return path

    @cached_property
    def _text(self) -> str:
        return page(self.view, self.most, self.titles)
