"""ASCII text as pictures, for signs that have no font of their own. Chinese is drawn by the agent."""

from __future__ import annotations

from collections.abc import Callable

from firmware_bridge.capabilities import Bitmap

# A line of text is at most this high, so that a large sign shows several.
LINE_PX_MAX = 24
LINE_PX_MIN = 8
THRESHOLD = 110


def lettered(sign: str, text: str, size: tuple[int, int], pages_max: int) -> list[Bitmap]:
    """`text` on pages of `size`. Raises ValueError for characters that are not ASCII, or when it takes more pages."""
    from PIL import Image, ImageDraw, ImageFont  # 20 MB that a station without such a sign does not need

    lacking = sorted({char for char in text if not " " <= char <= "~"})
    if lacking:
        raise ValueError(f"{sign} has no {' '.join(map(repr, lacking))} in its font; show a picture")
    width, height = size
    line_px = max(LINE_PX_MIN, min(height, LINE_PX_MAX))
    font = ImageFont.load_default(line_px * 0.8)
    lines = _broken(text, lambda part: font.getlength(part) <= width) or [""]
    lines_a_page = max(1, height // line_px)
    groups = [lines[at : at + lines_a_page] for at in range(0, len(lines), lines_a_page)]
    if len(groups) > pages_max:
        raise ValueError(f"{sign}: text of {len(text)} characters takes {len(groups)} pages, {pages_max} is the most")
    pages = []
    for group in groups:
        image = Image.new("L", size, 0)
        draw = ImageDraw.Draw(image)
        top = (height - line_px * len(group)) // 2
        for number, line in enumerate(group):
            middle = (width / 2, top + (number + 0.5) * line_px)
            draw.text(middle, line, fill=255, font=font, anchor="mm")
        pages.append(Bitmap(width, height, image.point([level >= THRESHOLD for level in range(256)]).tobytes()))
    return pages


def _broken(text: str, fits: Callable[[str], bool]) -> list[str]:
    """Lines that fit, broken at spaces; a word that does not fit is cut."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        for part in [word] if fits(word) else list(word):
            gap = " " if line and part == word else ""
            if line and not fits(line + gap + part):
                lines.append(line)
                line, gap = "", ""
            line += gap + part
    return [*lines, line] if line else lines
