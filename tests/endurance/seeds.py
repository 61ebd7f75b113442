"""Small valid files of every kind that the library reads, written without its help: what the fuzzer damages."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

import laspy
import numpy as np
import pye57
from plyfile import PlyData, PlyElement

N = 60
"""Points of each cloud: few, so that most of a file is what describes the others."""


def clouds(folder: Path) -> None:
    """Write point files of every format into ``folder``."""
    rng = np.random.default_rng(0)
    xyz = rng.random((N, 3)) * 4 + [100, 200, 10]
    rgb = rng.integers(0, 256, (N, 3)).astype(np.uint8)
    label = rng.integers(0, 3, N)
    _ply(folder, xyz, rgb, label)
    _las(folder, xyz, rgb, label)
    _pcd(folder, xyz, rgb, label)
    _e57(folder, xyz, rgb)
    _text(folder, xyz, rgb, label)
    _numpy(folder, xyz, rgb, label)


def _ply(folder: Path, xyz: np.ndarray, rgb: np.ndarray, label: np.ndarray) -> None:
    kinds = [(a, "f8") for a in "xyz"] + [(c, "u1") for c in ("red", "green", "blue")] + [("label", "i4")]
    table = np.zeros(N, kinds)
    for name, values in zip(table.dtype.names or (), [*xyz.T, *rgb.T, label], strict=True):
        table[name] = values
    faces = np.array([([0, 1, 2],), ([3, 4, 5],)], dtype=[("vertex_indices", "i4", (3,))])
    elements = [PlyElement.describe(table, "vertex"), PlyElement.describe(faces, "face")]
    for name, text, order in (("ascii", True, "="), ("little", False, "<"), ("big", False, ">")):
        PlyData(elements, text=text, byte_order=order, comments=["a comment"]).write(str(folder / f"{name}.ply"))


def _las(folder: Path, xyz: np.ndarray, rgb: np.ndarray, label: np.ndarray) -> None:
    for number, version in ((3, "1.2"), (7, "1.4")):
        header = laspy.LasHeader(point_format=number, version=version)
        header.scales, header.offsets = np.full(3, 0.001), np.floor(xyz.min(axis=0))
        header.add_extra_dim(laspy.ExtraBytesParams("deviation", "u2"))
        las = laspy.LasData(header)
        las.x, las.y, las.z = xyz.T
        las.red, las.green, las.blue = rgb.T.astype(np.uint16) * 257
        las.classification = label.astype(np.uint8)
        for ending in ("las", "laz"):
            las.write(folder / f"{number}.{ending}")


def _pcd(folder: Path, xyz: np.ndarray, rgb: np.ndarray, label: np.ndarray) -> None:
    head = "# .PCD v.7\nVERSION .7\nFIELDS x y z rgb label\nSIZE 4 4 4 4 4\nTYPE F F F U U\nCOUNT 1 1 1 1 1\n"
    head += f"WIDTH {N}\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS {N}\nDATA "
    table = np.zeros(N, [("x", "f4"), ("y", "f4"), ("z", "f4"), ("rgb", "u4"), ("label", "u4")])
    packed = rgb.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    for name, values in zip(table.dtype.names or (), [*xyz.T, packed, label], strict=True):
        table[name] = values
    rows = "".join(" ".join(map(str, row)) + "\n" for row in table.tolist())
    (folder / "ascii.pcd").write_text(head + "ascii\n" + rows)
    (folder / "binary.pcd").write_bytes((head + "binary\n").encode() + table.tobytes())
    columns = b"".join(table[name].tobytes() for name in table.dtype.names or ())
    parts = [columns[i : i + 32] for i in range(0, len(columns), 32)]
    literals = b"".join(bytes([len(part) - 1]) + part for part in parts)  # LZF without any copy
    (folder / "compressed.pcd").write_bytes(
        (head + "binary_compressed\n").encode() + struct.pack("<II", len(literals), len(columns)) + literals
    )


def _e57(folder: Path, xyz: np.ndarray, rgb: np.ndarray) -> None:
    data = dict(zip(("cartesianX", "cartesianY", "cartesianZ"), xyz.T.copy(), strict=True))
    data |= dict(zip(("colorRed", "colorGreen", "colorBlue"), rgb.T.copy(), strict=True))
    with pye57.E57(str(folder / "scan.e57"), mode="w") as file:
        file.write_scan_raw(data)
        file.write_scan_raw(data, rotation=np.array([1.0, 0, 0, 0]), translation=np.array([1.0, 2, 3]))


def _text(folder: Path, xyz: np.ndarray, rgb: np.ndarray, label: np.ndarray) -> None:
    rows = np.c_[xyz, rgb, label]
    np.savetxt(folder / "plain.txt", rows, fmt="%.4f")
    np.savetxt(folder / "named.csv", rows, fmt="%.4f", delimiter=",", header="x,y,z,red,green,blue,label", comments="")
    np.savetxt(
        folder / "quoted.csv", rows, fmt="%.4f", delimiter=";", header='"X";"Y";"Z";"R";"G";"B";"class"', comments=""
    )
    np.savetxt(folder / "slashes.asc", rows, fmt="%.4f", header="X Y Z R G B scalar_Label", comments="//")
    np.savetxt(folder / "counted.pts", np.c_[xyz, label, rgb], fmt="%.4f", header=str(N), comments="")
    lines = ["6", "10", "0 0 0", "1 0 0", "0 1 0", "0 0 1", "1 0 0 0", "0 1 0 0", "0 0 1 0", "5 6 7 1"]
    lines += [f"{x:.4f} {y:.4f} {z:.4f} 0.5 {r} {g} {b}" for (x, y, z), (r, g, b) in zip(xyz, rgb, strict=True)]
    (folder / "scanner.ptx").write_text("\n".join(lines) + "\n")
    np.savetxt(folder / "semantic.txt", np.c_[xyz, label, rgb], fmt="%.4f")
    np.savetxt(folder / "semantic.labels", label, fmt="%d")
    np.c_[xyz, rgb[:, 0] / 255].astype("<f4").tofile(folder / "sweep.bin")
    label.astype("<u4").tofile(folder / "sweep.label")


def _numpy(folder: Path, xyz: np.ndarray, rgb: np.ndarray, label: np.ndarray) -> None:
    np.save(folder / "table.npy", np.c_[xyz, rgb, label])
    named = np.zeros(N, [("x", "f8"), ("y", "f8"), ("z", "f8"), ("label", "i4")])
    named["x"], named["y"], named["z"] = xyz.T
    named["label"] = label
    np.save(folder / "named.npy", named)
    np.savez(folder / "stored.npz", coord=xyz, color=rgb, label=label)
    np.savez_compressed(folder / "deflated.npz", coord=xyz, color=rgb, label=label)


def scene(folder: Path) -> None:
    """Write a prepared scene ``folder/train/a`` and the ``dataset.json`` above it."""
    rng = np.random.default_rng(1)
    place = folder / "train" / "a"
    place.mkdir(parents=True)
    np.save(place / "coord.npy", (rng.random((N, 3)) * 4).astype(np.float32))
    np.save(place / "color.npy", rng.integers(0, 256, (N, 3)).astype(np.uint8))
    np.save(place / "segment.npy", rng.integers(-1, 3, N).astype(np.int16))
    np.save(place / "instance.npy", rng.integers(-1, 9, N).astype(np.int32))
    names = ["ground", "wall", "tree"]
    meta = {"origin": [500000.0, 0.0, 0.0], "classes": names, "source": "a", "defects": []}
    (place / "scene.json").write_text(json.dumps(meta))
    colors = [[200, 100, 0], [100, 100, 100], [0, 200, 0]]
    whole = {"reader": "FolderReader", "settings": {"meaning": {"names": names}}, "classes": names, "colors": colors}
    (folder / "dataset.json").write_text(json.dumps(whole))


CLASSES = """names: [ground, wall, tree]
colors: [[200, 100, 0], [100, 100, 100], [0, 200, 0]]
label: classification
ids: {2: ground, 5: tree, 6: wall}
ignore: [0, 1]
columns: [x, y, z, classification]
scale: 0.001
"""

CLICKS = "scene,x,y,z,class\ntrain/a,1.0,2.0,0.5,ground\ntrain/a,1.5,2.5,0.5,tree\na,0.1,0.2,0.3,wall\n"


def members(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the files in a zip archive."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for name in archive.namelist():
            yield name, archive.read(name)


def zipped(parts: list[tuple[str, bytes]]) -> bytes:
    """A zip archive of ``parts``, with right checksums whatever they hold."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in parts:
            archive.writestr(name, content)
    return out.getvalue()
