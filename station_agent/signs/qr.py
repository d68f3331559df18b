"""PURE: a text as a QR for a sign, dot by dot: the light modules are lit, with the quiet zone that scanners need."""

from __future__ import annotations

import segno

from firmware_bridge.capabilities import Bitmap

QUIET = 4
"""Modules around the symbol (ISO/IEC 18004). Lit as well: dark dots of a sign and the dark behind it are one."""


def side_dots(text: str) -> int:
    """Dots that the QR of `text` needs each way, one dot a module."""
    return len(segno.make_qr(text, error="L").matrix) + 2 * QUIET


def picture(text: str, size: tuple[int, int]) -> Bitmap:
    """The QR as large as whole dots allow, in the middle of a sign of `size`. Raises ValueError for too few."""
    code = segno.make_qr(text, error="L")  # the level is raised as far as the symbol does not grow
    side = len(code.matrix) + 2 * QUIET
    width, height = size
    scale = min(width, height) // side
    if scale < 1:
        raise ValueError(f"the QR needs {side} x {side} dots, the sign has {width} x {height}")
    modules = [[not dark for dark in row] for row in code.matrix_iter(scale=scale, border=QUIET)]
    left, top = (width - side * scale) // 2, (height - side * scale) // 2
    dots = bytearray(width * height)
    for y, row in enumerate(modules):
        start = (top + y) * width + left
        dots[start : start + len(row)] = bytes(row)
    return Bitmap(width, height, bytes(dots))
