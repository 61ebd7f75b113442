"""Damage to the bytes of a file: bit flips, cuts, copies, edited numbers; checksums made right again afterwards."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from functools import cache

import numpy as np

from tests.endurance.seeds import members, zipped

NUMBERS = (
    b"-1", b"0", b"1", b"255", b"65536", b"2147483647", b"4294967295", b"9223372036854775807", b"18446744073709551616",
    b"-9223372036854775808", b"1e308", b"1e999", b"nan", b"-inf", b"1.5", b"", b"x", b"[]", b"null", b'"a"',
)  # fmt: skip
"""What takes the place of a number in a text or a header."""

WORDS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x7FFFFFFFFFFFFFFF, 2**64 - 1)
"""The same for binary numbers."""


def damaged(content: bytes, name: str, rng: np.random.Generator) -> bytes:
    """Return ``content`` of a file called ``name`` with damage, most often in one place; archives also inside."""
    if name.endswith(".npz") and rng.random() < 0.5:
        parts = list(members(content))
        which = int(rng.integers(len(parts)))
        parts[which] = (parts[which][0], damaged(parts[which][1], parts[which][0], rng))
        return zipped(parts)
    for _ in range(int(rng.geometric(0.6))):
        kind = KINDS[int(rng.integers(len(KINDS)))]
        content = kind(content, rng) if content else content
    return repaired(content) if name.endswith(".e57") and rng.random() < 0.8 else content


def _place(content: bytes, rng: np.random.Generator) -> int:
    """A place in the file, in its first kilobyte half of the time: there most of the description stands."""
    near = rng.random() < 0.5
    return int(rng.integers(min(len(content), 1024) if near else len(content)))


def _flip(content: bytes, rng: np.random.Generator) -> bytes:
    out = bytearray(content)
    for _ in range(int(rng.integers(1, 9))):
        out[_place(content, rng)] ^= 1 << int(rng.integers(8))
    return bytes(out)


def _cut(content: bytes, rng: np.random.Generator) -> bytes:
    return content[: _place(content, rng)]


def _drop(content: bytes, rng: np.random.Generator) -> bytes:
    at = _place(content, rng)
    return content[:at] + content[at + int(rng.integers(1, 65)) :]


def _repeat(content: bytes, rng: np.random.Generator) -> bytes:
    at, other = _place(content, rng), _place(content, rng)
    return content[:at] + content[other : other + int(rng.integers(1, 257))] + content[at:]


def _noise(content: bytes, rng: np.random.Generator) -> bytes:
    at, count = _place(content, rng), int(rng.integers(1, 33))
    return content[:at] + rng.bytes(count) + content[at + count * int(rng.integers(2)) :]


def _word(content: bytes, rng: np.random.Generator) -> bytes:
    """A binary number of 1 to 8 bytes set to one that is easily forgotten."""
    at, size = _place(content, rng), int(rng.choice([1, 2, 4, 8]))
    value = WORDS[int(rng.integers(len(WORDS)))] & ((1 << 8 * size) - 1)
    return content[:at] + value.to_bytes(size, "little" if rng.random() < 0.8 else "big") + content[at + size :]


def _float(content: bytes, rng: np.random.Generator) -> bytes:
    at = _place(content, rng)
    value = float(rng.choice([np.nan, np.inf, -np.inf, 1e300, 3.4e38, -1e30, 1e-300, 0.0]))
    return content[:at] + struct.pack("<d", value) + content[at + 8 :]


def _number(content: bytes, rng: np.random.Generator) -> bytes:
    """A number that is written as text replaced by another."""
    found = list(re.finditer(rb"-?\d+(\.\d+)?", content[:4096]))
    if not found:
        return _flip(content, rng)
    match = found[int(rng.integers(len(found)))]
    return content[: match.start()] + NUMBERS[int(rng.integers(len(NUMBERS)))] + content[match.end() :]


def _line(content: bytes, rng: np.random.Generator) -> bytes:
    """A line left out, doubled or moved."""
    lines = content.split(b"\n")
    at = int(rng.integers(min(len(lines), 40)))
    taken = lines.pop(at)
    for _ in range(int(rng.integers(3))):
        lines.insert(int(rng.integers(min(len(lines), 40) + 1)), taken)
    return b"\n".join(lines)


def _deep(content: bytes, rng: np.random.Generator) -> bytes:
    """Brackets nested as deeply as no parser expects."""
    at, count = _place(content, rng), int(rng.choice([50, 2000, 100_000]))
    return content[:at] + b"[" * count + b"]" * (count * int(rng.integers(2))) + content[at:]


KINDS: tuple[Callable[[bytes, np.random.Generator], bytes], ...] = (
    _flip, _cut, _drop, _repeat, _noise, _word, _word, _float, _number, _number, _line, _deep,
)  # fmt: skip


@cache
def _table() -> list[int]:
    """CRC-32C of each byte (Castagnoli's polynomial, reflected)."""
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


def repaired(content: bytes, page: int = 1024) -> bytes:
    """An E57 file with the checksum of each page made right, so that a reader comes to the damage itself."""
    out, table = bytearray(content), _table()
    for start in range(0, len(out) - page + 1, page):
        crc = 0xFFFFFFFF
        for byte in out[start : start + page - 4]:
            crc = table[(crc ^ byte) & 255] ^ (crc >> 8)
        out[start + page - 4 : start + page] = (crc ^ 0xFFFFFFFF).to_bytes(4, "big")
    return bytes(out)
