"""Label the points of a scan of any size, in their own order, with a trained network."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import torch

from pcseg.data.dataset import collate, make_sample
from pcseg.data.readers.cloud import color_to_uint8, recentre
from pcseg.engine.checkpoint import Model
from pcseg.engine.tiles import Tile, tiles
from pcseg.errors import InputError
from pcseg.labels import IGNORE
from pcseg.methods.base import Method
