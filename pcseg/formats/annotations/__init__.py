"""Read and write the labels of other annotation tools, one file per tool."""

from pcseg.formats.annotations.annotation import Annotation, Box, LabeledScan
from pcseg.formats.annotations.files import WRITERS, find_annotations, read_annotation

__all__ = ["WRITERS", "Annotation", "Box", "LabeledScan", "find_annotations", "read_annotation"]
