"""PURE: a text becomes pictures of the sign's size. Chinese is drawn here; a sign's own font has none.

    "会员码已过期,请刷新" on 64 x 16  ->  page 1 "会员码已"  page 2 "过期,请"  page 3 "刷新"

Glyphs come from Noto Sans CJK at the height of the sign, thresholded to dots: grey has no meaning on a LED. Lines are
filled character by character (Chinese has no spaces to break at) except that a Latin word stays whole where it fits,
and that closing punctuation does not begin a line.
"""

from __future__ import annotations

import importlib.resources
import re
from dataclasses import dataclass
from functools import cache

from PIL import Image, ImageDraw, ImageFont

from firmware_bridge.capabilities import Bitmap

LINE_HEIGHT_MAX = 24
"""A sign higher than this shows several lines of text."""

THRESHOLD = 110
"""Of 255: thin strokes at 16 px are grey and must stay; lower joins the strokes of dense characters."""

FACE_SC = 2
"""Noto's collection holds JP, KR, SC, TC, HK in this order: Chinese forms as they are written on the mainland."""

_NOT_FIRST = "，。、；：！？）》」』…,.;:!?)%"
_WORDS = re.compile(r"[A-Za-z0-9+#&@/.:-]+|\s+|.", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Layout:
    """How text stands on a sign of a size."""

    width: int
    height: int

    @property
    def lines(self) -> int:
        return max(1, self.height // LINE_HEIGHT_MAX) if self.height > LINE_HEIGHT_MAX else 1

    @property
    def line_height(self) -> int:
        return self.height // self.lines


def pages(text: str, size: tuple[int, int], pages_max: int) -> list[Bitmap]:
    """`text` as at most `pages_max` pictures of `size` (width, height in dots); what does not fit ends in "…"."""
    layout = Layout(*size)
    font = _font(layout.line_height)
    lines = _broken(_drawable(text), font, layout.width)
    lines_max = pages_max * layout.lines
    if len(lines) > lines_max:
        lines = [*lines[: lines_max - 1], _shortened(lines[lines_max - 1], font, layout.width)]
    if not lines:
        lines = [""]
    groups = [lines[start : start + layout.lines] for start in range(0, len(lines), layout.lines)]
    return [_drawn(group, font, layout) for group in groups]


@cache
def _font(line_height: int) -> ImageFont.FreeTypeFont:
    """The size whose ideographs fill a line: an em is as high as the line, less a dot of air on small signs."""
    source = importlib.resources.files("noto_cjk_sans_otc").joinpath("NotoSansCJK-Regular.ttc")
    with importlib.resources.as_file(source) as path:
        return ImageFont.truetype(str(path), line_height, FACE_SC, layout_engine=ImageFont.Layout.BASIC)


def _drawable(text: str) -> str:
    """Without what has no shape: control characters, lone surrogates."""
    return "".join(char for char in text if char.isprintable() or char in "\n ").strip()


def _broken(text: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    lines: list[str] = []
    line = ""
    for word in _WORDS.findall(text):
        if word == "\n":
            lines.append(line.rstrip())
            line = ""
            continue
        for part in [word] if font.getlength(word) <= width else list(word):
            fits = font.getlength(line + part) <= width
            if not fits and line:
                if part in _NOT_FIRST and len(line) > 1:
                    line, part = line[:-1], line[-1] + part
                lines.append(line.rstrip())
                line = ""
            line += part if line or not part.isspace() else ""
    if line.strip():
        lines.append(line.rstrip())
    return [line for line in lines if line]


def _shortened(line: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    while line and font.getlength(line + "…") > width:
        line = line[:-1]
    return line + "…"


def _drawn(lines: list[str], font: ImageFont.FreeTypeFont, layout: Layout) -> Bitmap:
    """Each line in the middle of its band, by the ink box of ideographs and not of the line, so that none jumps."""
    image = Image.new("L", (layout.width, layout.height), 0)
    draw = ImageDraw.Draw(image)
    top, bottom = _ink(font)
    used = layout.line_height * len(lines)
    for number, line in enumerate(lines):
        left = (layout.width - font.getlength(line)) // 2
        band = (layout.height - used) // 2 + number * layout.line_height
        draw.text((left, band + (layout.line_height - (bottom - top)) // 2 - top), line, fill=255, font=font)
    dots = image.point([1 if level >= THRESHOLD else 0 for level in range(256)]).tobytes()
    return Bitmap(layout.width, layout.height, dots)


@cache
def _ink(font: ImageFont.FreeTypeFont) -> tuple[int, int]:
    """Top and bottom of the ink of ideographs."""
    _, top, _, bottom = font.getbbox("国围鬱")
    return int(top), int(bottom)
