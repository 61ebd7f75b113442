"""The files of the page: small, alone, and in a wheel."""

from __future__ import annotations

from pathlib import Path

import pytest
from setuptools import Distribution

from pcseg.annotation.spread import NONE

FOLDER = Path(__file__).parents[2] / "pcseg/annotation/web"


def test_the_page_is_small_and_loads_nothing_from_elsewhere() -> None:
    files = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()}
    assert sum(map(len, files.values())) < 100_000
    for name, text in files.items():
        assert "http://" not in text, name
        assert "https://" not in text, name
        assert "innerHTML" not in text, name
        assert max(map(len, text.splitlines())) <= 120, name
        assert len(text.splitlines()) <= 250, name
    assert NONE == 255


@pytest.mark.filterwarnings("ignore:.*project.license")
def test_a_wheel_holds_the_files(monkeypatch: pytest.MonkeyPatch) -> None:
    root = FOLDER.parents[2]
    monkeypatch.chdir(root)
    distribution = Distribution()
    distribution.parse_config_files(["pyproject.toml"])
    distribution.include_package_data = False
    command = distribution.get_command_obj("build_py")
    command.ensure_finalized()
    copied = {root / source / file for _, source, _, files in command.data_files for file in files}
    copied |= {root / file for _, _, _, files in command.data_files for file in files}
    assert set(FOLDER.iterdir()) <= copied
