"""Read a page as a browser would: its tags, its texts, and the arrays in its data."""

from __future__ import annotations

import base64
import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np


class Page(HTMLParser):
    """The tags of a page with their attributes, and the text of its title and scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = [("", {})]
        self.texts: dict[str, str] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        tag, attributes = self.tags[-1]
        key = str(attributes.get("id", tag))
        self.texts[key] = self.texts.get(key, "") + data

    @property
    def payload(self) -> Any:
        return json.loads(self.texts["data"])

    def array(self, name: str, kind: str, columns: int = 1) -> np.ndarray:
        values = np.frombuffer(base64.b64decode(self.payload["data"][name]), kind)
        return values.reshape(-1, columns) if columns > 1 else values

    @property
    def rows(self) -> np.ndarray:
        return np.cumsum(self.array("rows", self.payload["types"]["rows"]).astype(np.int64))

    @property
    def places(self) -> np.ndarray:
        """Coordinates (P, 3) in the file's frame, as the script computes them."""
        steps = self.array("position", "<u2", 3).astype(np.float64)
        if "fine" in self.payload["data"]:
            steps += self.array("fine", "i1", 3) / 254
        return steps / 65535 * np.array(self.payload["extent"]) + np.array(self.payload["origin"])


def page(path: Path) -> Page:
    return Page(path.read_text(encoding="utf-8"))
