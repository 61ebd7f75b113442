"""Which kind of scene transforms and crops take: the type of their first argument tells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from pcseg.errors import InputError
from pcseg.feeding.transforms.compose import Compose, Sometimes
from pcseg.first_argument import first_type
from pcseg.scenes.points import Points

TAKES = {
    Points: (False, "augment=pictures"),
    Image.Image: (True, "augment=indoor"),
}
CROPS = {
    np.ndarray: (False, "data.crop._target_=pcseg.feeding.pictures.WindowCrop"),
    tuple: (True, "data.crop._target_=pcseg.feeding.transforms.SphereCrop"),
}
"""First arguments of transforms, and of crops: are they of pictures, and what to choose for the other kind of scene."""


def check_takes(where: str, change: Callable[..., Any], pictures: bool) -> None:
    """Raise InputError, naming the setting ``where``, for a transform or crop of point clouds where the data are
    ``pictures``, or the other way round. One that wraps others takes what they take.
    """
    if isinstance(change, (Compose, Sometimes)):
        for part in change.transforms if isinstance(change, Compose) else [change.transform]:
            check_takes(where, part, pictures)
        return
    taken, remedy = (CROPS if where == "data.crop" else TAKES).get(first_type(change), (pictures, ""))
    if taken != pictures:
        kinds = ("point clouds", "pictures")
        name = getattr(change, "__name__", type(change).__name__)
        raise InputError(f"{where}: {name} takes {kinds[taken]}, but the data are {kinds[pictures]}; choose {remedy}")
