"""PCD files of the Point Cloud Library: ascii, binary and binary_compressed."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from pcseg.data.readers.cloud import Cloud
from pcseg.data.readers.columns import parsing, to_cloud
from pcseg.errors import InputError

_KINDS = {"F": "f", "I": "i", "U": "u"}
_REPEATED = ("FIELDS", "SIZE", "TYPE", "COUNT")


def read_pcd(path: Path) -> Cloud:
    """The points of a PCD file; a packed ``rgb`` or ``rgba`` field becomes the colour."""
    with parsing(path, "PCD"):
        content = path.read_bytes()
        header, start = _header(content, path)
        kind = _record(header, path)
        count = int(header["POINTS"][0]) if "POINTS" in header else int(header["WIDTH"][0]) * int(header["HEIGHT"][0])
        columns = _columns(header["DATA"][0].lower(), content[start:], kind, count, path)
        packed = next((columns.pop(name) for name in ("rgb", "rgba") if name in columns), None)
        if packed is not None:
            bits = packed.view(np.uint32)
            columns |= {"red": _byte(bits, 2), "green": _byte(bits, 1), "blue": _byte(bits, 0)}
        return to_cloud(columns, path)


def _byte(bits: np.ndarray, which: int) -> np.ndarray:
    return ((bits >> (8 * which)) & 255).astype(np.uint8)


def _header(content: bytes, path: Path) -> tuple[dict[str, list[str]], int]:
    header: dict[str, list[str]] = {}
    stream = io.BytesIO(content)
    for line in stream:
        words = line.decode("latin1").split("#")[0].split()
        if words:
            header[words[0].upper()] = words[1:]
        if words and words[0].upper() == "DATA":
            return header, stream.tell()
        if stream.tell() > 10_000:
            break
    raise InputError(f"{path}: no PCD header; export the cloud again")


def _record(header: dict[str, list[str]], path: Path) -> np.dtype:
    """The type of one point; fields named ``_`` are padding and get names of their own."""
    fields = header["FIELDS"]
    counts = header.get("COUNT", ["1"] * len(fields))
    if any(len(header.get(key, fields)) != len(fields) for key in _REPEATED):
        raise InputError(f"{path}: FIELDS, SIZE, TYPE and COUNT of the header differ in length; export it again")
    record = []
    for i, (name, size, kind, count) in enumerate(zip(fields, header["SIZE"], header["TYPE"], counts, strict=True)):
        unique = f"_{i}" if name == "_" else name
        record.append((unique, f"<{_KINDS[kind.upper()]}{size}", (int(count),) if int(count) != 1 else ()))
    return np.dtype(record)


def _columns(data: str, body: bytes, kind: np.dtype, count: int, path: Path) -> dict[str, np.ndarray]:
    names = kind.names or ()
    if data == "ascii":
        return _ascii_columns(body, kind, count, path)
    if data == "binary_compressed":  # after decompression, field after field rather than point after point
        packed, size = (int(v) for v in np.frombuffer(body[:8], "<u4"))
        body = lzf_decompress(body[8 : 8 + packed], size)
    elif data != "binary":
        raise InputError(f"{path}: DATA {data} is unknown; export it as ascii, binary or binary_compressed")
    if len(body) < count * kind.itemsize:
        raise InputError(
            f"{path}: {len(body)} bytes for {count} points of {kind.itemsize}; the file is cut off, copy it again"
        )
    if data == "binary":
        table = np.frombuffer(body, kind, count)
        return {name: np.ascontiguousarray(table[name]) for name in names}
    columns, offset = {}, 0
    for name in names:
        base, shape = kind[name].base, kind[name].shape
        columns[name] = np.frombuffer(body, base, count * int(np.prod(shape)), offset).reshape(count, *shape)
        offset += count * kind[name].itemsize
    return columns


def _ascii_columns(body: bytes, kind: np.dtype, count: int, path: Path) -> dict[str, np.ndarray]:
    width = sum(int(np.prod(kind[name].shape)) for name in kind.names or ())
    rows = np.loadtxt(io.BytesIO(body), ndmin=2) if body.strip() else np.empty((0, width))
    if rows.shape != (count, width):
        raise InputError(
            f"{path}: {rows.shape} numbers, but the header says {(count, width)}; it is cut off, copy it again"
        )
    columns, at = {}, 0
    for name in kind.names or ():
        shape = kind[name].shape
        size = int(np.prod(shape))
        columns[name] = rows[:, at : at + size].reshape(count, *shape).astype(kind[name].base)
        at += size
    return columns


def lzf_decompress(packed: bytes, size: int) -> bytes:
    """Undo LZF (Marc Lehmann's liblzf format): runs of literals, and copies from up to 8192 bytes back."""
    out = bytearray()
    at = 0
    while at < len(packed):
        control = packed[at]
        at += 1
        if control < 32:
            out += packed[at : at + control + 1]
            at += control + 1
            continue
        length = control >> 5
        if length == 7:
            length += packed[at]
            at += 1
        start = len(out) - ((control & 31) << 8) - packed[at] - 1
        at += 1
        if start < 0:
            raise ValueError("the compressed data refers to what is before its start")
        while length + 2 > len(out) - start:  # a copy may run into what it writes: then it repeats
            length -= len(out) - start
            out += out[start:]
        out += out[start : start + length + 2]
    if len(out) != size:
        raise ValueError(f"{len(out)} bytes after decompression instead of {size}")
    return bytes(out)
