"""A copy of a LAS or LAZ scan with columns added or replaced: all else that the file holds stays."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import IO

import laspy
import numpy as np
from laspy.header import Version
from laspy.point.dims import preferred_file_version_for_point_format
from laspy.vlrs.known import ExtraBytesStruct
from laspy.vlrs.vlrlist import VLRList

from pcseg.data.readers.write import ROWS, Columns, check_count

_COLORED = {0: 2, 1: 3, 4: 5, 6: 7, 9: 10}
"""LAS point formats without colours, each with the one that adds them."""


def copy_las(stream: IO[bytes], source: Path, path: Path, columns: Columns) -> None:
    columns = {
        name: v.astype(np.uint16) * 257 if name in ("red", "green", "blue") else v for name, v in columns.items()
    }
    compress = path.suffix.lower() == ".laz"
    with laspy.open(source) as reader:
        check_count(source, reader.header.point_count, columns)
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
