"""A checkpoint on disk, for the tests of this folder."""

from __future__ import annotations

import pytest

from pcseg.model.checkpoint import save_model
from tests.model.checkpoints import model


@pytest.fixture
def checkpoint(tmp_path):
    save_model(tmp_path / "last.safetensors", model())
    return tmp_path / "last.safetensors"
