"""Read folders of pictures that tools/prepare.py wrote, to check them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pcseg.classes import Classes
from pcseg.errors import InputError
from pcseg.formats.defects import Defect
from pcseg.scenes.listing import is_scene
from pcseg.scenes.scene import Scene, read_classes, read_scene


@dataclass(frozen=True)
class PreparedPictures:
    """Reads ``root/<split>/<picture>/{image,segment}.npy``."""

    root: str
    classes: Classes

    def scenes(self) -> list[str]:
        return sorted("/".join(path.parts[-2:]) for path in _folders(self.root))

    def remarks(self) -> list[Defect]:
        return []

    def sources(self, name: str) -> list[Path]:
        return [Path(self.root) / name]

    def read(self, name: str) -> tuple[Scene, list[Defect]]:
        folder = Path(self.root) / name
        if not is_scene(folder):
            raise InputError(f"{folder}: arrays of a picture, but no image.npy; prepare it again, or remove the folder")
        return read_scene(folder, self.classes, with_labels=True), []


def is_prepared_pictures(root: str) -> bool:
    """Return whether ``root`` holds folders of prepared pictures, and none of clouds."""
    there = Path(root)
    return any(there.glob("*/*/image.npy")) and not any(there.glob("*/*/coord.npy"))


def open_prepared_pictures(root: str, classes: Classes | None = None) -> PreparedPictures:
    """Return a reader with ``classes``, or with those in dataset.json; raises InputError where there are none."""
    return PreparedPictures(root, read_classes(root) if classes is None else classes)


def _folders(root: str) -> set[Path]:
    found = {path.parent for name in ("image", "segment") for path in Path(root).glob(f"*/*/{name}.npy")}
    return {folder for folder in found if not any(part.startswith(".") for part in folder.relative_to(root).parts)}
