"""Read and write point files of every common format."""

from pcseg.formats.cloud import Cloud
from pcseg.formats.defects import Defect
from pcseg.formats.encode import check_places
from pcseg.formats.files import FORMATS, read_cloud
from pcseg.formats.labeled import write_labeled
from pcseg.formats.write import WRITERS, write_cloud, writer_of

__all__ = [
    "FORMATS",
    "WRITERS",
    "Cloud",
    "Defect",
    "check_places",
    "read_cloud",
    "write_cloud",
    "write_labeled",
    "writer_of",
]
