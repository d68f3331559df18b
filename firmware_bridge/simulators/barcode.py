"""A time painted into a picture, so that whoever sees the picture knows when it left the camera. PURE.

    +--+--+--+-- 24 cells --+--+    black is 0, white is 1, most significant bit first:
    | first 24 bits            |    5 bytes  milliseconds since 1970, modulo 2**40
    +--------------------------+    1 byte   CRC-8 (polynomial 0x07) of those five, xor 0x55
    | last 24 bits             |
    +--------------------------+    cells are square, width // 24 pixels wide, at the picture's top left

The xor keeps an all-black and an all-white picture from reading as a time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

COLUMNS = 24
ROWS = 2
MODULUS = 1 << 40


def paint(rgb: NDArray[np.uint8], milliseconds: int) -> None:
    """Writes the time into `rgb` (height, width, 3) in place; needs at least 24 x 2 pixels."""
    cell = cell_size(rgb.shape[1])
    value = (milliseconds % MODULUS).to_bytes(5, "big")
    bits = np.unpackbits(np.frombuffer(value + bytes([_check(value)]), np.uint8)).reshape(ROWS, COLUMNS)
    cells = np.repeat(np.repeat(bits, cell, axis=0), cell, axis=1) * np.uint8(255)
    rgb[: ROWS * cell, : COLUMNS * cell] = cells[:, :, None]


def read(rgb: NDArray[Any]) -> int | None:
    """The milliseconds modulo 2**40 that the picture carries, or None when it carries none."""
    cell = cell_size(rgb.shape[1])
    if rgb.shape[0] < ROWS * cell:
        return None
    middle = cell // 2
    centres = rgb[middle : ROWS * cell : cell, middle : COLUMNS * cell : cell].astype(np.uint16).mean(axis=2)
    data = np.packbits(centres > 127).tobytes()
    return int.from_bytes(data[:5], "big") if _check(data[:5]) == data[5] else None


def cell_size(width: int) -> int:
    if width < COLUMNS:
        raise ValueError(f"a picture {width} pixels wide has no room for a barcode of {COLUMNS} cells")
    return width // COLUMNS


def _check(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x07) & 0xFF if crc & 0x80 else crc << 1
    return crc ^ 0x55
