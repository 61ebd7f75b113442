"""Write and read small PLY files for tests."""

from __future__ import annotations

from pathlib import Path

from pcseg.formats import Cloud, read_cloud

FORMATS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}


XYZ = "property float x\nproperty float y\nproperty float z\n"


ROWS = "1 2 3\n4 5 6\n"


def head(declared: str, form: str = "ascii") -> str:
    return f"ply\nformat {form} 1.0\n{declared}end_header\n"


def read(folder: Path, content: str | bytes) -> Cloud:
    (folder / "a.ply").write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_cloud(folder / "a.ply")
