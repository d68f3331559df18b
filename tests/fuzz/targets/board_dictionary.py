"""Fuzz target: registers as a door board's dictionary."""

import contextlib

from firmware_bridge.codecs import FrameError
from firmware_bridge.codecs import board_dictionary as dictionary
from firmware_bridge.points import Space

_TABLE = (
    dictionary.Entry("lock_for", "s", Space.COIL, "uint16", 0x0200, -1, dictionary.WRITE, 0, 0xFFFF),
    dictionary.Entry("supply", "V", Space.INPUT, "uint16", 9, -3, dictionary.READ, 0, 0),
)


def _bytes(words: tuple[int, ...]) -> bytes:
    return b"".join(word.to_bytes(2, "big") for word in words)


SEEDS: list[bytes] = [_bytes(dictionary.encode_head(_TABLE)), _bytes(dictionary.encode_entries(_TABLE))]


def target(data: bytes) -> None:
    words = [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data) - 1, 2)]
    if len(words) == dictionary.HEAD_WORDS:
        with contextlib.suppress(FrameError):
            assert 1 <= dictionary.parse_head(words) <= dictionary.ENTRIES_MAX
    try:
        entries = dictionary.parse_entries(words)
    except FrameError:
        return
    assert dictionary.parse_entries(dictionary.encode_entries(entries)) == entries
    for entry in entries:
        if entry.readable:
            entry.point()
