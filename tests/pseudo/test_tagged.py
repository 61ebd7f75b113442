"""What tags say about labels that are spread, on small graphs."""

from __future__ import annotations

import numpy as np

from pcseg.classes import IGNORE
from pcseg.pseudo import Spreading
from pcseg.pseudo.tagged import DRAWN, allowed_nodes, among, drawn_of_tags, surest_of_tags


def test_nodes_may_have_what_any_of_their_points_may_and_what_they_are_labeled_with() -> None:
    coord = np.array([[0, 0, 0], [0.1, 0, 0], [2, 0, 0], [4, 0, 0], [6, 0, 0]], dtype=np.float32)
    graph = Spreading(voxel_size=1.0, neighbors=2).graph(coord, {})
    allowed = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0], [1, 0, 0]], dtype=bool)
    at = graph.node[[0, 2, 3, 4]]
    labels = np.full(4, IGNORE)
    labels[at[3]] = 2
    assert len(graph) == 4
    found = allowed_nodes(graph, allowed, labels)[at]
    assert found.tolist() == [[True, True, False], [False, False, True], [False, False, False], [True, False, True]]


def test_shares_are_those_among_the_allowed() -> None:
    share = np.array([[0.2, 0.3, 0.5], [0.0, 1.0, 0.0], [1e-5, 1.0, 0.0]], dtype=np.float32)
    found = among(share, np.array([[1, 1, 0], [1, 0, 1], [1, 0, 1]], dtype=bool))
    np.testing.assert_allclose(found, [[0.4, 0.6, 0], [0, 0, 0], [0, 0, 0]], rtol=1e-6)
    found = among(share, np.array([[0, 0, 0], [0, 0, 1], [1, 0, 0]], dtype=bool))  # the only one that may be there is
    np.testing.assert_allclose(found, [[0, 0, 0], [0, 0, 1], [1, 0, 0]])


def test_each_tag_of_a_part_gets_its_surest_nodes_even_where_another_class_is_likelier() -> None:
    n = 4000
    share = np.stack([np.full(2 * n, 0.9), np.linspace(0.1, 0.05, 2 * n)], axis=1)
    labels = np.full(2 * n, IGNORE)
    labels[:2] = 0, 1  # given labels are no guesses
    parts = [
        (np.arange(n), np.array([False, True])),
        (np.arange(n, 2 * n), np.array([True, True])),
        (np.arange(100, 150), np.array([False, True])),  # so small that the surest is all there is
        (np.arange(2), np.array([True, True])),
    ]
    nodes, classes = surest_of_tags(share, labels, parts)
    assert nodes.tolist() == [4, 6, n + 2, n + 4, n + 2, n + 4, 100]
    assert classes.tolist() == [1, 1, 0, 0, 1, 1, 1]


def test_a_class_that_is_likely_nowhere_is_not_guessed() -> None:
    share = np.tile([1.0, 0.0, 1e-4], (1000, 1))
    nodes, classes = surest_of_tags(share, np.full(1000, IGNORE), [(np.arange(1000), np.ones(3, dtype=bool))])
    assert nodes.tolist() == [0, 1]
    assert classes.tolist() == [0, 0]


def test_without_parts_there_is_nothing_to_learn() -> None:
    nodes, classes = surest_of_tags(np.zeros((3, 2)), np.full(3, IGNORE), [])
    assert nodes.shape == classes.shape == (0,)


def test_what_tags_exclude_gets_no_label() -> None:
    """A row of points between labels of two classes; the second half may not be of the second, nor the label's own."""
    coord = np.stack([np.arange(40) / 10, np.zeros(40), np.zeros(40)], axis=1).astype(np.float32)
    labels = np.full(40, IGNORE)
    labels[0], labels[39] = 0, 1
    allowed = np.ones((40, 3), dtype=bool)
    allowed[20:, 1] = False
    for rule in ("paths", "walk"):
        spreading = Spreading(rule, keep=0.0)
        graph = spreading.graph(coord, {})
        free, _ = spreading(graph, labels, 3)
        held, confidence = spreading(graph, labels, 3, allowed=allowed)
        assert (free[21:] == 1).all()
        assert (held[:39] == 0).all()
        assert held[39] == 1  # a given label stands against the tags
        assert (confidence[20:39] > 0.99).all()


def test_classes_are_drawn_among_those_that_tags_allow_each_as_often() -> None:
    allowed = np.zeros((4 * DRAWN, 4), dtype=bool)
    allowed[: 2 * DRAWN, :2] = True
    allowed[DRAWN : 2 * DRAWN, 2] = True  # and the third quarter may have none, the last all
    allowed[3 * DRAWN :] = True
    nodes, classes = drawn_of_tags(allowed)
    assert len(set(nodes.tolist())) == DRAWN
    assert allowed[nodes, classes].all()
    assert nodes.max() < 2 * DRAWN
    two, three = classes[nodes < DRAWN], classes[nodes >= DRAWN]
    np.testing.assert_allclose(np.bincount(two, minlength=2) / len(two), 0.5, atol=0.1)
    np.testing.assert_allclose(np.bincount(three, minlength=3) / len(three), 1 / 3, atol=0.1)
    few = drawn_of_tags(allowed[:5])
    assert few[0].tolist() == [0, 1, 2, 3, 4]
    assert drawn_of_tags(np.zeros((3, 2), dtype=bool))[0].shape == (0,)
