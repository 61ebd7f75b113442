"""Where a checkpoint is: a file, a run, a published folder, in this package, or on Hugging Face's hub."""

from __future__ import annotations

import os
import re
from pathlib import Path

from pcseg.errors import InputError, cut, reason

HUB = "hf://"
"""The beginning of an address on the hub: hf://owner/name, with @revision behind it if that matters."""

SHIPPED = "pcseg://"
"""The beginning of the name of a network that comes with this package: pcseg://rooms."""

PUBLISHED = "model.safetensors"
"""Name of the checkpoint in a published folder."""


def checkpoint_file(place: str | os.PathLike[str]) -> Path:
    """Return the file of the checkpoint at ``place``; one on the hub is fetched, and kept by huggingface_hub.

    pcseg://<name> is one that comes with this package. A run folder stands for its ``last.safetensors``, one that
    tools/publish.py wrote for its ``model.safetensors``. Raises InputError for an address that cannot be fetched;
    whether the file is there is up to its reader.
    """
    if str(place).startswith(HUB):
        return _fetched(str(place)) / PUBLISHED
    if str(place).startswith(SHIPPED):
        return _shipped(str(place)) / PUBLISHED
    path = Path(place)
    if not path.is_dir():
        return path
    last = path / "last.safetensors"
    return path / PUBLISHED if not last.exists() and (path / PUBLISHED).exists() else last


def _shipped(name: str) -> Path:
    """Return the folder of a network that comes with this package."""
    home = Path(__file__).with_name("shipped")
    known = sorted(path.name for path in home.iterdir() if (path / PUBLISHED).is_file())
    if name.removeprefix(SHIPPED) not in known:
        raise InputError(f"{cut(name, 100)}: comes not with pcseg; there are {', '.join(SHIPPED + k for k in known)}")
    return home / name.removeprefix(SHIPPED)


def _fetched(address: str) -> Path:
    """Return the folder on this machine that holds what is published at an address."""
    parts = re.fullmatch(r"([\w.-]+/[\w.-]+)(?:@([\w./-]+))?", address.removeprefix(HUB), re.ASCII)
    if parts is None:
        raise InputError(f"{cut(address, 100)}: is no address on the hub; write hf://owner/name or with @revision")
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise InputError(
            f"{address}: needs the package huggingface_hub; pip install 'pcseg[hub]', or give a folder"
        ) from error
    try:
        folder = snapshot_download(parts[1], revision=parts[2], allow_patterns=[PUBLISHED, "config.json"])
    except Exception as error:  # it raises those of its own, of requests and of the system
        what = cut(reason(error), 200)
        raise InputError(
            f"{address}: cannot be fetched ({what}); check the name, your access and the network"
        ) from error
    if not (Path(folder) / PUBLISHED).is_file():
        raise InputError(f"{address}: holds no {PUBLISHED}; give one that tools/publish.py wrote")
    return Path(folder)
