"""PURE: a text as a QR for a sign, dot by dot: the light modules are lit, with the quiet zone that scanners need."""

from __future__ import annotations

from firmware_bridge.capabilities import Bitmap

QUIET = 4
"""Modules around the symbol (ISO/IEC 18004). Lit as well: dark dots of a sign and the dark behind it are one."""

MASK = 2
"""Scanners read any. Trying all eight for the prettiest takes 9 ms in which nothing is decided at the door; this, 1."""


def side_dots(text: str) -> int:
    """Dots that the QR of `text` needs each way, one dot a module."""
    return len(_modules(text)) + 2 * QUIET


def picture(text: str, size: tuple[int, int]) -> Bitmap:
    """The QR as large as whole dots allow, in the middle of a sign of `size`. Raises ValueError for too few."""
    modules = _modules(text)
    side = len(modules) + 2 * QUIET
    width, height = size
    scale = min(width, height) // side
    if scale < 1:
        raise ValueError(f"the QR needs {side} x {side} dots, the sign has {width} x {height}")
    left, top = (width - side * scale) // 2, (height - side * scale) // 2
    margin = bytes(left), bytes(width - left - side * scale)
    quiet = b"\1" * (QUIET * scale)
    blank = margin[0] + b"\1" * (side * scale) + margin[1]
    rows = [blank] * (QUIET * scale)
    for row in modules:
        lit = b"".join((b"\0" if dark else b"\1") * scale for dark in row)
        rows += [margin[0] + quiet + lit + quiet + margin[1]] * scale
    rows += [blank] * (QUIET * scale)
    below = height - top - side * scale
    return Bitmap(width, height, bytes(width * top) + b"".join(rows) + bytes(width * below))


def _modules(text: str) -> tuple[bytearray, ...]:
    """Row by row, 1 is dark. The level of correction is raised as far as the symbol does not grow."""
    import segno  # loaded when a profile that has such a sign is checked; no other station needs it

    return segno.make_qr(text, error="L", mask=MASK).matrix
