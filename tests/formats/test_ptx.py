"""PTX files: stations, their matrices, directions without a return; and Semantic3D's labels beside a text file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcseg.errors import InputError
from pcseg.formats import read_cloud

COORD = st.integers(-(10**6), 10**6).map(lambda n: n / 1000)


def station(
    rows: list[str], turned: bool = False, place: tuple[float, ...] = (0, 0, 0), grid: tuple[int, int] | None = None
) -> str:
    columns, count = grid or (1, len(rows))
    axes = ["0 1 0", "-1 0 0", "0 0 1"] if turned else ["1 0 0", "0 1 0", "0 0 1"]
    at = " ".join(map(str, place))
    return "\n".join([str(columns), str(count), at, *axes, *(f"{axis} 0" for axis in axes), f"{at} 1", *rows]) + "\n"


@settings(deadline=None)
@given(st.data(), st.sampled_from(["\n", "\r\n"]))
def test_stations_come_to_one_frame(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, end: str) -> None:
    text, wanted, scans, intensity, color = "", [], [], [], []
    for number in range(data.draw(st.integers(1, 4))):
        turned, place = data.draw(st.booleans()), data.draw(st.tuples(COORD, COORD, COORD))
        colored = data.draw(st.booleans())
        rows = []
        for _ in range(data.draw(st.integers(0, 6))):
            x, y, z = data.draw(st.one_of(st.just((0.0, 0.0, 0.0)), st.tuples(COORD, COORD, COORD)))
            moved = (-y, x, z) if turned else (x, y, z)
            wanted.append([np.nan] * 3 if x == y == z == 0 else [a + b for a, b in zip(moved, place, strict=True)])
            rows.append(f"{x} {y} {z} {len(scans) / 64}" + f" 7 {len(scans)} 200" * colored)
            color.append([7, len(scans), 200] if colored else [0, 0, 0])
            intensity.append(len(scans) / 64)
            scans.append(number)
        text += station(rows, turned, place)
    path = tmp_path_factory.mktemp("p") / "a.ptx"
    path.write_bytes(text.replace("\n", end).encode())
    if not scans:
        with pytest.raises(InputError, match="no point in it"):
            read_cloud(path)
        return
    found = read_cloud(path)
    np.testing.assert_allclose(found.coord, wanted, rtol=0, atol=1e-9)
    assert found.fields["scan"].tolist() == scans
    assert found.fields["intensity"].tolist() == intensity
    assert found.color is None if not np.any(color) else found.color.tolist() == color
    assert any("no return" in str(d) for d in found.defects) == bool(np.isnan(wanted).any())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (station(["1 2 3 0.5"] * 3, grid=(2, 2)), "line 1 begins a grid of 4 points, but 3 follow"),
        (station(["1 2 3 0.5"] * 5, grid=(2, 2)), "line 15 reads '1 2 3 0.5', but a whole number is needed"),
        (station(["1 2 3 0.5"], grid=(2_000_000, 10_000_000)), "more than the file holds"),
        (station(["1 2 3 0.5", "1 2 x 4"]), "line 12 reads '1 2 x 4'"),
        (station(["1 2 3 0.5", "1 2 3"]), "line 12 reads '1 2 3'"),
        (station(["1 2"]), "line 11 reads '1 2'"),
        ("2\n1\n0 0 0\n1 0 0\n", "ends within the first lines"),
        ("x y z\n1 2 3\n", "line 1 reads 'x y z', but a whole number"),
        (
            station(["1 2 3 4"]).replace("0 0 1 0\n0 0 0 1", "0 0 1 5\n3 0 0 1"),
            "a matrix that is not a transform of points",
        ),
    ],
)
def test_damaged_stations(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.ptx").write_text(text)
    with pytest.raises(InputError, match=rf"a\.ptx.*{message}"):
        read_cloud(tmp_path / "a.ptx")


def test_unreadable_values_are_reported(tmp_path: Path) -> None:
    (tmp_path / "a.ptx").write_text(station(["1 2 3 NA", "4 5 6 0.5"]))
    found = read_cloud(tmp_path / "a.ptx")
    np.testing.assert_array_equal(found.fields["intensity"], [np.nan, 0.5])
    assert "1 of 2 values of intensity" in str(found.defects[0])


def test_semantic3d(tmp_path: Path) -> None:
    rows = "".join(f"{i} {i + 1} {i + 2} {100 - i} {i} 20 30\n" for i in range(10))
    (tmp_path / "a.txt").write_text(rows)
    (tmp_path / "a.labels").write_text("".join(f"{i % 9}\n" for i in range(10)))
    found = read_cloud(tmp_path / "a.txt")
    assert found.fields["intensity"].tolist() == [100 - i for i in range(10)]
    assert found.fields["label"].tolist() == [i % 9 for i in range(10)]
    assert found.color is not None
    assert found.color.tolist() == [[i, 20, 30] for i in range(10)]
    for text in ("1\n2\n", "1 2\n" * 10, "1.5\n" * 10, "1\nx\n", "nan\n" * 10, ""):
        (tmp_path / "a.labels").write_text(text)
        with pytest.raises(InputError, match=r"a\.labels: "):
            read_cloud(tmp_path / "a.txt")
