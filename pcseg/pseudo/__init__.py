"""Pseudo labels: where they come from, which of them to trust, and teachers."""

from pcseg.pseudo.mean_teacher import MeanTeacher

__all__ = ["MeanTeacher"]
