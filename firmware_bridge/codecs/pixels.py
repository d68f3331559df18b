"""Dots of a sign as pixels of a framebuffer, and back. PURE.

Source: the kernel's include/uapi/linux/fb.h (fb_bitfield: offset from the right and length in bits, little-endian
pixels as on every board that this runs on).

```
 32 bits  xxxxxxxx rrrrrrrr gggggggg bbbbbbbb    16 bits  rrrrrggg gggbbbbb    8 bits  a grey or a palette's index
```
One dot is one pixel: nothing is scaled.
"""

from __future__ import annotations

from dataclasses import dataclass

from firmware_bridge.capabilities import Bitmap
from firmware_bridge.codecs.png import Colour


@dataclass(frozen=True, slots=True)
class Field:
    """Where one colour stands in a pixel; a length of 0 is none."""

    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class PixelFormat:
    """A pixel of 8, 16, 24 or 32 bits. Without fields it is a grey or a palette's index, and 255 is lit."""

    bits: int
    red: Field = Field(0, 0)
    green: Field = Field(0, 0)
    blue: Field = Field(0, 0)

    def __post_init__(self) -> None:
        if self.bits not in (8, 16, 24, 32):
            raise ValueError(f"pixels of {self.bits} bits; 8, 16, 24 and 32 are known")
        for field in self._fields:
            if not 0 <= field.offset <= self.bits - field.length or not 0 <= field.length <= 8:
                raise ValueError(f"a colour of {field.length} bits at {field.offset} of {self.bits}")

    @property
    def size(self) -> int:
        """Bytes of a pixel."""
        return self.bits // 8

    @property
    def _fields(self) -> tuple[Field, Field, Field]:
        return self.red, self.green, self.blue

    def pixel(self, colour: Colour) -> bytes:
        """The bytes of one pixel of that colour."""
        if not any(field.length for field in self._fields):
            return b"\xff" * self.size if any(colour) else bytes(self.size)
        value = 0
        for field, level in zip(self._fields, colour, strict=True):
            value |= (level >> (8 - field.length)) << field.offset
        return value.to_bytes(self.size, "little")

    def is_lit(self, pixel: bytes) -> bool:
        """Whether a pixel has any colour."""
        if not any(field.length for field in self._fields):
            return any(pixel)
        value = int.from_bytes(pixel, "little")
        return any(value >> field.offset & ((1 << field.length) - 1) for field in self._fields)


# What a plain file of so many bits a pixel holds.
USUAL_FORMATS = {
    8: PixelFormat(8),
    16: PixelFormat(16, Field(11, 5), Field(5, 6), Field(0, 5)),
    32: PixelFormat(32, Field(16, 8), Field(8, 8), Field(0, 8)),
}


def rows_of(picture: Bitmap, pixel_format: PixelFormat, lit: Colour) -> list[bytes]:
    """Each row of a picture as the bytes of its pixels. A magnified picture repeats its rows: each is made once."""
    pixels = (bytes(pixel_format.size), pixel_format.pixel(lit))
    rows = [picture.dots[at : at + picture.width] for at in range(0, len(picture.dots), picture.width)]
    made = {row: b"".join(pixels[dot] for dot in row) for row in dict.fromkeys(rows)}
    return [made[row] for row in rows]


def picture_of(rows: list[bytes], pixel_format: PixelFormat) -> Bitmap:
    """The picture that rows of equal length show."""
    size = pixel_format.size
    dots = bytes(pixel_format.is_lit(row[at : at + size]) for row in rows for at in range(0, len(row), size))
    return Bitmap(len(rows[0]) // size, len(rows), dots)
