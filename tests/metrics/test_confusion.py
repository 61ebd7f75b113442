"""The confusion matrix against counting by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pcseg.classes import IGNORE
from pcseg.errors import InputError
from pcseg.metrics import ConfusionMatrix

K = 4
LABELS = hnp.arrays(np.int64, st.integers(0, 40), elements=st.integers(IGNORE, K - 1))


def counted(prediction: np.ndarray, truth: np.ndarray) -> ConfusionMatrix:
    matrix = ConfusionMatrix(K)
    matrix.add(prediction, truth)
    return matrix


@settings(max_examples=60, deadline=None)
@given(LABELS, st.integers(0, 1000))
def test_figures_equal_their_definitions_as_sets(truth, seed):
    prediction = np.random.default_rng(seed).integers(0, K, len(truth))
    matrix, known = counted(prediction, truth), truth != IGNORE
    for k in range(K):
        true, predicted = {*np.flatnonzero(truth == k)}, {*np.flatnonzero((prediction == k) & known)}
        if not true:
            assert math.isnan(matrix.iou[k])
            assert math.isnan(matrix.class_accuracy[k])
            continue
        assert matrix.iou[k] == pytest.approx(len(true & predicted) / len(true | predicted))
        assert matrix.class_accuracy[k] == pytest.approx(len(true & predicted) / len(true))
    if known.any():
        assert matrix.accuracy == pytest.approx((prediction == truth)[known].mean())
        assert matrix.miou == pytest.approx(np.mean([v for v in matrix.iou if not math.isnan(v)]))
    else:
        assert math.isnan(matrix.accuracy)
        assert math.isnan(matrix.miou)


@settings(max_examples=30, deadline=None)
@given(LABELS, st.integers(0, 40))
def test_parts_add_up_to_the_whole(truth, cut):
    prediction = np.arange(len(truth)) % K
    parts = counted(prediction[:cut], truth[:cut]) + counted(prediction[cut:], truth[cut:])
    np.testing.assert_array_equal(parts.counts, counted(prediction, truth).counts)


def test_predictions_at_ignored_elements_do_not_matter():
    np.testing.assert_array_equal(
        counted(np.array([99, -5, 1]), np.array([IGNORE, IGNORE, 1])).counts,
        counted(np.array([1]), np.array([1])).counts,
    )


def test_a_wrong_guess_of_an_absent_class_counts_once():
    matrix = counted(np.array([0, 3]), np.array([0, 0]))
    np.testing.assert_array_equal(matrix.iou, [0.5, np.nan, np.nan, np.nan])
    assert matrix.miou == 0.5


def test_counts_do_not_overflow_narrow_inputs():
    matrix, truth = ConfusionMatrix(20), np.full(300, 19, dtype=np.int8)
    matrix.add(truth, truth)
    assert matrix.counts[19, 19] == 300


@pytest.mark.parametrize(
    ("prediction", "truth", "said"),
    [([0, 1], [0], "2 predictions for 1 labels"), ([4], [0], "predicted classes 4"), ([0], [-2], "true classes -2"),
     ([-1], [0], "predicted classes -1")],
)  # fmt: skip
def test_wrong_input_is_one_line(prediction, truth, said):
    with pytest.raises(InputError, match=said):
        counted(np.array(prediction), np.array(truth))


def test_matrices_of_other_sizes_do_not_add():
    with pytest.raises(InputError, match="4 and 2 classes"):
        ConfusionMatrix(4) + ConfusionMatrix(2)


def test_table_names_each_class_and_shows_absent_ones_as_a_dash():
    matrix = ConfusionMatrix(3)
    matrix.add(np.array([0, 0, 1, 1]), np.array([0, 0, 0, 1]))
    lines = matrix.table(["floor", "wall", "a long class name"]).splitlines()
    assert [line.split()[-4:] for line in lines[1:3]] == [
        ["floor", "66.7", "66.7", "3"],
        ["wall", "50.0", "100.0", "1"],
    ]
    assert lines[3].split()[-3:] == ["-", "-", "0"]
    assert lines[4].split() == ["mean", "58.3", "83.3", "4"]
    assert lines[5] == "overall accuracy 75.0 %"
    assert len({len(line) for line in lines[:5]}) == 1
