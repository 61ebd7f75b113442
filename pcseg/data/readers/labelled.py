"""A scan with its predicted labels: LAS, LAZ and PLY files keep all that they hold and gain two columns."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import laspy
import numpy as np
from laspy.header import Version
from laspy.point.dims import preferred_file_version_for_point_format
from laspy.vlrs.known import ExtraBytesStruct
from laspy.vlrs.vlrlist import VLRList
from plyfile import PlyElement, PlyListProperty

from pcseg.data.readers.cloud import Cloud
from pcseg.data.readers.columns import color_names
from pcseg.data.readers.ply import open_ply, points_of
from pcseg.data.readers.write import label_columns, write_cloud
from pcseg.errors import InputError
from pcseg.files import atomic_path

Columns = Mapping[str, np.ndarray]
"""What is added to a scan, or takes the place of what it has under that name: each (P,)."""

ROWS = 1_000_000
"""Points copied at a time, so that the columns of a scan of any size never stand in memory together."""

_COLORED = {0: 2, 1: 3, 4: 5, 6: 7, 9: 10}
"""LAS point formats without colours, each with the one that adds them."""


def write_labelled(
    source: Path,
    path: str | os.PathLike[str],
    cloud: Cloud,
    labels: np.ndarray,
    confidence: np.ndarray,
    paint: np.ndarray | None = None,
) -> None:
    """Write the scan ``source``, read as ``cloud`` of P points, with a ``label`` (P,) and a ``confidence`` (P,) each.

    From LAS or LAZ to LAS or LAZ, and from PLY to PLY, ``path`` is ``source`` with these two columns added, or
    replaced if it has them: every other column stays as it is, and in LAS the scales, the coordinate system and all
    other records too (not COPC's index, nor waveforms). Of a PLY file faces and lists are left out. Between other formats coordinates
    and colours are kept. ``paint`` (P, 3) uint8 takes the place of the scan's colours.

    Atomic; raises InputError where the place cannot be written or ``source`` is no longer what was read.
    """
    path = Path(path)
    kinds = {".las": _las, ".laz": _las, ".ply": _ply}
    copier = kinds.get(path.suffix.lower())
    if copier is None or copier is not kinds.get(source.suffix.lower()):
        color = cloud.color if paint is None else paint
        write_cloud(path, cloud.coord, color=color, labels=labels, confidence=confidence)
        return
    columns = label_columns(labels, confidence)
    if paint is not None:
        columns |= dict(zip(("red", "green", "blue"), paint.astype(np.uint8).T, strict=True))
    with atomic_path(path) as temporary, open(temporary, "wb") as stream:
        copier(stream, source, path, columns)


def _ply(stream: IO[bytes], source: Path, path: Path, columns: Columns) -> None:
    data = open_ply(source)
    element = points_of(data, source)
    _same(source, len(element), columns)
    plain = [p.name for p in element.properties if not isinstance(p, PlyListProperty)]
    replaced = {*columns, *(color_names(plain) if "red" in columns else ())}
    kept = [name for name in plain if name not in replaced and name.lower() not in columns]
    kinds = [(name, element.data.dtype[name].newbyteorder("<")) for name in kept]
    kinds += [(name, values.dtype) for name, values in columns.items()]
    properties = PlyElement.describe(np.empty(0, kinds), "vertex").properties
    head = ["ply", "format binary_little_endian 1.0", *(f"comment {text}" for text in data.comments)]
    head += [*(f"obj_info {text}" for text in data.obj_info), f"element vertex {len(element)}"]
    stream.write("\n".join([*head, *map(str, properties), "end_header\n"]).encode("ascii", "replace"))
    for start in range(0, len(element), ROWS):
        rows = element.data[start : start + ROWS]
        table = np.empty(len(rows), kinds)
        for name in kept:
            table[name] = rows[name]
        for name, values in columns.items():
            table[name] = values[start : start + ROWS]
        stream.write(table.tobytes())


def _las(stream: IO[bytes], source: Path, path: Path, columns: Columns) -> None:
    columns = {
        name: v.astype(np.uint16) * 257 if name in ("red", "green", "blue") else v for name, v in columns.items()
    }
    compress = path.suffix.lower() == ".laz"
    with laspy.open(source) as reader:
        _same(source, reader.header.point_count, columns)
        header = _las_header(reader.header, columns)
        with laspy.open(stream, mode="w", header=header, do_compress=compress, closefd=False) as writer:
            start = 0
            for points in reader.chunk_iterator(ROWS):
                record = laspy.ScaleAwarePointRecord.zeros(len(points), header=header)
                for name in record.array.dtype.names:
                    if name in columns:
                        record.array[name] = columns[name][start : start + len(points)]
                    elif name in points.array.dtype.names:
                        record.array[name] = points.array[name]
                writer.write_points(record)
                start += len(points)
            if header.evlrs:
                writer.write_evlrs(header.evlrs)


def _las_header(header: laspy.LasHeader, columns: Columns) -> laspy.LasHeader:
    """``header`` for the same points with ``columns``: as new as they need it, and without what holds no more."""
    header = copy.deepcopy(header)
    structs = [struct for vlr in header.vlrs.get("ExtraBytesVlr") for struct in vlr.extra_bytes_structs]
    described = {s.format_name(): s for s in structs if s.format_name().lower() not in columns}
    header.remove_extra_dims([n for n in header.point_format.extra_dimension_names if n.lower() in columns])
    number = header.point_format.id
    if "red" in columns:
        number = _COLORED.get(number, number)
    wanted = laspy.PointFormat(number)
    wanted.dimensions.extend(header.point_format.extra_dimensions)
    # laspy writes 1.1 and later; colours need 1.2
    version = max(str(header.version), preferred_file_version_for_point_format(number))
    header.set_version_and_point_format(Version.from_str(version), wanted)
    there = set(wanted.dimension_names)
    header.add_extra_dims([laspy.ExtraBytesParams(n, v.dtype) for n, v in columns.items() if n not in there])
    # The index of a cloud-optimised file gives places in that file, and so does the pointer to waveforms.
    header.start_of_waveform_data_packet_record = 0
    header.vlrs = [vlr for vlr in header.vlrs if vlr.user_id != "copc"]
    if header.evlrs is not None:
        header.evlrs = VLRList(vlr for vlr in header.evlrs if vlr.user_id != "copc")
    for vlr in header.vlrs.get("ExtraBytesVlr"):
        # As they were, since laspy forgets which value stands for none; without extremes, which it takes from one point.
        vlr.extra_bytes_structs = [described.get(s.format_name(), s) for s in vlr.extra_bytes_structs]
        for struct in vlr.extra_bytes_structs:
            if struct.data_type:  # else these bits are a length
                struct.options &= ~(ExtraBytesStruct.MIN_BIT_MASK | ExtraBytesStruct.MAX_BIT_MASK)
    return header


def _same(source: Path, count: int, columns: Columns) -> None:
    read = len(columns["label"])
    if count != read:
        raise InputError(f"{source}: has {count} points, but had {read} when it was labelled; label it again")
