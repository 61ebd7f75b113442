"""Timing, memory and tables that the benchmarks share, and the work that they time."""
