"""To add a method takes one file and one yaml: here both in a folder of the user's, outside the checkout."""

from __future__ import annotations

import json
from pathlib import Path

from tests.tools._runs import TINY, building, tool, tool_here

METHOD = '''
from torch import Tensor

from pcseg.losses import cross_entropy
from pcseg.methods import Method


class Smooth(Method):
    """Cross-entropy, and a penalty on large scores."""

    def __init__(self, model, weight: float = 0.1) -> None:
        super().__init__(model)
        self.weight = weight

    def losses(self, batch, progress: float, player: str = "main") -> dict[str, Tensor]:
        logits = self.predict(batch).logits
        return {"labels": cross_entropy(logits, batch.labels), "large": self.weight * logits.square().mean()}
'''
RECIPE = """# @package _global_
stages:
  main: {method: {_target_: my_methods.Smooth, weight: 0.01}, cost: 1.0}
"""


def test_a_method_of_ones_own_trains_from_one_file_and_one_yaml(tmp_path: Path) -> None:
    rooms = building(tmp_path / "building")
    (tmp_path / "my_methods.py").write_text(METHOD)
    (tmp_path / "configs" / "method").mkdir(parents=True)
    (tmp_path / "configs" / "method" / "smooth.yaml").write_text(RECIPE)
    done = tool(
        "train", f"--config-dir={tmp_path / 'configs'}", "method=smooth", f"data.root={rooms}", "data.train=[Area_1]",
        "data.test=[Area_5]", f"labels.file={rooms.parent / 'labels.npz'}", f"output={tmp_path / 'run'}",
        "batch_size=2", "steps=3", *TINY, PYTHONPATH=str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (tmp_path / "run" / "curve.jsonl").read_text().splitlines()]
    assert [set(line) for line in lines] == [{"step", "stage", "lr", "labels", "large", "loss"}] * 3
    assert (tmp_path / "run" / "metrics.json").is_file()


TAGGED = """
from torch.nn.functional import binary_cross_entropy_with_logits

from pcseg.methods import Method
from pcseg.ops import segment_mean


class Tagged(Method):
    needs = frozenset({"tags"})

    def losses(self, batch, progress, player="main"):
        mean = segment_mean(self.predict(batch).logits, batch.sample, batch.n_samples)
        return {"tags": binary_cross_entropy_with_logits(mean, batch.tags.float())}
"""


def test_a_method_trains_from_tags_without_a_single_label(tmp_path: Path) -> None:
    rooms = building(tmp_path / "building")
    drawn = (f"root={rooms}", "splits=[Area_1]")
    none, tags = tmp_path / "none.npz", tmp_path / "tags.json"
    assert tool_here("draw_labels", *drawn, "rule=scenes", "scenes=0", f"output={none}").returncode == 0
    assert tool_here("draw_labels", *drawn, "rule=tags", f"output={tags}").returncode == 0
    (tmp_path / "my_methods.py").write_text(TAGGED)
    (tmp_path / "configs" / "method").mkdir(parents=True)
    recipe = RECIPE.replace("my_methods.Smooth, weight: 0.01", "my_methods.Tagged")
    (tmp_path / "configs" / "method" / "tagged.yaml").write_text(recipe)
    done = tool(
        "train", f"--config-dir={tmp_path / 'configs'}", "method=tagged", f"data.root={rooms}", "data.train=[Area_1]",
        "data.test=[Area_5]", f"labels.file={none}", f"labels.tags={tags}", f"output={tmp_path / 'run'}",
        "batch_size=2", "steps=3", *TINY, PYTHONPATH=str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "tags: 6 in 2 scenes" in done.stdout
