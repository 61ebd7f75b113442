"""The test tools themselves, on little: that they find what is wrong, and that nothing is found in a short run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from pcseg.classes import Classes
from pcseg.model.checkpoint import save_model
from pcseg.model.inputs import VoxelInputs
from pcseg.model.model import Model
from pcseg.model.networks import Networks, NetworkSpec
from tests.endurance import kill, seeds
from tests.endurance.chain import STEPS, chain
from tests.endurance.fuzz import fuzz
from tests.endurance.mutate import damaged, repaired


def test_no_damaged_file_does_harm(tmp_path: Path) -> None:
    tally = fuzz(400, seed=5, output=tmp_path)
    assert sum(tally.values()) == 400
    assert not [key for key in tally if "FAULT" in key], (tmp_path / "faults.txt").read_text()
    # Damage that no reader notices, or that all of them do, would try nothing.
    assert sum(n for key, n in tally.items() if key.endswith(": read")) > 30
    assert sum(n for key, n in tally.items() if key.endswith(": refused")) > 100


def test_each_kind_of_harm_is_found(tmp_path: Path) -> None:
    """The seed is one that draws each once, last those that end the process."""
    tally = fuzz(4, seed=213, output=tmp_path, seconds=2.0, module="tests.endurance.harmful")
    harms = {"raises": "KeyError", "grows": "MemoryError", "aborts": "ended with -6", "hangs": "over 2 s"}
    assert tally == {f"{harm}: FAULT": 1 for harm in harms}
    lines = (tmp_path / "faults.txt").read_text().splitlines()
    for number, (line, (harm, found)) in enumerate(zip(lines, harms.items(), strict=True)):
        assert line.startswith(f"{number} {harm}: ")
        assert found in line


def test_damage_is_drawn_by_the_generator_and_changes_the_file() -> None:
    content = bytes(range(256)) * 8
    twice = [damaged(content, "a.las", np.random.default_rng(7)) for _ in range(2)]
    assert twice[0] == twice[1]
    changed = [damaged(content, "a.las", np.random.default_rng(i)) != content for i in range(50)]
    assert sum(changed) > 45


def test_checksums_of_an_e57_are_made_right(tmp_path: Path) -> None:
    seeds.clouds(tmp_path)
    whole = (tmp_path / "scan.e57").read_bytes()
    assert repaired(whole) == whole  # they are right already
    odd = bytearray(whole)
    odd[100] ^= 1
    assert repaired(bytes(odd))[1020:1024] != whole[1020:1024]


def test_every_format_goes_through_the_chain(tmp_path: Path) -> None:
    points = tmp_path / "points"
    points.mkdir()
    seeds.clouds(points)
    torch.manual_seed(0)
    arguments = {"in_channels": 4, "n_classes": 3, "channels": [4] * 4, "blocks": [1] * 4, "stem_channels": 4}
    spec = NetworkSpec("MinkUNet", arguments)
    classes = Classes(("ground", "wall", "tree"))
    model = Model(Networks(spec.build(), spec), classes, VoxelInputs(0.2, ("optional_color", "height")))
    save_model(tmp_path / "model.safetensors", model)
    names = ("ascii.ply", "7.laz", "compressed.pcd", "scan.e57", "plain.txt", "stored.npz")
    results = chain([points / name for name in names], str(tmp_path / "model.safetensors"))
    for result in results:
        bad = {step for step in STEPS if result[step].partition(":")[0] not in ("ok", "skipped")}
        assert not bad, result


def test_a_killed_tool_leaves_nothing_and_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    tally = kill.kill(1, seed=1)
    assert sum(tally.values()) == 1
    assert all(key.endswith(": fine") for key in tally), tally
