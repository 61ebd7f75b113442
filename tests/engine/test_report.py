"""The label counts that a run reports."""

from __future__ import annotations

from pathlib import Path

from pcseg.engine.report import budget as spent
from tests.feeding.datasets import budget, dataset
from tests.scenes.rooms import building


def test_labels_of_scenes_that_are_not_trained_on_do_not_count(tmp_path: Path) -> None:
    folders = building(tmp_path, scenes=3)
    labels = budget(folders)
    count, points = (sum(getattr(scene, name) for scene in labels.scenes[:2]) for name in ("count", "points"))
    assert 0 < count < labels.count
    expected = {"count": count, "fraction": count / points, "sha256": labels.sha256}
    assert spent(dataset(folders[:2], labels)) == expected
