"""Read raw data sets as scenes."""

from pcseg.datasets.choose import open_dataset
from pcseg.datasets.class_file import ClassFile, choose_classes, open_classes, read_class_file
from pcseg.datasets.contract import SceneReader
from pcseg.datasets.folder import FolderReader, open_folder
from pcseg.datasets.pointcept import PointceptReader, is_pointcept, open_pointcept
from pcseg.datasets.s3dis import S3disReader, is_s3dis
from pcseg.datasets.scannet import ScannetReader, is_scannet

__all__ = [
    "ClassFile",
    "FolderReader",
    "PointceptReader",
    "S3disReader",
    "ScannetReader",
    "SceneReader",
    "choose_classes",
    "is_pointcept",
    "is_s3dis",
    "is_scannet",
    "open_classes",
    "open_dataset",
    "open_folder",
    "open_pointcept",
    "read_class_file",
]
