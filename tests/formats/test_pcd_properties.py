"""PCD files of any fields, in any encoding, are read with equal values."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcseg.formats import read_cloud
from tests.oracles.lzf import lzf_compress

TYPES = ("F4", "F8", "I1", "I2", "I4", "I8", "U1", "U2", "U4", "U8")


@st.composite
def tables(draw: st.DrawFn) -> dict[str, np.ndarray]:
    """Return fields in any order and of any types: x, y, z, two more, padding, and perhaps a packed color."""
    count = draw(st.integers(1, 5))
    columns = {}
    for name in draw(
        st.permutations(["x", "y", "z", "label", "Intensity", "_", *draw(st.sampled_from([(), ("rgb",), ("RGBA",)]))])
    ):
        kind = np.dtype("<u4" if name.lower() in ("rgb", "rgba") else f"<{draw(st.sampled_from(TYPES)).lower()}")
        if kind.kind == "f":
            values = st.floats(width=8 * kind.itemsize, allow_subnormal=False)
        else:
            values = st.integers(int(np.iinfo(kind).min), int(np.iinfo(kind).max))
        columns[name] = np.array(draw(st.lists(values, min_size=count, max_size=count)), dtype=kind)
    return columns


def encoded(columns: dict[str, np.ndarray], data: str, end: str, blank: str, packed_as: str) -> bytes:
    count = len(columns["x"])
    kinds = [
        ("F" if n.lower() in ("rgb", "rgba") and packed_as != "U" else v.dtype.kind.upper(), v.dtype.itemsize)
        for n, v in columns.items()
    ]
    lines = [
        "# made by hand, Büro",
        "",
        "VERSION .7",
        f"FIELDS {' '.join(columns)}",
        f"SIZE {' '.join(str(s) for _, s in kinds)}",
    ]
    lines += [
        f"TYPE {' '.join(k for k, _ in kinds)}",
        f"WIDTH {count}",
        f"HEIGHT 1{blank}",
        f"POINTS {count} # all",
        f"DATA{blank} {data.upper()}{blank}",
    ]
    if data == "ascii":
        rows = []
        for i in range(count):
            words = []
            for name, v in columns.items():
                if name.lower() in ("rgb", "rgba") and packed_as == "bits":
                    words.append(repr(float(v[i : i + 1].view("<f4")[0])))
                else:
                    words.append(
                        str(int(v[i]))
                        if v.dtype.kind in "iu"
                        else f"{v[i]:.9g}"
                        if v.dtype.itemsize == 4
                        else repr(float(v[i]))
                    )
            rows.append(f" {blank}".join(words) + blank + end)
        body = "".join(rows).encode()
    elif data == "binary":
        table = np.empty(count, [(n, v.dtype) for n, v in columns.items()])
        for name, values in columns.items():
            table[name] = values
        body = table.tobytes()
    else:
        whole = b"".join(v.tobytes() for v in columns.values())
        packed = lzf_compress(whole)
        body = struct.pack("<II", len(packed), len(whole)) + packed
    return end.join([*lines, ""]).encode() + body


@given(
    tables(), st.sampled_from(["ascii", "binary", "binary_compressed"]), st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(["", " ", "\t"]), st.sampled_from(["U", "number", "bits"]),
)  # fmt: skip
def test_values_read_equal_values_written(
    tmp_path_factory: pytest.TempPathFactory, columns: dict, data: str, end: str, blank: str, packed_as: str
) -> None:
    path = tmp_path_factory.mktemp("a") / "a.pcd"
    packed = next((n for n in columns if n.lower() in ("rgb", "rgba")), None)
    if packed and packed_as != "U" and (packed_as == "bits" or data != "ascii"):
        columns[packed] &= 0x00FFFFFF  # with alphas other than 0 and 255 the bits may be those of an ordinary float
        columns[packed] |= np.uint32(0xFF000000 if data != "ascii" and packed == "RGBA" else 0)
    path.write_bytes(encoded(columns, data, end, blank, packed_as))
    found = read_cloud(path)
    for i, axis in enumerate("xyz"):
        kind = columns[axis].dtype if columns[axis].dtype.kind == "f" else np.dtype(float)
        np.testing.assert_array_equal(found.coord[:, i].astype(kind), columns[axis].astype(kind))
    for name in ("label", "Intensity"):
        assert found.fields[name].dtype == columns[name].dtype
        np.testing.assert_array_equal(found.fields[name], columns[name], err_msg=name)
    assert set(found.fields) <= {"label", "Intensity"}
    if packed:
        bits = columns[packed]
        assert (found.color is None) == found.black == (not (bits & 0xFFFFFF).any())
    if packed and not found.black:
        np.testing.assert_array_equal(found.color, np.stack([bits >> 16 & 255, bits >> 8 & 255, bits & 255], axis=1))
