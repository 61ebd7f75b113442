"""Leave the process group of a run at its end; loads no PyTorch."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def leaving_group() -> Iterator[None]:
    """Leave the process group, if there is one, when this process exits: left open, it may abort the interpreter.

    Put it around the whole program: processes meet only once, however many runs they do. After an error that nobody
    foresaw the group stays open, since leaving it would wait for messages on their way.
    """
    try:
        yield
    except SystemExit:
        torch = sys.modules.get("torch")
        if torch is not None and torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
        raise
