"""Serve the page on which scans are labeled."""

from __future__ import annotations

import signal
import webbrowser
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from pcseg.annotation.begin import meaning_of, person
from pcseg.annotation.desk import Desk
from pcseg.annotation.nodes import MOST_NODES
from pcseg.annotation.requests import make_server
from pcseg.annotation.sources import Place, open_place
from pcseg.annotation.training import Training
from pcseg.device import set_threads
from pcseg.errors import InputError

if TYPE_CHECKING:
    from annotate import Options


def annotate(options: Options) -> None:
    """Serve the page for the scans that the options name, until a signal ends it."""
    if options.tile < MOST_NODES // 100:
        raise InputError(f"tile={options.tile}: give a tile {MOST_NODES // 100:,} points or more")
    if options.steps < 1 or not 0 <= options.port < 65536:
        raise InputError(f"steps={options.steps}, port={options.port}: give 1 step or more, and a port up to 65535")
    if options.threads is not None:
        set_threads(options.threads)
    columns = tuple(name.strip() for name in options.columns.split(",") if name.strip())
    place = open_place(Path(options.root), meaning_of(Path(options.root), options.classes, columns))
    place = place.cut(options.tile, lambda text: print(text, flush=True))
    tool = Path(__file__).with_name("train.py")
    settings = (f"device={options.device}", *options.settings)
    training = Training(place, tool, options.steps, settings)
    checkpoint = Path(options.checkpoint) if options.checkpoint else None
    desk = Desk(place, options.author or person(), training, checkpoint, options.device)
    try:
        server, address = make_server(desk, options.port)
    except OSError as error:
        raise InputError(f"port={options.port}: is taken ({error.strerror}); give another one, or port=0") from error
    signal.signal(signal.SIGTERM, interrupt)
    try:
        print(f"{len(place.sources):,} scans, {len(place.classes)} classes; clicks are kept in {kept(place)}")
        print(f"open {address}\n(Ctrl-C ends it; every click is on disk by then)", flush=True)
        if options.browser:
            webbrowser.open(address)
        server.serve_forever(poll_interval=0.2)
    finally:
        server.server_close()
        desk.close()


def kept(place: Place) -> Path:
    """Return where the clicks are kept: the file of one scan, or the folder of many."""
    logs = [source.log for source in place.sources.values()]
    return logs[0] if len(logs) == 1 else place.home


def interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """End as Ctrl-C does; a second signal does not disturb the end."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt
