"""Decompress LZF, as in binary_compressed PCD files (Marc Lehmann's liblzf format)."""

from __future__ import annotations

MOST = 88
"""Bytes that one byte of LZF can become: 3 bytes copy at most 264."""


def lzf_decompress(packed: bytes, size: int) -> bytes:
    """Return ``packed`` decompressed from LZF: literals, and copies from up to 8192 bytes back; at most ``size`` bytes.

    Raises ValueError if ``packed`` is damaged or does not hold ``size`` bytes.
    """
    out = bytearray()
    at = done = 0
    try:
        while at < len(packed):
            control = packed[at]
            if control < 32:
                stop = at + control + 2
                out += packed[at + 1 : stop]
                at = stop
                done += control + 1
            else:
                count = control >> 5
                at += 1
                if count == 7:
                    count += packed[at]
                    at += 1
                count += 2
                start = done - ((control & 31) << 8) - packed[at] - 1
                at += 1
                if start < 0:
                    raise ValueError("the compressed data refers to bytes before its start")
                if start + count <= done:
                    out += out[start : start + count]
                else:  # a copy that overlaps its output repeats it
                    part = out[start:]
                    out += (part * (count // len(part) + 1))[:count]
                done += count
            if done > size:
                break
    except IndexError:
        raise ValueError("the compressed data ends within a copy") from None
    if at > len(packed):
        raise ValueError("the compressed data ends within a run")
    if len(out) != size:
        raise ValueError(f"{'more than ' if done > size else ''}{len(out)} bytes after decompression instead of {size}")
    return bytes(out)
