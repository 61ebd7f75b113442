"""Set how hard the simulated building is to segment: all tuned numbers in one place."""

from __future__ import annotations

from dataclasses import dataclass, fields

from pcseg.errors import InputError


@dataclass(frozen=True)
class Difficulty:
    """The difficulty of a building. All shares are probabilities in [0, 1]; the rest are factors, 0 or more.

    ``shape_overlap``: share of objects built in the shape of their look-alike (armchair and sofa, pilaster and wall,
    notice board and window ...). ``color_overlap``: share of objects that take any color of the building instead of one
    usual for their class. ``look_alikes``: share of clutter that imitates a class (cabinet, counter, duct, screen,
    poster) among large clutter. ``clutter``: factor on the number of clutter objects. ``light``: spread of light,
    exposure and white balance between rooms and scans. ``style``: how far areas differ in palette and proportions.
    ``range_noise``: standard deviation of the measured distance, in meters, at 3 m. ``color_noise``: the same of a
    color channel in [0, 1]. ``dropout``: factor on returns lost at grazing angles and on glass.
    """

    shape_overlap: float = 0.15
    color_overlap: float = 0.1
    look_alikes: float = 0.2
    clutter: float = 1.0
    light: float = 0.5
    style: float = 0.5
    range_noise: float = 0.006
    color_noise: float = 0.04
    dropout: float = 1.0

    def __post_init__(self) -> None:
        shares = ("shape_overlap", "color_overlap", "look_alikes")
        for name in (f.name for f in fields(self)):
            value = getattr(self, name)
            if not 0 <= value <= (1 if name in shares else 1e6):
                raise InputError(f"difficulty.{name}={value}: give {'0 to 1' if name in shares else '0 or more'}")
