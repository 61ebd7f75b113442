"""Benchmarks of pcseg, run from the repository root: ``python -m benchmarks.ops``; README.md has the tables."""

import pcseg  # noqa: F401  # before torch: it chooses how threads wait
