"""The compiled library: search, messages where it is refused or missing, threads, C interface."""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

import pcseg
from pcseg.errors import InputError
from pcseg.ops import _native, kernel_map, sparse_conv
from tests.ops.clouds import compiled, torch_threads
from tests.ops.test_sparse_conv import case, distinct, random_like
from tests.oracles import sparse_conv as oracle

HEADER = (Path(__file__).parents[2] / "csrc/include/pcseg.h").read_text()


def load(path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setenv("PCSEG_LIBRARY", str(path))
    return _native.library.__wrapped__()


def test_python_and_header_have_the_same_interface() -> None:
    assert int(re.search(r"#define PCSEG_ABI (\d+)", HEADER)[1]) == _native.ABI  # type: ignore[index]
    codes = dict(re.findall(r"PCSEG_(B?FLOAT\d+) = (\d)", HEADER))
    assert {str(dtype).split(".")[1].upper(): str(code) for dtype, code in _native.DTYPES.items()} == codes


@compiled
def test_the_library_has_all_that_the_header_declares() -> None:
    functions = re.findall(r"PCSEG_API [\w ]+\*? (pcseg_\w+)\(", HEADER)
    assert "pcseg_sparse_conv" in functions
    expected = [name for name in functions if _native.has_cuda() or not name.startswith("pcseg_cuda_")]
    assert [name for name in expected if not hasattr(_native.library(), name)] == []


def test_a_library_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"PCSEG_LIBRARY=.*gone\.so: no such file"):
        load(tmp_path / "gone.so", monkeypatch)


def test_a_file_that_is_no_library_leaves_the_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "text.so").write_text("not a library")
    with pytest.warns(UserWarning, match=r"text\.so: cannot be used"):
        assert load(tmp_path / "text.so", monkeypatch) is None


@compiled
def test_a_library_of_another_interface_leaves_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_native, "ABI", 999)
    path = Path(_native.library()._name)  # type: ignore[union-attr]
    with pytest.warns(UserWarning, match=r"was built for interface \d+, this pcseg needs 999; reinstall"):
        assert load(path, monkeypatch) is None


def installed(folder: Path, version: str) -> Path:
    """Make a folder for sys.path that holds an installed pcseg with a library; return the library."""
    library = folder / "pcseg/ops/libpcseg.so"
    library.parent.mkdir(parents=True)
    library.write_text("compiled")
    (folder / f"pcseg-{version}.dist-info").mkdir()
    (folder / f"pcseg-{version}.dist-info/METADATA").write_text(
        f"Metadata-Version: 2.1\nName: pcseg\nVersion: {version}\n"
    )
    return library


@pytest.mark.parametrize(
    ("is_checkout", "own", "version", "used"),
    [
        (True, False, pcseg.__version__, "installed"),
        (True, True, pcseg.__version__, "own"),
        (True, False, "0.0.1", None),
        (False, False, pcseg.__version__, None),  # PCSEG_BUILD=none, installed before another on the path
    ],
)
def test_a_checkout_uses_the_library_of_the_installed_pcseg_it_hides(
    is_checkout: bool, own: bool, version: str, used: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here/pcseg/ops"
    here.mkdir(parents=True)
    libraries = {"installed": installed(tmp_path / "site", version), "own": here / "libpcseg.so", None: None}
    if is_checkout:
        (tmp_path / "here/pyproject.toml").touch()
    if own:
        (here / "libpcseg.so").touch()
    monkeypatch.delenv("PCSEG_LIBRARY", raising=False)
    monkeypatch.setattr(_native, "__file__", str(here / "_native.py"))
    monkeypatch.setattr(sys, "path", [str(tmp_path / "here"), str(tmp_path / "empty"), str(tmp_path / "site")])
    assert _native._path() == libraries[used]


def python(code: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **env}, capture_output=True, text=True, timeout=120
    )


def test_no_library_is_said_once() -> None:
    code = (
        "import pathlib, torch\n"
        "exists = pathlib.Path.is_file\n"
        "pathlib.Path.is_file = lambda path: path.name != 'libpcseg.so' and exists(path)\n"
        "import pcseg.ops as ops\n"
        "coords = torch.zeros(2, 4, dtype=torch.int32)\n"
        "assert len(ops.voxelize(coords).rows) == len(ops.voxelize(coords).rows) == 1\n"
    )
    done = python(code, PCSEG_LIBRARY="")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("no compiled library") == 1
    asked_for = python(code, PCSEG_LIBRARY="none")
    assert "no compiled library" not in asked_for.stderr


def test_info_names_the_library() -> None:
    done = subprocess.run([sys.executable, "-m", "pcseg.info"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert f"torch:           {torch.__version__}" in done.stdout
    assert ("compiled, " in done.stdout) == (_native.library() is not None)


@compiled
@pytest.mark.parametrize("isa", ["plain", "avx2", "avx512"])
def test_a_lower_instruction_set_can_be_asked_for(isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    library = _native.library()
    assert library is not None
    monkeypatch.delenv("PCSEG_ISA", raising=False)
    best = library.pcseg_isa().decode()
    monkeypatch.setenv("PCSEG_ISA", isa)
    order = ["plain", "avx2", "avx512", "avx512bf16"]
    assert library.pcseg_isa().decode() == min(isa, best, key=order.index)
    assert not _native.query("pcseg_has_bfloat16")


def a_convolution() -> tuple[tuple[Any, ...], torch.Tensor]:
    """Return the arguments of a convolution of several blocks, and its result."""
    coords = distinct(3000, 8, seed=0)
    pairs, starts = kernel_map(coords, coords, oracle.offsets(3))
    feats, weight = random_like(len(coords), 8, dtype=torch.float32), random_like(27, 8, 8, dtype=torch.float32)
    args = (feats, weight, pairs, starts, len(coords))
    return args, sparse_conv(*args)


@compiled
@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "GOMP_parallel"), reason="torch has no GNU OpenMP here")
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads cannot be counted here")
def test_the_threads_are_those_of_torch() -> None:
    """Other threads would compete for the processors with torch's, which wait in a busy loop."""
    with torch_threads(2):
        torch.rand(10**6).relu()
        before = set(os.listdir("/proc/self/task"))
        a_convolution()
        assert set(os.listdir("/proc/self/task")) <= before  # one of an earlier test may end meanwhile


@compiled
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_makes_its_own_threads() -> None:
    with torch_threads(2):
        args, expected = a_convolution()  # the parent has threads now
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # later Pythons warn of any fork beside threads
            child = os.fork()
        if child == 0:  # nothing of torch that uses threads: they do not survive a fork
            same, threads = torch.equal(sparse_conv(*args), expected), Path("/proc/self/task")
            os._exit(0 if same and (not threads.is_dir() or len(list(threads.iterdir())) == 2) else 1)
        seconds = threading.Timer(60, os.kill, (child, 9))
        seconds.start()
        _, status = os.waitpid(child, 0)
        seconds.cancel()
        assert os.waitstatus_to_exitcode(status) == 0
        assert torch.equal(sparse_conv(*args), expected)


@compiled
def test_two_python_threads_at_once() -> None:
    with torch_threads(2):
        args, expected = a_convolution()
        same: list[bool] = []

        def work() -> None:
            torch.set_num_threads(2)
            same.extend(torch.equal(sparse_conv(*args), expected) for _ in range(5))

        workers = [threading.Thread(target=work) for _ in range(3)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(60)
        assert same == [True] * 15


def test_tensors_of_two_devices_are_refused_by_name() -> None:
    here, there = torch.zeros(1), torch.zeros(1, device="meta")
    _native.check_devices(values=here, row=None, segment=here)
    with pytest.raises(InputError, match="segment: on meta, but values on cpu"):
        _native.check_devices(values=here, row=None, segment=there)


@compiled
def test_the_words_of_an_error_are_of_this_thread() -> None:
    feats, weight, pairs, starts, _ = case()
    with pytest.raises(InputError, match="starts"):
        sparse_conv(feats.detach(), weight.detach(), pairs[:, 1:].contiguous(), starts, len(feats))
    with pytest.raises(ValueError, match="not contiguous"):
        _native.call("pcseg_voxelize", torch.zeros(4, 4).t())
