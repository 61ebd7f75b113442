"""Tensors with a description in one safetensors file: nothing in it is run, and its claims are checked before use."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from pcseg.errors import InputError, cut, reason
from pcseg.files import atomic_path, parse_json

Shapes = Mapping[str, tuple[int, ...]]
"""The shape of each tensor by its name."""

FORMAT = 2
"""Number of the layout written here."""

READS = {"model": (1, 2), "state": (2,)}
"""Layouts that are read of each kind of file; another one is refused by name. Format 1 was written by pcseg 0.1."""

MOST_HEADER = 2**22
"""Characters of the longest description that is read, 4 MiB."""

MOST_TENSORS = 10_000
"""Tensors that a file may hold, some twenty times as many as those of MinkUNet34C with its optimizer."""

FIELDS: dict[str, dict[str, tuple[type, ...]]] = {
    "model": {"network": (dict,), "classes": (dict,), "record": (dict,)},
    "state": {
        "step": (int,), "seconds": (int, float), "best": (dict, type(None)), "optimizers": (dict,),
        "precision": (dict,), "networks": (dict,), "classes": (dict,), "record": (dict,),
    },
}  # fmt: skip
"""Fields that the description of each kind of file must hold, and their types."""

PIECE = 2**24
"""Bytes that are compared at a time with what was written."""


def check_name(path: str | os.PathLike[str]) -> None:
    """Raise InputError for a path that is not UTF-8: safetensors does not open it."""
    try:
        os.path.abspath(path).encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"{path}: checkpoints need a name that is UTF-8; rename it, or choose another place"
        ) from error


def write_tensors(path: str | os.PathLike[str], kind: str, tensors: Mapping[str, Tensor], header: Any) -> None:
    """Write tensors and a JSON header of this ``kind``, atomically; the file is read back byte for byte."""
    check_name(path)
    text = json.dumps({"format": FORMAT, "kind": kind, **header}, allow_nan=False)
    # Cloned: safetensors refuses tensors that share memory, and views drag their whole storage along.
    copies = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}
    data = safetensors.torch.save(copies, {"pcseg": text})

    def read_back(temporary: Path) -> None:
        with open(temporary, "rb") as stream:
            for start in range(0, len(data) + 1, PIECE):
                if stream.read(PIECE) != data[start : start + PIECE]:
                    raise OSError("the disk gives back other bytes")
        with safetensors.safe_open(temporary, framework="pt") as file:
            _header(file, path, kind)

    with atomic_path(path, read_back) as temporary:
        temporary.write_bytes(data)


def read_tensors(
    path: str | os.PathLike[str], kind: str, check: Callable[[dict[str, Any], Shapes], object] | None = None
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what ``write_tensors`` wrote: the tensors, on the CPU, and the header.

    ``check`` is called with the header and all shapes before any tensor is read. Raises InputError for anything else:
    no such file, a pickle, a truncated file, another program's safetensors, a file of another kind or format.
    """
    if not Path(path).is_file():
        raise InputError(f"{path}: no such checkpoint")
    if str(path).lower().endswith((".pth", ".pt")):
        raise InputError(f"{path}: is no checkpoint of pcseg; turn it into one with tools/convert_checkpoint.py")
    check_name(path)
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            header = _header(file, path, kind)
            _check_fields(header, path, kind)
            names = list(file.keys())
            if check:
                check(header, {name: tuple(file.get_slice(name).get_shape()) for name in names})
            return {name: file.get_tensor(name) for name in names}, header
    except InputError:
        raise
    except Exception as error:  # safetensors and torch each have errors of their own; all mean the same to the user
        raise InputError(
            f"{path}: not a whole safetensors file ({reason(error)}); give a checkpoint written by tools/train.py"
        ) from error


def _header(file: Any, path: str | os.PathLike[str], kind: str) -> dict[str, Any]:
    """The header in an open safetensors file, which must be of this format and ``kind``."""
    text = (file.metadata() or {}).get("pcseg", "null")
    if len(text) > MOST_HEADER or len(file.keys()) > MOST_TENSORS:
        raise InputError(f"{path}: {len(file.keys()):,} tensors described by {len(text):,} characters are too many")
    header = parse_json(text, f"{path}: its description is damaged")
    if not isinstance(header, dict) or "format" not in header:
        raise InputError(
            f"{path}: holds tensors but no description by pcseg; give a checkpoint written by tools/train.py"
        )
    if header.get("kind") != kind:
        found = cut(str(header.get("kind")), 20)
        raise InputError(f"{path}: a '{found}' file where a '{kind}' file is needed")
    if header["format"] not in READS[kind]:
        found, reads = cut(str(header["format"]), 20), " and ".join(map(str, READS[kind]))
        raise InputError(
            f"{path}: checkpoint format {found}, this version reads {reads}; use the pcseg that wrote it (format 1: "
            "0.1)"
        )
    return header


def _check_fields(header: Mapping[str, Any], path: str | os.PathLike[str], kind: str) -> None:
    for name, types in FIELDS.get(kind, {}).items():
        value = header.get(name, ...)
        if not isinstance(value, types) or isinstance(value, bool):
            found = "absent" if value is ... else cut(repr(value), 60)
            raise InputError(f"{path}: its description is damaged ({name} is {found}); train or copy it again")
