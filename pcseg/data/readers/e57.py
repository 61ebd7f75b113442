"""E57 files: the scans of all stations, brought to their common frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pye57

from pcseg.data.readers.cloud import Cloud
from pcseg.data.readers.columns import parsing, to_cloud
from pcseg.errors import InputError

_NAMES = {"cartesianX": "x", "cartesianY": "y", "cartesianZ": "z"}
_NAMES |= {"colorRed": "red", "colorGreen": "green", "colorBlue": "blue"}


def read_e57(path: Path) -> Cloud:
    """The valid points of an E57 file, station after station; ``fields`` has ``scan``, the station of each point.

    Colour and intensity are kept where every station has them.
    """
    with parsing(path, "E57"):
        file = pye57.E57(str(path))
        try:
            scans = [
                file.read_scan(i, colors=True, intensity=True, ignore_missing_fields=True)
                for i in range(file.scan_count)
            ]
        finally:
            file.close()
        if not scans:
            raise InputError(f"{path}: no scan in this E57 file; export the points, not only images")
        common = [key for key in scans[0] if all(key in scan for scan in scans)]
        columns = {_NAMES.get(key, key): np.concatenate([scan[key] for scan in scans]) for key in common}
        columns["scan"] = np.repeat(np.arange(len(scans)), [len(scan["cartesianX"]) for scan in scans])
        return to_cloud(columns, path)
