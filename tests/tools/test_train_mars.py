"""Labels of biased objects are removed between the stages of a run on the command line, and the holes filled."""

from __future__ import annotations

from pcseg.budgets.weak_labels import WeakLabels
from tests.tools._runs import curve, settings, tool_here
from tests.tools.test_train_tags import rooms  # noqa: F401


def test_mars_follows_a_method_on_tags(rooms, tmp_path):  # noqa: F811
    tags, sure = f"labels.tags={rooms.parent / 'tags.json'}", "stages.then.before.confidence=0.3"
    done = tool_here("train", *settings(rooms, tmp_path, "method=cam", "then=mars", "steps=6", tags, sure))
    assert done.returncode == 0, done.stderr
    assert [line["stage"] for line in curve(tmp_path)] == ["main"] * 6 + ["then"] * 6
    labels = WeakLabels.load(tmp_path / "labels" / "then.npz")
    assert labels.rule == "debiased"
    assert labels.count > 0
