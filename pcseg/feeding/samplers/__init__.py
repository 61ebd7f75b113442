"""Samplers: which scenes make up each step. To add one, subclass StepSampler and name it in a stage's ``sampler``."""

from pcseg.feeding.samplers.base import Item, Plan, Scenes, StepSampler
from pcseg.feeding.samplers.mixed import MixedSampler
from pcseg.feeding.samplers.pairs import PairSampler
from pcseg.feeding.samplers.random import RandomSampler
from pcseg.feeding.samplers.semi import SemiSampler
from pcseg.feeding.samplers.views import ViewSampler

__all__ = [
    "Item",
    "MixedSampler",
    "PairSampler",
    "Plan",
    "RandomSampler",
    "Scenes",
    "SemiSampler",
    "StepSampler",
    "ViewSampler",
]
