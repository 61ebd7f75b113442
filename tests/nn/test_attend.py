"""Attention sample by sample against its matrix, and the draw of the nodes that it looks at."""

from __future__ import annotations

import torch

from pcseg.nn.attend import attend, draw_nodes, rows_by_sample


def test_it_is_the_softmax_of_the_products() -> None:
    query, key, value = (torch.randn(n, c, dtype=torch.float64) for n, c in ((5, 4), (7, 4), (7, 3)))
    wanted = (0.3 * query @ key.T).softmax(dim=1) @ value
    torch.testing.assert_close(attend(query, key, value, 0.3), wanted)


def test_rows_come_sample_by_sample_in_their_order() -> None:
    found = rows_by_sample(torch.tensor([2, 0, 2, 0, 2]), 4)
    assert [rows.tolist() for rows in found] == [[1, 3], [], [0, 2, 4], []]
    assert len(rows_by_sample(torch.empty(0, dtype=torch.int64))) == 0


def test_nodes_are_drawn_without_replacement_where_there_are_too_many() -> None:
    rows = torch.arange(10, 30)
    assert draw_nodes(rows, None) is rows
    assert draw_nodes(rows, 20) is rows
    drawn = [draw_nodes(rows, 8, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert len(drawn[0].unique()) == 8
    assert torch.isin(drawn[0], rows).all()
