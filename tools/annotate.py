"""Label scans in a browser by clicks that spread at once, train from them, correct, train again; see --help."""

# ruff: noqa: RUF009 (option() is dataclasses.field)

from __future__ import annotations

from dataclasses import dataclass

from pcseg.annotation.sources import TILE
from pcseg.command_line import option, run
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
    from _annotating import annotate  # PyTorch takes seconds to load; --help and mistakes need none of it

    annotate(options)


if __name__ == "__main__":
    run(main, Options)
