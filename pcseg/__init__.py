"""Label-efficient semantic segmentation of 3D point clouds."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from pcseg.device import configure_threads
from pcseg.version import __version__

if TYPE_CHECKING:
    from pcseg.annotation.notebook import annotate
    from pcseg.api import show, spread, suggest
    from pcseg.engine.predict import Predictor
    from pcseg.engine.predict_pictures import PicturePredictor

__all__ = ["__version__", "annotate", "load", "show", "spread", "suggest"]

configure_threads()  # before anything imports torch


def load(
    path: str | os.PathLike[str] = "pcseg://rooms",
    device: str = "auto",
    *,
    votes: int = 1,
    max_voxels: int = 300_000,
    smooth: float = 0.0,
    crf: bool = False,
) -> Predictor | PicturePredictor:
    """Return a trained network, ready to label scans: ``labels, confidence = pcseg.load(path).predict(xyz, color)``.

    One that was trained on pictures labels these: ``predict(image)``, (H, W, 3) uint8.

    ``path`` is a checkpoint of tools/train.py, the folder of a run (its last weights), one that tools/publish.py wrote,
    or such a one on Hugging Face's hub: "hf://owner/name" (needs ``pcseg[hub]``); by default the network for rooms that
    comes with pcseg, trained on a simulated building. ``device`` "auto", "cpu" or "cuda"; ``votes`` turned views are
    averaged; ``max_voxels`` bounds a tile and with it the memory; ``smooth`` evens probabilities out over surfaces (0:
    none; 0.003 serves rooms); ``crf`` refines them with a fully connected CRF. A network trained on columns such as
    intensity takes them, too: ``predict(xyz, columns={"intensity": values})``. Nothing in the file is executed. Raises
    InputError where it is not a checkpoint of this version.
    """
    # Here, so that what needs no network (reading, preparing, drawing labels) does not wait two seconds for it.
    from pcseg.device import choose_device
    from pcseg.engine.predictors import make_predictor
    from pcseg.model.checkpoint import load_labeler

    return make_predictor(load_labeler(path), choose_device(device), votes, max_voxels, smooth, crf)


def __getattr__(name: str) -> Any:
    """Return annotate, show, spread or suggest; imported at their first use, as what ``load`` needs."""
    if name == "annotate":
        from pcseg.annotation.notebook import annotate

        return annotate
    if name not in ("show", "spread", "suggest"):
        raise AttributeError(f"module 'pcseg' has no attribute '{name}'")
    from pcseg import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
