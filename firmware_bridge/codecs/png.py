"""A picture of two colours as a PNG file. PURE.

```
 89 'PNG' 0d 0a 1a 0a   IHDR: width height depth 1, indexed   PLTE: dark, lit   IDAT: deflated rows   IEND
 chunk: u32 length, type, data, CRC-32 of type and data (PNG specification, third edition, section 5)
```
A row is a filter byte 0 and one bit a dot, the first dot in the top bit. The same picture always gives the same
bytes, so that its MD5 names it.
"""

from __future__ import annotations

import struct
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_DEPTH, _INDEXED = 1, 3
DARK = (0, 0, 0)

Colour = tuple[int, int, int]


def encode(width: int, height: int, dots: bytes, lit: Colour) -> bytes:
    """A file of `width` x `height` dots, each 0 or 1; 1 is the colour `lit`, 0 is black."""
    rows = bytearray()
    for at in range(0, width * height, width):
        bits = int("".join("1" if dot else "0" for dot in dots[at : at + width]).ljust(-(-width // 8) * 8, "0"), 2)
        rows += b"\0" + bits.to_bytes(-(-width // 8), "big")
    head = struct.pack(">IIBBBBB", width, height, _DEPTH, _INDEXED, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"PLTE", bytes((*DARK, *lit))), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return SIGNATURE + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def colour_of(text: str) -> Colour:
    """`#rrggbb` as numbers. Raises ValueError."""
    if len(text) != 7 or text[0] != "#":
        raise ValueError(f"{text!r} is no colour; write #rrggbb")
    red, green, blue = bytes.fromhex(text[1:])
    return red, green, blue
