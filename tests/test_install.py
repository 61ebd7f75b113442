"""PCSEG_BUILD=none for real: built from a copy of the sources, installed beside what is installed, and run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pcseg
from pcseg.ops import _native
from tests.ops.clouds import compiled

ROOT = Path(__file__).parents[1]
USE = """
import pathlib, torch, pcseg
from pcseg.ops import kernel_map, sparse_conv, voxelize
from pcseg.sparse import kernel_offsets

assert pathlib.Path(pcseg.__file__).is_relative_to(pathlib.Path.cwd()), pcseg.__file__
points = torch.tensor([[0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]], dtype=torch.int32)
voxels = voxelize(points)
coords = points[voxels.rows]
kernels = kernel_map(coords, coords, kernel_offsets(3))
out = sparse_conv(torch.tensor([[1.0], [10.0]]), torch.ones(27, 1, 1), *kernels, 2)
print(voxels.counts.tolist(), out.tolist())
"""

INSTALLED = "import sys; sys.path.insert(1, {site!r}); from pcseg.info import describe; print(describe())"


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run Python in ``folder`` for a pure build, whatever this process was asked to use."""
    env = {name: value for name, value in os.environ.items() if name not in ("PCSEG_LIBRARY", "PYTHONPATH")}
    env["PCSEG_BUILD"] = "none"
    done = subprocess.run([sys.executable, *command], cwd=folder, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the sources in which an earlier build has left a library."""
    folder = tmp_path / "checkout"
    shutil.copytree(ROOT / "pcseg", folder / "pcseg", ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    (folder / "pcseg/ops/libpcseg.so").write_text("of an earlier build")
    return folder


def test_an_install_without_a_library_works(checkout: Path, tmp_path: Path) -> None:
    """Neither isolated nor with dependencies: both would download; cmake and ninja are not needed here."""
    site = tmp_path / "site"
    options = ("--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check")
    run(checkout, "-m", "pip", "install", *options, "--target", str(site), ".")
    assert list(site.rglob("*.so")) == []
    (wheel,) = site.glob("pcseg-*.dist-info/WHEEL")
    assert "Tag: py3-none-any" in wheel.read_text()
    assert (checkout / "pcseg/ops/libpcseg.so").exists(), "an install elsewhere leaves the checkout alone"
    assert "PyTorch reference: no compiled library" in run(site, "-m", "pcseg.info").stdout
    assert run(site, "-c", USE).stdout == "[2, 1] [[11.0], [11.0]]\n"


@compiled
def test_python_in_the_checkout_uses_what_is_installed(checkout: Path, tmp_path: Path) -> None:
    """As after ``pip install .``, which leaves no library in the sources: they come first on the path there."""
    (checkout / "pcseg/ops/libpcseg.so").unlink()
    site = tmp_path / "site"
    (site / "pcseg/ops").mkdir(parents=True)
    (site / f"pcseg-{pcseg.__version__}.dist-info").mkdir()
    (site / f"pcseg-{pcseg.__version__}.dist-info/METADATA").write_text(f"Name: pcseg\nVersion: {pcseg.__version__}\n")
    library = shutil.copy(str(_native.library()._name), site / "pcseg/ops/libpcseg.so")  # type: ignore[union-attr]
    described = run(checkout, "-c", INSTALLED.format(site=str(site))).stdout
    assert f"compiled, {library} (of the installed pcseg)" in described
    assert str(checkout / "pcseg") in described


def test_an_editable_install_forgets_the_library_of_an_earlier_one(checkout: Path) -> None:
    done = run(checkout, "-c", "from setuptools import build_meta; build_meta.build_editable('.')")  # what pip calls
    assert not (checkout / "pcseg/ops/libpcseg.so").exists()
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("pcseg:")]
    assert "PCSEG_BUILD=none, installing pure Python; removed " in line


def test_the_version_is_that_of_the_package() -> None:
    assert f'\nversion = "{pcseg.__version__}"\n' in (ROOT / "pyproject.toml").read_text()
