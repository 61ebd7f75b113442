"""Transforms and crops tell which kind of scene they take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pcseg.errors import InputError
from pcseg.feeding import pictures, transforms
from pcseg.feeding.kinds import check_takes

WRAPPED = transforms.Sometimes(transforms.Compose([pictures.Blur()]), 0.5)
CHANGES: dict[bool, list[Callable[..., Any]]] = {
    False: [
        *(
            getattr(transforms, name)()
            for name in sorted(
                set(transforms.__all__) - {"Transform", "mix3d", "Compose", "Sometimes", "BoxCrop", "SphereCrop"}
            )
        ),
        transforms.SphereCrop(1.0),
        transforms.BoxCrop(1.0),
        transforms.Sometimes(transforms.Flip(), 0.5),
    ],
    True: [pictures.Blur(), pictures.Grayscale(), pictures.Jitter(), pictures.WindowCrop(), WRAPPED],
}


@pytest.mark.parametrize("of_pictures", [False, True])
def test_each_is_refused_for_the_other_kind(of_pictures: bool) -> None:
    for change in CHANGES[of_pictures]:
        where = "data.crop" if type(change).__name__.endswith("Crop") else "augment.x"
        check_takes(where, change, of_pictures)
        said = rf"^{where}: \w+ takes (pictures|point clouds), but the data are .*; choose {where.partition('.')[0]}"
        with pytest.raises(InputError, match=said):
            check_takes(where, change, not of_pictures)


def test_one_of_no_type_or_another_is_taken_as_it_is() -> None:
    def array(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return image

    for change in (lambda points, rng: points, transforms.Compose([]), array):
        check_takes("augment.x", change, True)
