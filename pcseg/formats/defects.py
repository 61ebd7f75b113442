"""What is wrong in a raw file, and what was done about it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Defect:
    """Something wrong in the raw data that was survived: where it is, what was found and what was done about it."""

    file: str
    line: int | None
    found: str
    action: str

    def __str__(self) -> str:
        return f"{self.file}{'' if self.line is None else f':{self.line}'}: {self.found}; {self.action}"
