"""Processor time and peak memory of the parts of a prediction."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest import mock

from pcseg.engine import predict
from pcseg.engine.predict import Predictor

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")

CALLS = {
    "bulk and floor": "bulk_and_floor", "tiles": "tiles", "samples of a tile": "tile_samples",
}  # fmt: skip
"""Parts by the name of their function in pcseg.engine.predict."""


class Parts:
    """What each part takes: ``seconds`` of this process's processors, and ``peak_mb`` of memory, only on Linux.

    The peak is that of the process while the part runs: all that it holds then.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.peak_mb: dict[str, float] = {}

    @contextmanager
    def timed(self, part: str) -> Iterator[None]:
        """Count what is done within to ``part``."""
        with suppress(OSError):
            _RESET.write_text("5")  # the peak begins anew
        started = time.process_time()
        try:
            yield
        finally:
            self.seconds[part] = self.seconds.get(part, 0.0) + time.process_time() - started
            with suppress(OSError):
                line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM"))
                self.peak_mb[part] = max(self.peak_mb.get(part, 0.0), int(line.split()[1]) / 1024)

    def predict(self, predictor: Predictor, run: Callable[[], Any]) -> Any:
        """Return what ``run`` returns, which predicts with ``predictor``, and count its parts and "the rest"."""
        before = sum(self.seconds.values())
        started = time.process_time()
        with ExitStack() as stack:
            for part, name in CALLS.items():
                stack.enter_context(mock.patch.object(predict, name, self._counted(getattr(predict, name), part)))
            forward = self._counted(predictor.model.network.forward, "network")
            stack.enter_context(mock.patch.object(predictor.model.network, "forward", forward))
            found = run()
        self.seconds["the rest"] = time.process_time() - started - (sum(self.seconds.values()) - before)
        return found

    def _counted(self, function: Callable[..., Any], part: str) -> Callable[..., Any]:
        """Return ``function``, each call of which counts; of a generator, each step."""

        def call(*given: Any, **named: Any) -> Any:
            with self.timed(part):
                found = function(*given, **named)
            return self._steps(found, part) if isinstance(found, Iterator) else found

        return call

    def _steps(self, steps: Iterator[Any], part: str) -> Iterator[Any]:
        while True:
            with self.timed(part):
                step = next(steps, None)
            if step is None:
                return
            yield step

    def figures(self) -> dict[str, dict[str, float | None]]:
        """Return ``cpu_s`` and ``peak_mb`` (None where it is not known) of each part."""
        return {part: {"cpu_s": used, "peak_mb": self.peak_mb.get(part)} for part, used in self.seconds.items()}
