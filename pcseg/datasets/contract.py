"""Define the protocol of readers of raw data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from pcseg.classes import Classes
from pcseg.formats.defects import Defect
from pcseg.scenes.scene import Scene


class SceneReader(Protocol):
    """A raw data set. Readers are small frozen dataclasses, so that they can be sent to other processes."""

    @property
    def classes(self) -> Classes:
        """The classes that ``Scene.segment`` indexes."""

    def scenes(self) -> list[str]:
        """Return the names ``split/scene`` of all scenes, readable or not; raises InputError if there are none."""

    def remarks(self) -> list[Defect]:
        """Return the defects of the data set as a whole, such as missing rooms."""

    def sources(self, name: str) -> list[Path]:
        """Return the files, there or not, and folders of files that a scene is made of: it is made again when they
        change.
        """

    def read(self, name: str) -> tuple[Scene, list[Defect]]:
        """Return one scene and its defects; raises InputError if it cannot be read."""
