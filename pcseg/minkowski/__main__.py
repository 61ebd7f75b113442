"""Run a script whose imports of MinkowskiEngine and torch_scatter find pcseg's: ``python -m pcseg.minkowski x.py``."""

from __future__ import annotations

import os
import runpy
import sys

from pcseg.minkowski.names import install

USAGE = "usage: python -m pcseg.minkowski [-m] script.py [arguments]"


def main(arguments: list[str]) -> None:
    """Run the script, or with ``-m`` the module, that ``arguments`` begin with, as the main program."""
    module = arguments[:1] == ["-m"]
    sys.argv = arguments[1:] if module else arguments
    if not sys.argv:
        sys.exit(USAGE)
    if not module and not os.path.isfile(sys.argv[0]):
        sys.exit(f"{sys.argv[0]}: no such file; {USAGE}")
    install()
    if module:
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        sys.path[0] = os.path.dirname(os.path.abspath(sys.argv[0]))
        runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])
