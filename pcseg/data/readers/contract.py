"""What every reader of a raw data set offers, and how it tells of what it found wrong there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pcseg.data.scene import Scene
from pcseg.labels import Classes


@dataclass(frozen=True)
class Defect:
    """Something wrong in the raw data that was survived: where it is, what was found and what was done about it."""

    file: str
    line: int | None
    found: str
    action: str

    def __str__(self) -> str:
        return f"{self.file}{'' if self.line is None else f':{self.line}'}: {self.found}; {self.action}"


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
