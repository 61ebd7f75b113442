"""PLY files of any columns, in any format, are read with equal values."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcseg.formats import ascii_rows as ascii_rows_module
from tests.formats.ply_files import FORMATS, read

TYPES = {
    "char": "i1", "uchar": "u1", "ubyte": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4", "int64": "i8",
    "uint64": "u8", "float": "f4", "double": "f8", "float32": "f4", "float64": "f8", "int8": "i1", "uint16": "u2",
}  # fmt: skip


def words(value: np.generic) -> str:
    if value.dtype.kind in "iu":
        return str(int(value))
    return f"{value:.9g}" if value.dtype.itemsize == 4 else repr(float(value))


@st.composite
def tables(draw: st.DrawFn) -> dict[str, tuple[str, np.ndarray]]:
    """Return columns in any order, of any types and names: x, y, z, three more and perhaps colors."""
    count = draw(st.integers(1, 5))
    names = draw(
        st.permutations(
            [
                "x",
                "y",
                "z",
                "label",
                "scalar_Größe",
                "Quality_2",
                *draw(st.sampled_from([(), ("red", "green", "blue")])),
            ]
        )
    )
    columns = {}
    for name in names:
        word = "uchar" if name in ("red", "green", "blue") else draw(st.sampled_from(sorted(TYPES)))
        kind = np.dtype(TYPES[word])
        if kind.kind == "f":
            values = st.floats(width=8 * kind.itemsize, allow_subnormal=False)
        else:
            values = st.integers(int(np.iinfo(kind).min), int(np.iinfo(kind).max))
        columns[name] = (word, np.array(draw(st.lists(values, min_size=count, max_size=count)), dtype=kind))
    return columns


def encoded(columns: dict[str, tuple[str, np.ndarray]], form: str, end: str, ragged: bool, blank: str) -> bytes:
    """Return a PLY file of these columns, with a face before them and, if ``ragged``, lists of different lengths among
    them.
    """
    order, count = FORMATS[form], len(next(iter(columns.values()))[1])
    lines = [
        "ply",
        f"format {form} 1.0{blank}",
        "comment Büro",
        "element face 2",
        "property list uchar int vertex_indices",
    ]
    lines += [
        f"element{blank} vertex {count}",
        *(f"property {word}{blank} {name}" for name, (word, _) in columns.items()),
    ]
    lines += ["property list ushort double seen"] * ragged
    rows = []
    for i in range(count):
        many = [0.5] * (i % 3)
        if order:
            row = b"".join(
                values[i : i + 1].astype(values.dtype.newbyteorder(order)).tobytes() for _, values in columns.values()
            )
            rows.append(row + (struct.pack(f"{order}H{len(many)}d", len(many), *many) if ragged else b""))
        else:
            numbers = [words(values[i]) for _, values in columns.values()]
            numbers += [str(len(many)), *map(str, many)] if ragged else []
            rows.append(((" " + blank).join(numbers) + blank + end).encode())
    faces = [[0, 0, 0], [0, 0, 0, 0]]
    if order:
        before = b"".join(struct.pack(f"{order}B{len(f)}i", len(f), *f) for f in faces)
    else:
        before = "".join(" ".join(map(str, [len(f), *f])) + end for f in faces).encode()
    return end.join([*lines, "end_header", ""]).encode() + before + b"".join(rows)


@given(
    tables(), st.sampled_from(sorted(FORMATS)), st.sampled_from(["\n", "\r\n", "\r"]), st.booleans(),
    st.sampled_from(["", " ", "\t"]), st.sampled_from([16, 1 << 24]),
)  # fmt: skip
def test_values_read_equal_values_written(
    tmp_path_factory: pytest.TempPathFactory, columns: dict, form: str, end: str, ragged: bool, blank: str, block: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ascii_rows_module, "BLOCK", block)  # so that rows are read in several pieces
        found = read(tmp_path_factory.mktemp("a"), encoded(columns, form, end, ragged, blank))
    for i, axis in enumerate("xyz"):
        wanted = columns[axis][1]
        np.testing.assert_array_equal(
            found.coord[:, i].astype(wanted.dtype if wanted.dtype.kind == "f" else float),
            wanted.astype(wanted.dtype if wanted.dtype.kind == "f" else float),
        )
    for name in columns.keys() - {"x", "y", "z", "red", "green", "blue"}:
        wanted = columns[name][1]
        assert found.fields[name].dtype == wanted.dtype
        np.testing.assert_array_equal(found.fields[name], wanted, err_msg=name)
    if "red" in columns:
        color = np.stack([columns[c][1] for c in ("red", "green", "blue")], axis=1)
        assert found.black == (not color.any())
        assert found.black or (found.color == color).all()
    assert [d.found for d in found.defects if "seen" in d.found] == ["seen is a list"] * ragged
