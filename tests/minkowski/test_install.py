"""The names of other packages are ours only after install(), and only in that process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from pcseg import minkowski
from pcseg.minkowski.__main__ import main

SCRIPT = """
import sys
import MinkowskiEngine as ME
import MinkowskiEngine.MinkowskiFunctional as MEF
import MinkowskiEngine.utils as utils
import MinkowskiOps
from MinkowskiEngine import SparseTensor
from MinkowskiEngine.MinkowskiPooling import MinkowskiAvgPooling
from MinkowskiEngine.modules.resnet_block import BasicBlock, Bottleneck
from MinkowskiEngine.modules.senet_block import SEBasicBlock
from MinkowskiEngine.utils import sparse_quantize, summary
from MinkowskiEngine.utils.quantization import quantize
from MinkowskiSparseTensor import SparseTensor as Same
from MinkowskiEngineBackend._C import CoordinateMapKey, RegionType, quantize_np
from torch_scatter import scatter_mean
from torch_scatter.composite import scatter_softmax
import importlib.util, torch
assert importlib.util.find_spec("MinkowskiEngine") is not None
assert Same is SparseTensor is ME.SparseTensor
assert callable(summary) and callable(ME.utils.sparse_quantize) and callable(MEF.relu)
x = ME.SparseTensor(torch.ones(1, 4), torch.zeros(1, 4, dtype=torch.int32))
assert SEBasicBlock(4, 4, reduction=2, D=3)(BasicBlock(4, 4, dimension=3)(x)).F.shape == (1, 4)
print(sys.argv[1:], __name__, ME.__version__)
"""


@pytest.fixture(autouse=True)
def _forgotten(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Undo an install."""
    before = set(sys.modules)
    monkeypatch.setattr("pcseg.minkowski.names._ours", set())
    monkeypatch.setattr(sys, "argv", list(sys.argv))
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    for name in set(sys.modules) - before:
        if not name.startswith("pcseg"):
            del sys.modules[name]


def test_a_script_runs_unchanged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "beside.py").write_text("")
    (tmp_path / "script.py").write_text("import beside\n" + SCRIPT)
    main([str(tmp_path / "script.py"), "--epochs", "3"])
    told = capsys.readouterr()
    assert told.out.strip() == "['--epochs', '3'] __main__ 0.5.4"
    assert told.err.startswith("pcseg: MinkowskiEngine")
    assert len(told.err.strip().splitlines()) == 1


def test_a_module_runs_too(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "train.py").write_text(SCRIPT)
    monkeypatch.syspath_prepend(tmp_path)
    main(["-m", "package.train", "7"])
    assert capsys.readouterr().out.strip() == "['7'] __main__ 0.5.4"


def test_it_says_once_what_it_did(capsys: pytest.CaptureFixture[str]) -> None:
    assert "MinkowskiEngine" in minkowski.install()
    assert "MinkowskiEngine" in minkowski.install()
    assert capsys.readouterr().err.count("pcseg:") == 1


def test_a_package_that_is_imported_already_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    real = ModuleType("MinkowskiEngine")
    monkeypatch.setitem(sys.modules, "MinkowskiEngine", real)
    assert "MinkowskiEngine" not in minkowski.install()
    assert sys.modules["MinkowskiEngine"] is real
    assert "MinkowskiOps" not in sys.modules


def test_a_script_that_is_not_there_is_one_line() -> None:
    with pytest.raises(SystemExit, match="no such file") as caught:
        main(["no_such.py"])
    assert "\n" not in str(caught.value)


def test_importing_pcseg_puts_no_names_there() -> None:
    """And imports neither torch nor this package."""
    code = """
import sys, pcseg
assert "torch" not in sys.modules and "pcseg.minkowski" not in sys.modules
try:
    import MinkowskiEngine
except ModuleNotFoundError:
    pass
else:
    raise SystemExit("it is there without install()")
"""
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=False)
    assert done.returncode == 0, done.stderr
