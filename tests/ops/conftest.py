"""Fixtures that several tests of ops share."""

from __future__ import annotations

import ctypes

import pytest

from tests.ops import emulated


@pytest.fixture(scope="session")
def emulated_library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return emulated.build(tmp_path_factory.mktemp("emulated"))
