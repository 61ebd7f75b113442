"""Readers of raw data: point files of every common format, and the data sets made of them."""

from pcseg.data.readers.cloud import Cloud
from pcseg.data.readers.contract import Defect, SceneReader
from pcseg.data.readers.s3dis import S3disReader, is_s3dis

__all__ = ["Cloud", "Defect", "S3disReader", "SceneReader", "is_s3dis"]
