"""Views of files: every number of a label column is drawn, predictions get their classes, and defects get a note."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pcseg.classes import IGNORE, Classes
from pcseg.datasets import ClassFile
from pcseg.errors import InputError
from pcseg.formats import Cloud, write_cloud
from pcseg.formats.defects import Defect
from pcseg.scenes.scene import Scene, write_scene
from pcseg.vis.load import view_cloud, view_scene
from pcseg.vis.numbers import table_of

CODED = ClassFile(("ground", "tree", "roof"), ids={2: "ground", 9: "ground", 5: "tree", 6: "roof"}, ignore=(0,))


def points(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, 5, (count, 3)).round(3)


def text(path: Path, header: str, *columns: np.ndarray) -> Path:
    rows = [" ".join(f"{value:.9g}" for value in row) for row in np.c_[columns]]
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def labeled(path: Path, labels: object, **more: np.ndarray) -> Path:
    values = np.asarray(labels, np.float64)
    extra = [*more.values()]
    return text(path, " ".join(["x y z label", *more]), points(len(values)), values, *extra)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.one_of(st.integers(0, 300), st.sampled_from([255, 65535, 2**24, -1, -100, 0.5, 1e30])),
        min_size=3,
        max_size=50,
    )
)
def test_every_label_is_drawn(tmp_path_factory: pytest.TempPathFactory, numbers: list[float]) -> None:
    view = view_cloud(labeled(tmp_path_factory.mktemp("t") / "a.txt", numbers))
    classes = {n for n in numbers if n == int(n) and 0 <= n < 2**63}
    classes -= {255} if classes and max(classes) == 255 else set()
    unknown = {n for n in numbers if n not in classes and n != -1}
    if all(n == 0 for n in numbers) or not any(n >= 0 and n == int(n) and n < 2**63 for n in numbers):
        assert view.truth is None
        assert "no ground truth" in view.notes[0]
        return
    assert view.truth is not None
    found = [view.classes.names[k] if k != IGNORE else "" for k in view.truth]
    assert found == [f"class {n:.0f}" if n in classes else "" for n in numbers]
    assert bool(unknown) == any("drawn as unknown" in note for note in view.notes)


def test_only_the_classes_that_occur_are_made(tmp_path: Path) -> None:
    view = view_cloud(labeled(tmp_path / "a.txt", [65535, 7, 7, 7]))
    assert view.classes.names == ("class 7", "class 65535")
    assert view.classes.codes == ((7,), (65535,))


@pytest.mark.parametrize("value", [0, -1, 255])
def test_a_file_that_labels_nothing_has_no_truth(tmp_path: Path, value: int) -> None:
    view = view_cloud(labeled(tmp_path / "a.txt", [value] * 5))
    assert (view.truth is None) == (value != 255)
    assert view.layers == (("height",) if value != 255 else ("height", "truth"))
    assert len(view.notes) == 1


def test_classes_with_a_number_0_of_their_own_keep_a_file_of_zeros(tmp_path: Path) -> None:
    path = labeled(tmp_path / "a.txt", [0] * 5)
    view = view_cloud(path, ClassFile(("ground",), ids={0: "ground"}))
    assert view.truth is not None
    assert (view.truth == 0).all()
    assert view_cloud(path, ClassFile(("ground", "tree"))).truth is None


def test_numbers_of_no_class_are_unknown_with_a_note(tmp_path: Path) -> None:
    view = view_cloud(labeled(tmp_path / "a.txt", [2, 9, 5, 6, 0, -1, 7, 255, 7]), CODED)
    assert view.truth is not None
    assert view.truth.tolist() == [0, 0, 1, 2, *[IGNORE] * 5]
    assert view.notes == ("a.txt: label 7, 255 (3 points) means no class and is drawn as unknown",)


def test_a_missing_column_gets_a_note(tmp_path: Path) -> None:
    view = view_cloud(labeled(tmp_path / "a.txt", [1, 2, 3]), ClassFile(("a", "b"), label="klass"))
    assert view.truth is None
    assert "no column klass" in view.notes[0]


@pytest.mark.parametrize(
    ("numbers", "classes", "found"),
    [
        ([2, 5, 6, 5], CODED, [0, 1, 2, 1]),  # as predict writes them
        ([9, 2, -1, 6], CODED, [0, 0, IGNORE, 2]),
        ([0, 1, 2, 1], CODED, [0, 1, 2, 1]),  # a checkpoint that did not know of codes
        ([2, 5, 77, 0], CODED, [0, 1, IGNORE, IGNORE]),
        ([0, 1, 2, 2], ClassFile(("a", "b", "c")), [0, 1, 2, 2]),
        ([0, 0, 0, 0], CODED, [0, 0, 0, 0]),  # all of one class is a prediction
    ],
)
def test_predicted_files_hold_the_numbers_of_the_scans(
    tmp_path: Path, numbers: list[int], classes: ClassFile, found: list[int]
) -> None:
    view = view_cloud(labeled(tmp_path / "a.txt", numbers, confidence=np.full(4, 0.5)), classes)
    assert view.truth is None
    assert view.prediction is not None
    assert view.prediction.tolist() == found
    assert view.confidence is not None
    assert (view.confidence == 0.5).all()


def test_a_prediction_of_a_scan_with_points_of_no_place(tmp_path: Path) -> None:
    coord = points(6)
    coord[1], coord[4] = np.nan, 1e30
    write_cloud(tmp_path / "scan.npz", coord, labels=np.array([2, 2, 5, 5, 6, 6]))
    write_cloud(tmp_path / "done.npz", coord, labels=np.array([2, -1, 2, 5, -1, 6]), confidence=np.linspace(0, 1, 6))
    for classes in (None, CODED):
        view = view_cloud(tmp_path / "scan.npz", classes, prediction=tmp_path / "done.npz")
        assert view.rows is not None
        assert view.rows.tolist() == [0, 2, 3, 5]
        assert view.truth is not None
        assert view.prediction is not None
        assert view.classes.to_codes(view.truth).tolist() == [2, 5, 5, 6]
        assert view.classes.to_codes(view.prediction).tolist() == [2, 2, 5, 6]
        np.testing.assert_allclose(view.coord + view.origin, coord[view.rows], atol=1e-3)
        assert any("2 of 6 points" in note for note in view.notes)


def test_classes_are_those_of_truth_and_prediction_together(tmp_path: Path) -> None:
    labeled(tmp_path / "a.txt", [1, 2, 3])
    np.save(tmp_path / "p.npy", np.array([[3], [9], [1]]))
    view = view_cloud(tmp_path / "a.txt", prediction=tmp_path / "p.npy")
    assert view.classes.names == ("class 1", "class 2", "class 3", "class 9")
    assert view.prediction is not None
    assert view.prediction.tolist() == [2, 3, 0]


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY\x01\x00", b"not numpy at all", b"\x93NUMPY\x01\x00\xff\xff{"])
def test_a_damaged_prediction_is_one_line(tmp_path: Path, content: bytes) -> None:
    labeled(tmp_path / "a.txt", [1, 2, 3])
    (tmp_path / "p.npy").write_bytes(content)
    with pytest.raises(InputError, match=r"p\.npy: not a readable .npy file") as error:
        view_cloud(tmp_path / "a.txt", prediction=tmp_path / "p.npy")
    assert len(str(error.value).splitlines()) == 1


def test_no_usable_point(tmp_path: Path) -> None:
    text(tmp_path / "a.txt", "x y z", np.full((3, 3), 1e30))
    with pytest.raises(InputError, match="no point with usable coordinates"):
        view_cloud(tmp_path / "a.txt")


def test_intensity_is_shown_where_it_varies(tmp_path: Path) -> None:
    path = text(tmp_path / "a.txt", "x y z Intensity", points(5), np.array([1, 5, np.nan, 3, 2]))
    assert view_cloud(path).layers == ("intensity", "height")
    path = text(tmp_path / "b.txt", "x y z intensity", points(5), np.zeros(5))
    assert view_cloud(path).layers == ("height",)


def scene(root: Path, names: tuple[str, ...], segment: list[int]) -> Path:
    coord = points(len(segment)).astype(np.float32)
    write_scene(root, Scene(coord, {"segment": np.array(segment)}, "A/b", classes=names))
    return root / "A" / "b"


def test_a_scene_whose_classes_nothing_names(tmp_path: Path) -> None:
    folder = scene(tmp_path, (), [3, 300, -1, 255, -100])
    view = view_scene(folder)
    assert view.classes.names == ("class 3", "class 255", "class 300")
    assert view.truth is not None
    assert view.truth.tolist() == [0, 2, IGNORE, 1, IGNORE]
    assert "no names of classes found" in view.notes[0]
    assert "label -100" in view.notes[1]
    named = view_scene(folder, ClassFile(("a", "b", "c", "d")))
    assert named.truth is not None
    assert named.truth.tolist() == [3, *[IGNORE] * 4]
    (folder / "segment.npy").rename(folder / "segment20.npy")
    again = view_scene(folder)
    assert again.truth is not None
    assert (again.truth == view.truth).all()


@pytest.mark.parametrize(
    ("numbers", "names"),
    [
        (np.array([0, 2**64 - 1, 2**63 - 1, 5], dtype=np.uint64), ("class 0", "class 5", f"class {2**63 - 1}")),
        (np.array([-(2**63), -1, 7, 7]), ("class 7",)),
        (np.array([1, np.nan, np.inf, 2.5], dtype=np.float16), ("class 1",)),
        (np.array([3.4e38, -3.4e38, 300, -0.0], dtype=">f4"), ("class 0", "class 300")),
        (np.array([True, False, False, True]), ("class 0", "class 1")),
    ],
)
def test_a_scene_of_any_numbers_is_drawn(tmp_path: Path, numbers: np.ndarray, names: tuple[str, ...]) -> None:
    folder = scene(tmp_path, (), [0, 0, 0, 0])
    np.save(folder / "segment.npy", numbers)
    view = view_scene(folder)
    assert view.classes.names == names
    assert view.truth is not None
    for number, label in zip(numbers.tolist(), view.truth.tolist(), strict=True):
        assert label == (names.index(f"class {int(number)}") if number in table_of(view.classes) else IGNORE)


def test_a_scene_that_names_its_classes_is_matched_by_name(tmp_path: Path) -> None:
    folder = scene(tmp_path, ("a", "b"), [0, 1, -1])
    assert view_scene(folder).notes == ()
    view = view_scene(folder, ClassFile(("b", "c"), ids={7: "b"}))
    assert view.truth is not None
    assert view.truth.tolist() == [IGNORE, 0, IGNORE]


def test_predictions_over_a_scene_are_positions_or_codes(tmp_path: Path) -> None:
    folder = scene(tmp_path, ("ground", "tree", "roof"), [0, 1, 2])
    classes = ClassFile(CODED.names, ids={2: "ground", 5: "tree", 6: "roof"})
    np.save(tmp_path / "p.npy", np.array([2, 1, 0]))  # by tools/evaluate.py
    labeled(tmp_path / "p.txt", [6, 5, 2])  # by tools/predict.py
    for name in ("p.npy", "p.txt"):
        view = view_scene(folder, classes, prediction=tmp_path / name)
        assert view.prediction is not None
        assert view.prediction.tolist() == [2, 1, 0], name
        assert view.notes == ()


def test_defects_of_a_file_are_noted_without_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    defects = (Defect(str(path), 3, "strange", "left out"), Defect(str(path), None, "stranger", "kept"))
    monkeypatch.setattr("pcseg.vis.load.read_cloud", lambda *_: Cloud(points(4), defects=defects))
    assert view_cloud(path).notes == ("a.txt:3: strange; left out", "a.txt: stranger; kept")


def test_codes_come_back_from_the_classes_of_a_view() -> None:
    assert CODED.classes == Classes(CODED.names, codes=((2, 9), (5,), (6,)))
