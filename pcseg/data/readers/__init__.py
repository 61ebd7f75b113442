"""Readers of raw data: point files of every common format, and the data sets made of them."""

from pcseg.data.readers.class_file import ClassFile, choose_classes, open_classes, read_class_file
from pcseg.data.readers.cloud import Cloud
from pcseg.data.readers.contract import Defect, SceneReader
from pcseg.data.readers.datasets import open_dataset
from pcseg.data.readers.encode import check_places
from pcseg.data.readers.files import FORMATS, read_cloud
from pcseg.data.readers.folder import FolderReader, open_folder
from pcseg.data.readers.labelled import write_labelled
from pcseg.data.readers.pointcept import PointceptReader, is_pointcept, open_pointcept
from pcseg.data.readers.s3dis import S3disReader, is_s3dis
from pcseg.data.readers.scannet import ScannetReader, is_scannet
from pcseg.data.readers.write import WRITERS, write_cloud, writer_of

__all__ = [
    "FORMATS",
    "WRITERS",
    "ClassFile",
    "Cloud",
    "Defect",
    "FolderReader",
    "PointceptReader",
    "S3disReader",
    "ScannetReader",
    "SceneReader",
    "check_places",
    "choose_classes",
    "is_pointcept",
    "is_s3dis",
    "is_scannet",
    "open_classes",
    "open_dataset",
    "open_folder",
    "open_pointcept",
    "read_class_file",
    "read_cloud",
    "write_cloud",
    "write_labelled",
    "writer_of",
]
