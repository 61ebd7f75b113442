"""Read PLY files of any tool, ascii or binary; CloudCompare's scalar fields keep their names."""

from __future__ import annotations

import codecs
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pcseg.errors import InputError, cut
from pcseg.formats.ascii_rows import newlines, rows_in
from pcseg.formats.cloud import Cloud
from pcseg.formats.columns import color_names, has_coordinates, to_cloud
from pcseg.formats.defects import Defect
from pcseg.formats.parsing import parsing
from pcseg.formats.ply_body import Body
from pcseg.formats.ply_header import Element, Header, read_header

_MESH = ("face", "faces", "edge", "edges", "tristrips", "range_grid")
"""Elements that connect points, which a cloud does not need."""

_SH0 = 0.28209479177387814
"""The constant spherical harmonic, with which Gaussian splats scale their colors."""


@dataclass(frozen=True)
class Points:
    """The points of a PLY file: ``columns`` (P,) by name, memory-mapped if binary.

    ``triangles`` (T, 3) int64 if requested and if all faces are triangles. ``comments`` and ``infos`` (obj_info): the
    text of these header lines. ``others``: names of the other elements and of lists.
    """

    columns: dict[str, np.ndarray]
    triangles: np.ndarray | None
    comments: tuple[str, ...]
    infos: tuple[str, ...]
    others: tuple[str, ...]
    defects: tuple[Defect, ...]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))


def read_ply(path: Path) -> Cloud:
    """Return the points of a PLY file; raises InputError if it is damaged or has none."""
    with parsing(path, "PLY"):
        return _cloud(open_ply(path), path)


def read_ply_mesh(path: Path) -> tuple[Cloud, np.ndarray | None]:
    """Return the points of a PLY file and its triangles (T, 3); None if it has no faces, or other faces than
    triangles.
    """
    with parsing(path, "PLY"):
        points = open_ply(path, mesh=True)
        return _cloud(points, path), points.triangles


def open_ply(path: Path, mesh: bool = False) -> Points:
    """Return the points of a PLY file, with its triangles if ``mesh``; raises InputError if the points cannot be read.

    Damage after the points, such as of faces, is only reported.
    """
    content = _content(path)
    header = read_header(content, path)
    data = content[header.start :]
    header = _long(header, len(data), path)
    chosen, defects = points_of(header, path)
    body = Body(path, data if header.order else newlines(data), header.order, header.lines + 1)
    at = header.elements.index(chosen)
    before, after = header.elements[:at], header.elements[at + 1 :]
    faces = next((e for e in header.elements if mesh and e.name.lower() in _MESH[:2] and e.count), None)
    triangles = None
    for element in before:
        if element is faces:
            triangles = _triangles(body.read(element, alone=False))
        else:
            body.skip(element)
    found = body.read(chosen, alone=not after)
    lists = [p.name for p in chosen.properties if p.length is not None]
    columns = {name: values for name, values in found.items() if name not in lists}
    kinds = {p.name: p for p in chosen.properties}
    defects += [Defect(str(path), kinds[n].line, f"{n} is a list", "left out") for n in lists]
    defects += [
        Defect(
            str(path), kinds[n].line, f"{n} is declared {kinds[n].word}, but holds other numbers", "read as they are"
        )
        for n, v in columns.items()
        if v.dtype.kind == "f" and kinds[n].kind.kind in "iu"
    ]
    defects += _after(body, chosen, after)
    if faces in after:
        try:
            for element in after[: after.index(faces)]:
                body.skip(element)
            triangles = _triangles(body.alike(faces) or {})
        except InputError as error:
            defects.append(Defect(str(path), faces.line, f"faces cannot be read ({_reason(error, path)})", "left out"))
    if triangles is not None and not ((triangles >= 0) & (triangles < chosen.count)).all():
        defects.append(Defect(str(path), None, "faces refer to points that do not exist", "all faces left out"))
        triangles = None
    others = (*(e.name for e in header.elements if e is not chosen and e.count), *lists)
    return Points(columns, triangles, header.comments, header.infos, others, (*header.defects, *defects))


def points_of(header: Header, path: Path) -> tuple[Element, list[Defect]]:
    """Return the element that holds the points, and a report of the others; raises InputError if none or several could
    be.
    """
    fit = [e for e in header.elements if has_coordinates(p.name for p in e.properties)]
    fit = [e for e in fit if e.count] or fit[:1]
    best = [e for e in fit if e.name.lower() in ("vertex", "vertices")] or fit
    best = [e for e in best if e.count == max(b.count for b in best)]
    if not best:
        names = ", ".join(f"{e.name} ({', '.join(p.name for p in e.properties)})" for e in header.elements)
        raise InputError(
            f"{path}: no element has x, y and z; its elements are {names or 'none at all'}; export the points"
        )
    if len(best) > 1:
        lines = " and ".join(f"{e.name} (line {e.line})" for e in best)
        raise InputError(f"{path}: {lines} have {best[0].count} rows with x, y and z each; leave only the points")
    if any(p.length is not None for p in best[0].properties if p.name.lower() in ("x", "y", "z")):
        raise InputError(f"{path}: x, y or z of element {best[0].name} is a list; export it as numbers")
    left = [e for e in header.elements if e is not best[0] and e.count and e.name.lower() not in _MESH]
    return best[0], [
        Defect(str(path), e.line, f"element {e.name} of {e.count} rows besides {best[0].name}", "left out")
        for e in left
    ]


def _content(path: Path) -> np.ndarray:
    """Return all bytes of a file (uint8), memory-mapped; text in UTF-16 becomes UTF-8."""
    if not path.stat().st_size:
        raise InputError(f"{path}: is empty; copy it again")
    content = np.memmap(path, np.uint8, "r")
    if content[:2].tobytes() in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return np.frombuffer(content.tobytes().decode("utf-16").encode(), np.uint8)
    return content


def _long(header: Header, size: int, path: Path) -> Header:
    """Return ``header`` with the size of its binary longs, 4 or 8 bytes, with which the data has ``size`` bytes."""
    words = [p for e in header.elements for p in e.properties if p.word in ("long", "ulong")]
    if not header.order or not words:
        return header
    short = tuple(
        replace(
            e,
            properties=tuple(replace(p, kind=np.dtype(f"{p.kind.kind}4")) if p in words else p for p in e.properties),
        )
        for e in header.elements
    )
    fit = [es for es in (header.elements, short) if sum(e.count * e.least for e in es) == size]
    if len(fit) != 1 or any(e.lists for e in header.elements):
        raise InputError(
            f"{path}: {words[0].name} (line {words[0].line}) is {words[0].word}, of 4 or 8 bytes; declare int or int64"
        )
    return replace(header, elements=fit[0])


def _after(body: Body, points: Element, after: tuple[Element, ...]) -> list[Defect]:
    """Report irregularities after the points; raises InputError if the file holds more points than declared."""
    path, rest = body.path, body.rest
    least = sum(e.count * e.least for e in after) if body.order else sum(e.count for e in after)
    if after:
        held = len(rest) if body.order else (rows_in(rest) if len(rest) < least * 1000 else least)
        names = ", ".join(f"{e.count} rows of {e.name}" for e in after)
        short = [Defect(str(path), after[0].line, f"the file ends within its {names}", "all points are there")]
        return short if held < least else _first_face(body, points, after[0])
    if body.order:
        if len(rest) and len(rest) % points.least == 0 and not points.lists:
            raise _too_many(path, points, len(rest) // points.least)
        return [Defect(str(path), None, f"{len(rest)} bytes after the last point", "left out")] if len(rest) else []
    more = rows_in(rest)
    if not more:
        return []
    row = next(line.split() for line in rest[:100_000].tobytes().split(b"\n") if line.strip())
    if len(row) == len(points.properties) and not points.lists:
        raise _too_many(path, points, more)
    return [Defect(str(path), None, f"{more} lines after the last point", "left out")]


def _first_face(body: Body, points: Element, faces: Element) -> list[Defect]:
    """Report if no valid face follows the points: the header's number of points may be wrong."""
    if faces.name.lower() not in _MESH[:2] or not faces.count:
        return []
    found = "the first face cannot be read"
    try:
        columns = replace(body).alike(replace(faces, count=1))
    except InputError as error:
        columns, found = None, f"{found} ({_reason(error, body.path)})"
    if columns is not None:
        corners = next((v for n, v in columns.items() if n.lower().startswith("vertex_ind")), np.empty(0))
        if ((corners >= 0) & (corners < points.count)).all():
            return []
        found = f"the first face has the corners {cut(str(corners.ravel().tolist()), 60)}"
    return [
        Defect(str(body.path), faces.line, found, f"if there are more points than {points.count}, they are left out")
    ]


def _reason(error: InputError, path: Path) -> str:
    return str(error).removeprefix(f"{path}: ")


def _too_many(path: Path, points: Element, more: int) -> InputError:
    return InputError(
        f"{path}: declares {points.count} points (line {points.line}), but holds {points.count + more}; correct that "
        "line"
    )


def _triangles(columns: dict[str, np.ndarray]) -> np.ndarray | None:
    name = next((n for n in columns if n.lower().startswith("vertex_ind")), None)
    if name is None or columns[name].ndim != 2 or columns[name].shape[1] != 3:
        return None
    return np.array(columns[name], dtype=np.int64)


def _cloud(points: Points, path: Path) -> Cloud:
    columns, defects = points.columns, points.defects
    splat = [columns.get(f"f_dc_{i}") for i in range(3)]
    if not color_names(columns) and all(v is not None for v in splat):
        values = [np.clip(np.nan_to_num(v) * _SH0 + 0.5, 0, 1) * 255 for v in splat if v is not None]
        columns = columns | {
            n: np.round(v).astype(np.uint8) for n, v in zip(("red", "green", "blue"), values, strict=True)
        }
        defects += (Defect(str(path), None, "Gaussian splats", "colors computed from f_dc_0, f_dc_1 and f_dc_2"),)
    cloud = to_cloud(columns, path)
    return replace(cloud, defects=(*defects, *cloud.defects))
