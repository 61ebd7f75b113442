"""Find the scans to label: prepared scene folders, or point files of any format, and where their clicks are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pcseg.annotation.chunks import count_points
from pcseg.annotation.tiles import Tiles, cut
from pcseg.classes import Classes
from pcseg.datasets import ClassFile
from pcseg.datasets.cloud_scene import to_scene
from pcseg.datasets.listing import list_files, scenes_by_name
from pcseg.errors import InputError
from pcseg.formats import FORMATS, Cloud, read_cloud
from pcseg.scenes.columns import kept_columns
from pcseg.scenes.listing import is_image, is_scene
from pcseg.scenes.places import usable
from pcseg.scenes.scene import Scene, list_columns, read_scene, scene_name

FOLDER = "annotations"
"""Folder within the root where clicks and what is made of them are kept."""

TILES = "tiles"
"""Folder in the home of a place for the copies of large scans."""

TILE = 20_000_000
"""Points above which a scan is opened in tiles: 280 MB of graphics memory."""


@dataclass(frozen=True)
class Source:
    """A scan to label: ``name`` is split/scene, ``path`` a scene folder or a point file, ``log`` the file of clicks.

    ``tiles``: the copy of a scan that is too large to be held; ``tile``: the number of the one that this is, None for
    the whole scan. Clicks in all tiles are kept in the log of the scan, by the points' numbers in the whole.
    """

    name: str
    path: Path
    log: Path
    meaning: ClassFile
    tiles: Tiles | None = None
    tile: int | None = None

    @property
    def is_file(self) -> bool:
        """Whether this is a raw scan, not a prepared scene."""
        return self.path.is_file()

    def read(self) -> Scene:
        """Return the scan without any class of its points; raises InputError where it cannot be read."""
        if self.tiles is not None and self.tile is None:
            return self.tiles.scene(self.name, self.meaning.names)
        if not self.is_file:
            columns = [column for column in list_columns(self.path) if "intensity" in column.lower()]
            return read_scene(self.path, self.meaning.classes, with_labels=False, columns=columns)
        cloud = self.cloud()
        if self.meaning.scale != 1:
            cloud = replace(cloud, coord=cloud.coord * self.meaning.scale)
        kept = kept_columns(str(self.path), cloud.fields, self.meaning.keep, [])
        return to_scene(self.name, str(self.path), cloud, kept, self.meaning.names)[0]

    def open(self) -> Opened:
        """Return the points to be labeled, with their numbers in the whole scan."""
        if self.tiles is None:
            scene = self.read()
            return Opened(scene, None, (len(scene), scene.digest()))
        if self.tile is None:
            raise InputError(f"{self.name}: is opened tile by tile; choose a tile")
        scene, numbers = self.tiles.tile(self.tile, self.name, self.meaning.names)
        return Opened(scene, numbers, self.tiles.identity)

    def parts(self) -> list[Source]:
        """Return the sources that are opened one by one: the tiles of a large scan, else the scan itself."""
        if self.tiles is None:
            return [self]
        return [replace(self, tile=n) for n in range(len(self.tiles.names))]

    @property
    def title(self) -> str:
        """The name in the list of scans, in which tiles tell which they are."""
        return self.name if self.tiles is None or self.tile is None else f"{self.name} {self.tiles.names[self.tile]}"

    def cloud(self) -> Cloud:
        """Return the raw scan as its file has it."""
        return read_cloud(self.path, self.meaning.columns)

    def rows(self, cloud: Cloud) -> np.ndarray:
        """Return the numbers (P,) in the file of the points that the scene has."""
        return np.flatnonzero(usable(cloud.coord))


@dataclass(frozen=True)
class Opened:
    """Points of a scan, and their numbers (n,) in the whole, None for all; ``identity``: as Tiles.identity has it."""

    scene: Scene
    numbers: np.ndarray | None
    identity: tuple[int, str]


@dataclass(frozen=True)
class Place:
    """What is labeled: the sources by name, their classes, and the folder ``home`` for all that is made of clicks.

    ``root``: the folder of prepared scenes, None where raw scans are labeled.
    """

    sources: dict[str, Source]
    classes: Classes
    home: Path
    root: Path | None

    @property
    def listed(self) -> dict[str, Source]:
        """What can be opened, by title: scans, and the tiles of those that are too large."""
        return {part.title: part for source in self.sources.values() for part in source.parts()}

    def cut(self, most: int, told: Callable[[str], object] = lambda text: None) -> Place:
        """Return this place with each scan of more than ``most`` points as tiles, which are made where they are not.

        Scans of formats that are not read piece by piece stay whole. ``told`` is called with what is being cut.
        """
        sources = dict(self.sources)
        for name, source in self.sources.items():
            if (count := count_points(source.path)) > most:
                told(f"{name}: {count:,} points, opened as tiles of {most:,} or fewer")
                scale = source.meaning.scale if source.is_file else 1
                sources[name] = replace(source, tiles=cut(source.path, self.home / TILES / name, most, scale))
        return replace(self, sources=sources)


def open_place(path: Path, meaning: ClassFile) -> Place:
    """Return what is to be labeled at ``path``: a root of scene folders, a point file, or a folder of point files.

    Raises InputError where there is none of them.
    """
    if path.is_file():
        if path.suffix.lower() not in FORMATS:
            raise InputError(f"{path}: unknown format '{path.suffix}'; give one of {', '.join(FORMATS)}")
        log = path.with_name(f"{path.name}.clicks.jsonl")
        name = f"train/{path.stem}"
        home = path.with_name(f"{path.name}.{FOLDER}")
        return Place({name: Source(name, path, log, meaning)}, meaning.classes, home, None)
    if not path.is_dir():
        raise InputError(f"{path}: no such file or folder; give prepared scenes, a scan, or a folder of scans")
    home = path / FOLDER
    folders = list(_scene_folders(path))
    if folders:
        names = {scene_name(folder): folder for folder in folders}
        sources = {n: Source(n, folder, home / f"{n}.jsonl", meaning) for n, folder in names.items()}
        return Place(sources, meaning.classes, home, path)
    files = _files(path)
    if not files:
        raise InputError(f"{path}: neither scene folders <split>/<scene> nor a point file here; give another folder")
    sources = {name: Source(name, file, home / f"{name}.jsonl", meaning) for name, file in sorted(files.items())}
    return Place(sources, meaning.classes, home, None)


def first_scene(path: Path) -> Path | None:
    """Return the first scene folder below a root, None without one."""
    return next(iter(_scene_folders(path)), None) if path.is_dir() else None


def _scene_folders(root: Path) -> Iterable[Path]:
    for split in sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith(".") and p.name != FOLDER):
        yield from (f for f in sorted(split.iterdir()) if f.is_dir() and is_scene(f) and not is_image(f))


def _files(root: Path) -> dict[str, Path]:
    """Return the point files below a folder by the names that tools/prepare.py gives their scenes."""

    def is_scan(path: Path) -> bool:
        hidden = any(part.startswith(".") or part.endswith(FOLDER) for part in path.relative_to(root).parts)
        return path.suffix.lower() in FORMATS and not hidden and path.is_file()

    return scenes_by_name(root, filter(is_scan, list_files(root)[0]))
