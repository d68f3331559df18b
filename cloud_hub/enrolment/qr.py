"""A text as a QR code: a picture for pages, blocks for terminals."""

from __future__ import annotations

import io

MASK = 3
"""Any of the eight is read by every reader. Trying all of them for the handsomest takes 50 ms, and whoever else asks
the hub waits meanwhile."""


def qr_svg(text: str) -> str:
    """SVG without a size of its own, dark on light whatever the page's colours."""
    import segno  # with its XML, and urllib behind that: for the few who add a station or a phone

    out = io.BytesIO()
    code = segno.make_qr(text, error="m", mask=MASK)
    code.save(out, kind="svg", xmldecl=False, omitsize=True, border=4, light="#fff")
    return out.getvalue().decode()


def qr_blocks(text: str) -> str:
    """For a terminal, two rows of the code in one line."""
    import segno

    out = io.StringIO()
    segno.make_qr(text, error="m", mask=MASK).terminal(out, compact=True, border=2)
    return out.getvalue()
