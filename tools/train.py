"""Train a network on scene folders from a label budget; see --help."""

from __future__ import annotations

from _hydra import run
from _schema import Train
from pcseg.engine.leaving import leaving_group


def main(config: Train) -> None:
    """Start a run."""
    from _training import train  # imported late: PyTorch takes seconds to load, and a wrong setting is told at once

    train(config)


if __name__ == "__main__":
    with leaving_group():
        run(main, Train, "train")
