"""Ask a trained network about the scan that is being labeled: what it would say, and where it is in doubt."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pcseg.annotation.session import Session
from pcseg.device import choose_device
from pcseg.engine.predict import Predictor
from pcseg.errors import InputError
from pcseg.model.checkpoint import load_model


class Teacher:
    """The network in ``checkpoint``, a file or a run folder; raises InputError where it cannot be used."""

    def __init__(self, checkpoint: Path, device: str = "auto") -> None:
        self.checkpoint = checkpoint
        self._predictor = Predictor(load_model(str(checkpoint)), choose_device(device))

    def look(self, session: Session) -> None:
        """Give a session the probabilities of its classes; those of other classes are left out."""
        source, names = session.source, session.scene.classes
        known = self._predictor.classes
        if not set(known) & set(names):
            raise InputError(f"checkpoint={self.checkpoint}: knows none of the classes {', '.join(names)}; use another")
        whole = not source.is_file and source.tiles is None
        scene = session.scene if not whole else self._predictor.read(source.path, with_labels=False)
        found = session.spread.graph.mean(self._predictor.probabilities(scene))
        probabilities = np.zeros((len(found), len(names)), dtype=np.float32)
        for column, name in enumerate(known):
            if name in names:
                probabilities[:, names.index(name)] = found[:, column]
        session.predicted(probabilities)
