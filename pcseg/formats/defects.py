"""Describe defects of raw files and how they were handled."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Defect:
    """A defect of the raw data that did not stop the reading: where it is, what was found and what was done."""

    file: str
    line: int | None
    found: str
    action: str

    def __str__(self) -> str:
        return f"{self.file}{'' if self.line is None else f':{self.line}'}: {self.found}; {self.action}"
