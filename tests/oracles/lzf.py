"""Compress with LZF, an independent statement of the format."""

from __future__ import annotations


def lzf_literal(data: bytes) -> bytes:
    """Return valid LZF without any compression."""
    runs = [data[i : i + 32] for i in range(0, len(data), 32)]
    return b"".join(bytes([len(run) - 1]) + run for run in runs)


def lzf_compress(data: bytes) -> bytes:
    """Compress with a small, greedy LZF encoder, an independent statement of the format."""
    out, at, literal = bytearray(), 0, bytearray()
    while at < len(data):
        best, back = 0, 0
        for distance in range(1, min(at, 300) + 1):
            length = 0
            while length < 264 and at + length < len(data) and data[at + length] == data[at + length - distance]:
                length += 1
            if length > best:
                best, back = length, distance - 1
        if best >= 3:
            out += lzf_literal(bytes(literal))
            literal.clear()
            size = best - 2
            out += bytes([(size << 5) | back >> 8]) if size < 7 else bytes([(7 << 5) | back >> 8, size - 7])
            out.append(back & 255)
            at += best
        else:
            literal.append(data[at])
            at += 1
    return bytes(out + lzf_literal(bytes(literal)))
