"""From named columns of a point file to a cloud: which are coordinates, colours and normals, whatever the tool called them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from pcseg.data.readers.cloud import Cloud
from pcseg.data.readers.colors import color_to_uint8
from pcseg.errors import InputError

_COORD = (("x", "y", "z"),)
_COLOR = (("red", "green", "blue"), ("r", "g", "b"), ("diffuse_red", "diffuse_green", "diffuse_blue"))
_NORMAL = (("nx", "ny", "nz"), ("normal_x", "normal_y", "normal_z"), ("normalx", "normaly", "normalz"))


def to_cloud(columns: Mapping[str, np.ndarray], where: Path) -> Cloud:
    """Sort columns (each (P,), names in any case) into a cloud; those that are nothing else become its ``fields``."""
    columns = {name: values for name, values in columns.items() if values.ndim == 1 and values.dtype.kind in "biuf"}
    coord = _pick(columns, _COORD)
    if coord is None:
        raise InputError(f"{where}: no x, y and z among its columns {', '.join(columns) or '(none)'}; name them so")
    color, normal = _pick(columns, _COLOR), _pick(columns, _NORMAL)
    used = {*coord, *(color or ()), *(normal or ())}
    return Cloud(
        coord=_stack(columns, coord, np.float64),
        color=None if color is None else color_to_uint8(_stack(columns, color, None), str(where)),
        normal=None if normal is None else _stack(columns, normal, np.float32),
        fields={name: np.array(values) for name, values in columns.items() if name not in used},
    )


def color_names(names: Iterable[str]) -> list[str]:
    """The three among ``names`` that hold the colours; none where there are none."""
    return _pick(names, _COLOR) or []


@contextmanager
def parsing(path: Path, kind: str) -> Iterator[None]:
    """Turn whatever a parser raises on a damaged file into one InputError that names the file."""
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; check the path") from error
    except Exception as error:  # each library has its own exceptions, and a damaged file can raise any
        text = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"{path}: not a readable {kind} file ({text}); it may be cut off, copy it again") from error


def _pick(names: Iterable[str], choices: Sequence[Sequence[str]]) -> list[str] | None:
    lower = {name.lower(): name for name in names}
    return next(([lower[c] for c in choice] for choice in choices if all(c in lower for c in choice)), None)


def _stack(columns: Mapping[str, np.ndarray], names: Sequence[str], kind: type | None) -> np.ndarray:
    return np.stack([columns[n] for n in names], axis=1).astype(kind or columns[names[0]].dtype, copy=False)
