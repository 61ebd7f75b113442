"""Label scans in a browser by clicks that spread at once, train from them, correct, train again; see --help."""

# ruff: noqa: RUF009 (option() is dataclasses.field)

from __future__ import annotations

from pcseg.command_line import option, run  # before torch: pcseg chooses how the threads wait

# isort: split

import signal
import webbrowser
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

from pcseg.annotation.begin import meaning_of, person
from pcseg.annotation.desk import Desk
from pcseg.annotation.nodes import MOST_NODES
from pcseg.annotation.requests import make_server
from pcseg.annotation.sources import TILE, Place, open_place
from pcseg.annotation.training import Training
from pcseg.device import set_threads
from pcseg.errors import InputError
from pcseg.formats import FORMATS


@dataclass
class Options:
    """Label scans in a browser: each click spreads over the surface at once; train from the clicks, correct, go on.

    python tools/annotate.py root=data/mine
    python tools/annotate.py root=scan.laz classes=ground,tree,house
    python tools/annotate.py root=scans classes=classes.yaml checkpoint=outputs/custom

    Prints an address for a browser on this machine; it is served to this machine alone. From another one:
    ssh -L 8765:127.0.0.1:8765 <machine>, then open the same address there. Every click is on disk before the page
    shows it as saved: in <root>/annotations/<split>/<scene>.jsonl, or beside a single scan. Ctrl-C ends it; started
    again it shows everything as it was. docs/annotate.md has the keys.
    """

    root: str = option(f"folder of scenes (tools/prepare.py), a scan ({' '.join(FORMATS)}) or a folder of scans")
    classes: str = option("auto (those of the scenes), s3dis, scannet20, a classes.yaml, or names: floor,wall", "auto")
    checkpoint: str = option("a .safetensors file or a run folder: shows what this network says, and its doubt", "")
    columns: str = option("names of the columns of a text or .npy table, e.g. x,y,z,red,green,blue", "")
    author: str = option("who labels; the clicks say so. Empty: your name on this machine", "")
    steps: int = option("steps of training", 500)
    settings: list[str] = option("further settings of tools/train.py, e.g. [data.voxel_size=0.1]", factory=list)
    tile: int = option("points above which a LAS or LAZ file or a scene folder is opened in tiles", TILE)
    port: int = option("port of this machine; 0: any free one", 8765)
    browser: bool = option("open the page in a browser", True)
    device: str = option("of networks: auto, cpu or cuda", "auto")
    threads: int | None = option("CPU threads; null for all cores", None)


def main(options: Options) -> None:
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
    print(f"{len(place.sources):,} scans, {len(place.classes)} classes; clicks are kept in {kept(place)}")
    print(f"open {address}\n(Ctrl-C ends it; every click is on disk by then)", flush=True)
    if options.browser:
        webbrowser.open(address)
    try:
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


if __name__ == "__main__":
    run(main, Options)
