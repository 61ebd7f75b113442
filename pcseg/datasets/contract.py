"""The protocol that every reader of a raw data set implements."""

from __future__ import annotations

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
        """Names ``split/scene`` of every scene that is there, readable or not; InputError where there is none."""

    def remarks(self) -> list[Defect]:
        """What is odd about the data set as a whole, such as rooms that are missing."""

    def read(self, name: str) -> tuple[Scene, list[Defect]]:
        """One scene and what was wrong with it; InputError where it cannot be read."""
