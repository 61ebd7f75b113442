"""Builds the compiled ops (csrc/, through CMake) into the package: one wheel for every Python and every torch.

PCSEG_BUILD chooses: ``auto`` (default: CUDA where nvcc is, else the CPU, else nothing), ``none``, ``cpu`` or ``cuda``.
Under ``auto`` what cannot be built is left out, with one line that says so; ``cpu`` and ``cuda`` fail instead.
An editable install without a library removes the one that an earlier build left in the checkout.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.editable_wheel import editable_wheel

try:
    from setuptools.command.bdist_wheel import bdist_wheel
except ImportError:  # setuptools before 70.1
    from wheel.bdist_wheel import bdist_wheel

CHOICES = ("auto", "none", "cpu", "cuda")
CHOICE = os.environ.get("PCSEG_BUILD", "") or "auto"
if CHOICE not in CHOICES:
    sys.exit(f"error: PCSEG_BUILD={CHOICE}; give one of {', '.join(CHOICES)}")


class BuildError(Exception):
    """CMake or a compiler failed; the text is what it said."""


def nvcc() -> str | None:
    """The CUDA compiler: on PATH, or in CUDA_HOME."""
    home = os.environ.get("CUDA_HOME")
    return shutil.which("nvcc") or (shutil.which("nvcc", path=os.path.join(home, "bin")) if home else None)


def cmake_build(build: Path, cuda: bool) -> Path:
    """Build csrc/ in folder ``build``; returns the library."""
    build.mkdir(parents=True, exist_ok=True)
    # Dependencies of an isolated build come and go with it: forget where the last one found its tools.
    (build / "CMakeCache.txt").unlink(missing_ok=True)
    configure = ["cmake", "-S", str(Path(__file__).parent / "csrc"), "-B", str(build), "-DCMAKE_BUILD_TYPE=Release"]
    if ninja := shutil.which("ninja"):
        configure += ["-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={ninja}"]
    configure += [f"-DPCSEG_CUDA={'ON' if cuda else 'OFF'}"]
    if cuda and (compiler := nvcc()):
        configure += [f"-DCMAKE_CUDA_COMPILER={compiler}"]
    for command in (configure, ["cmake", "--build", str(build), "--parallel", str(os.cpu_count() or 1)]):
        try:
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        except OSError as error:
            raise BuildError(f"cmake cannot be run ({error})") from error
        if done.returncode:
            raise BuildError(done.stdout)
    return build / "libpcseg.so"


class BuildLibrary(build_ext):
    """Runs CMake where setuptools would compile an extension module."""

    def get_ext_filename(self, fullname: str) -> str:
        return os.path.join(*fullname.split(".")) + ".so"

    def build_extension(self, ext: Extension) -> None:
        target = Path(self.get_ext_fullpath(ext.name))
        target.unlink(missing_ok=True)
        library = self._build()
        if library is not None:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, target)

    def _build(self) -> Path | None:
        if CHOICE in ("cpu", "cuda"):
            try:
                return cmake_build(self._folder(CHOICE), CHOICE == "cuda")
            except BuildError as error:
                sys.exit(f"{error}\nerror: PCSEG_BUILD={CHOICE} failed, see above; PCSEG_BUILD=auto builds what it can")
        with_cuda = self._attempt("cuda", "building for the CPU alone") if nvcc() else None
        return with_cuda or self._attempt("cpu", "installing pure Python (slower reference ops)")

    def _attempt(self, kind: str, instead: str) -> Path | None:
        log = self._folder(kind).with_suffix(".log")
        log.unlink(missing_ok=True)
        try:
            return cmake_build(self._folder(kind), kind == "cuda")
        except BuildError as error:
            log.write_text(str(error))
            print(f"pcseg: no {kind.upper()} build here, {instead}; the reason is in {log}", file=sys.stderr)
            return None

    def _folder(self, kind: str) -> Path:
        return Path(self.build_temp).absolute() / f"pcseg-{kind}"


class EditableInstall(editable_wheel):
    """Under ``none`` no extension is built, so a library of an earlier build would still be loaded."""

    def run(self) -> None:
        library = Path(__file__).parent / "pcseg" / "ops" / "libpcseg.so"
        if CHOICE == "none" and library.exists():
            library.unlink()
            print(
                f"pcseg: PCSEG_BUILD=none, installing pure Python; removed {library} of an earlier build",
                file=sys.stderr,
            )
        super().run()


class AnyPythonWheel(bdist_wheel):
    """The library knows neither Python nor torch: py3-none-<platform>."""

    def get_tag(self) -> tuple[str, str, str]:
        python, abi, platform = super().get_tag()
        return ("py3", "none", platform) if self.distribution.has_ext_modules() else (python, abi, platform)


setup(
    ext_modules=[] if CHOICE == "none" else [Extension("pcseg.ops.libpcseg", sources=[], optional=True)],
    cmdclass={"build_ext": BuildLibrary, "editable_wheel": EditableInstall, "bdist_wheel": AnyPythonWheel},
)
