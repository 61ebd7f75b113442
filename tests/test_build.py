"""What setup.py decides: which build, what falls back to what, and the tag of the wheel. Nothing is compiled here."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest
import setuptools

SETUP = Path(__file__).parents[1] / "setup.py"


def run_setup(monkeypatch: pytest.MonkeyPatch, choice: str | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """The names in setup.py and what it would pass to setuptools."""
    passed: dict[str, Any] = {}
    monkeypatch.setattr(setuptools, "setup", passed.update)
    monkeypatch.delenv("PCSEG_BUILD", raising=False)
    if choice is not None:
        monkeypatch.setenv("PCSEG_BUILD", choice)
    return runpy.run_path(str(SETUP)), passed


def builder(names: dict[str, Any], tmp_path: Path) -> Any:
    command = names["BuildLibrary"](setuptools.Distribution({"ext_modules": []}))
    command.build_temp = str(tmp_path)
    return command


def patch(names: dict[str, Any], monkeypatch: pytest.MonkeyPatch, has_nvcc: bool, fails: set[str]) -> list[str]:
    """Replace the compilers; returns the list of builds that are then tried."""
    tried: list[str] = []

    def cmake_build(build: Path, cuda: bool) -> Path:
        tried.append("cuda" if cuda else "cpu")
        if tried[-1] in fails:
            raise names["BuildError"]("the compiler's words")
        return build / "libpcseg.so"

    functions = names["BuildLibrary"]._build.__globals__
    monkeypatch.setitem(functions, "cmake_build", cmake_build)
    monkeypatch.setitem(functions, "nvcc", lambda: "/bin/nvcc" if has_nvcc else None)
    return tried


def test_a_choice_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match="PCSEG_BUILD=gpu; give one of auto, none, cpu, cuda"):
        run_setup(monkeypatch, "gpu")


def test_none_is_pure_python(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_setup(monkeypatch, "none")[1]["ext_modules"] == []


@pytest.mark.parametrize("choice", [None, "", "auto", "cpu", "cuda"])
def test_all_else_has_a_library(monkeypatch: pytest.MonkeyPatch, choice: str | None) -> None:
    (extension,) = run_setup(monkeypatch, choice)[1]["ext_modules"]
    assert extension.name == "pcseg.ops.libpcseg"


@pytest.mark.parametrize(
    ("has_nvcc", "fails", "tried", "built", "words"),
    [
        (False, set(), ["cpu"], "pcseg-cpu", ""),
        (True, set(), ["cuda"], "pcseg-cuda", ""),
        (True, {"cuda"}, ["cuda", "cpu"], "pcseg-cpu", "no CUDA build here, building for the CPU alone"),
        (False, {"cpu"}, ["cpu"], None, "no CPU build here, installing pure Python"),
    ],
)
def test_auto_builds_what_it_can(
    has_nvcc: bool, fails: set[str], tried: list[str], built: str | None, words: str,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    names, _ = run_setup(monkeypatch, "auto")
    found = patch(names, monkeypatch, has_nvcc, fails)
    library = builder(names, tmp_path)._build()
    assert found == tried
    assert (library and library.parent.name) == built
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == len(fails)


@pytest.mark.parametrize("choice", ["cpu", "cuda"])
def test_what_is_asked_for_by_name_does_not_fall_back(
    choice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names, _ = run_setup(monkeypatch, choice)
    tried = patch(names, monkeypatch, True, {choice})
    with pytest.raises(SystemExit, match="the compiler's words"):
        builder(names, tmp_path)._build()
    assert tried == [choice]


def test_a_machine_without_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names, _ = run_setup(monkeypatch, "auto")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_HOME", raising=False)
    assert builder(names, tmp_path)._build() is None


def test_one_wheel_for_every_python(monkeypatch: pytest.MonkeyPatch) -> None:
    names, passed = run_setup(monkeypatch, "cpu")
    wheel = names["AnyPythonWheel"](setuptools.Distribution({"name": "pcseg", "ext_modules": passed["ext_modules"]}))
    wheel.ensure_finalized()
    python, abi, platform = wheel.get_tag()
    assert (python, abi) == ("py3", "none")
    assert platform != "any"
