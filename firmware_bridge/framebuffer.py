"""A Linux framebuffer, mapped: pictures go into it and are read back from it.

Its geometry is asked from the kernel (FBIOGET_VSCREENINFO, FBIOGET_FSCREENINFO of include/uapi/linux/fb.h). A plain
file has none: the caller says bits and stride, which is how tests and simulators see the pixels.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import mmap
import os
import struct
from dataclasses import dataclass

from firmware_bridge.capabilities import Bitmap
from firmware_bridge.codecs.pixels import USUAL_FORMATS, Field, PixelFormat, picture_of, rows_of
from firmware_bridge.codecs.png import Colour

FBIOGET_VSCREENINFO, FBIOGET_FSCREENINFO = 0x4600, 0x4602
# The first words of fb_var_screeninfo: size, virtual size, offset, bits, grey; then red, green and blue.
_VAR = struct.Struct("@8I9I")
_VAR_BYTES = 160
_FIX = struct.Struct("@16sLIIIIHHHILIIHHH0L")
BYTES_MAX = 128 * 1024 * 1024  # two screens of 4K at 32 bits fit


@dataclass(frozen=True, slots=True)
class Geometry:
    """What lies where in the mapped bytes. `start` is the first visible pixel's."""

    width: int
    height: int
    stride: int
    pixel_format: PixelFormat
    start: int = 0


class Framebuffer:
    """An open framebuffer. Raises OSError from everything when the device is not as it was said to be."""

    def __init__(self, path: str, bits: int | None, stride: int | None) -> None:
        self._path = path
        self._drawn: list[tuple[int, bytes]] = []
        self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            self.geometry, size = _asked(self._fd) or _given(self._fd, path, bits, stride)
            if not 0 < size <= BYTES_MAX:
                raise OSError(errno.EINVAL, f"{size} bytes of pixels, 1..{BYTES_MAX} are taken", path)
            self._memory = mmap.mmap(self._fd, size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        except (OSError, ValueError) as error:
            os.close(self._fd)
            raise OSError(*error.args) from None

    def watch(self) -> None:
        """Raises OSError when the path leads elsewhere by now."""
        if not os.path.samestat(os.stat(self._path), os.fstat(self._fd)):
            raise OSError(errno.ESTALE, "another device has its name", self._path)

    def close(self) -> None:
        with contextlib.suppress(BufferError):
            self._memory.close()
        os.close(self._fd)

    def draw(self, picture: Bitmap, x: int, y: int, lit: Colour) -> None:
        """Put a picture's upper left dot at pixel x, y."""
        rows = rows_of(picture, self.geometry.pixel_format, lit)
        self._drawn = [(self._at(x, y + number), row) for number, row in enumerate(rows)]
        self.restore()

    def restore(self) -> None:
        """Draw again what something else has drawn over."""
        for at, row in self._drawn:
            if self._memory[at : at + len(row)] != row:
                self._memory[at : at + len(row)] = row

    def read(self, width: int, height: int, x: int, y: int) -> Bitmap:
        """The pixels from x, y on as dots."""
        length = width * self.geometry.pixel_format.size
        rows = [bytes(self._memory[at : at + length]) for at in (self._at(x, y + row) for row in range(height))]
        return picture_of(rows, self.geometry.pixel_format)

    def check_fits(self, width: int, height: int, x: int, y: int) -> None:
        """Raises OSError for what would not lie inside the screen."""
        have = self.geometry
        if x + width > have.width or y + height > have.height:
            raise OSError(
                errno.EINVAL, f"{width}x{height} at {x},{y} is not inside {have.width}x{have.height}", self._path
            )

    def _at(self, x: int, y: int) -> int:
        return self.geometry.start + y * self.geometry.stride + x * self.geometry.pixel_format.size


def _asked(fd: int) -> tuple[Geometry, int] | None:
    """Geometry and size in bytes as the kernel tells them; None where the file is no framebuffer."""
    var = bytearray(_VAR_BYTES)
    fix = bytearray(_FIX.size)
    try:
        fcntl.ioctl(fd, FBIOGET_VSCREENINFO, var)
        fcntl.ioctl(fd, FBIOGET_FSCREENINFO, fix)
    except OSError as error:
        if error.errno in (errno.ENOTTY, errno.EINVAL):
            return None
        raise
    return parse_geometry(bytes(var), bytes(fix))


def parse_geometry(var: bytes, fix: bytes) -> tuple[Geometry, int]:
    """fb_var_screeninfo and fb_fix_screeninfo: geometry and size in bytes. Raises ValueError."""
    width, height, _, _, x, y, bits, _, *fields = _VAR.unpack_from(var)
    size, stride = _FIX.unpack(fix)[2:10:7]
    red, green, blue = (Field(fields[at], fields[at + 1]) for at in (0, 3, 6))
    # A palette: every field lies over the whole pixel.
    colours = (Field(0, 0),) * 3 if bits == 8 and red == green == blue else (red, green, blue)
    pixel_format = PixelFormat(bits, *colours)
    return Geometry(width, height, stride, pixel_format, y * stride + x * pixel_format.size), size


def _given(fd: int, path: str, bits: int | None, stride: int | None) -> tuple[Geometry, int]:
    if bits is None or stride is None:
        raise OSError(errno.ENOTTY, "it is no framebuffer; for a plain file give the options bits and stride", path)
    pixel_format = USUAL_FORMATS[bits]
    size = os.fstat(fd).st_size
    return Geometry(stride // pixel_format.size, size // stride, stride, pixel_format), size
