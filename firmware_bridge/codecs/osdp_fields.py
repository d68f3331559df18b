"""Pieces that OSDP commands and replies are made of. PURE."""

from __future__ import annotations

from enum import IntEnum

from firmware_bridge.codecs import FrameError

KEY_BYTES = 16
RANDOM_BYTES = 8
UNIT_BYTES = 8


def records(code: IntEnum, data: bytes, size: int) -> list[bytes]:
    """The records of `size` bytes that `data` consists of. Raises FrameError without one."""
    if not data or len(data) % size:
        raise wrong_size(code, data)
    return [data[at : at + size] for at in range(0, len(data), size)]


def sized(code: IntEnum, data: bytes, size: int) -> bytes:
    """`data`, which must have `size` bytes. Raises FrameError."""
    if len(data) != size:
        raise wrong_size(code, data)
    return data


def wrong_size(code: IntEnum, data: bytes) -> FrameError:
    """The error for data that cannot belong to a code; it holds none of them."""
    return FrameError(f"{code.name} with {len(data)} bytes that do not fit")


def u16(value: int) -> bytes:
    """Two bytes. Raises ValueError for a number beyond them."""
    return _fixed(value, 2)


def u32(value: int) -> bytes:
    """Four bytes. Raises ValueError for a number beyond them."""
    return _fixed(value, 4)


def number(data: bytes) -> int:
    """The number that bytes are, low byte first."""
    return int.from_bytes(data, "little")


def _fixed(value: int, size: int) -> bytes:
    if not 0 <= value < 1 << 8 * size:
        raise ValueError(f"{value} does not fit {size} bytes")
    return value.to_bytes(size, "little")
