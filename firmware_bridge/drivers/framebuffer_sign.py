"""A sign behind a framebuffer: a sending card that shows a part of the HDMI picture, dot for dot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from firmware_bridge.capabilities import Bitmap
from firmware_bridge.codecs import png
from firmware_bridge.config import FileEndpoint, parse_url
from firmware_bridge.drivers.base import DriverCode, DriverContext, Options
from firmware_bridge.drivers.paged_sign import PagedSign
from firmware_bridge.framebuffer import Framebuffer
from firmware_bridge.profiles import DeviceProfile

PAGES_MAX = 64


class FramebufferSignOptions(Options):
    """The part of the screen that the sign shows. `bits` and `stride` are for a plain file only."""

    width: int = Field(ge=8, le=4096, description="Dots across")
    height: int = Field(ge=8, le=4096, description="Dots down")
    x: int = Field(default=0, ge=0, le=8192, description="Left edge on the screen")
    y: int = Field(default=0, ge=0, le=8192, description="Upper edge on the screen")
    colour: str = Field(default="#ff0000", pattern="^#[0-9a-fA-F]{6}$", description="Colour of what is lit")
    pages_max: int = Field(default=8, ge=1, le=PAGES_MAX, description="Pages shown in turn at the most")
    page_s: float = Field(default=3.0, ge=0.1, le=60, description="How long a page stays")
    bits: Literal[8, 16, 32] | None = Field(default=None, description="Bits a pixel of a plain file")
    stride: int | None = Field(default=None, ge=8, le=65536, description="Bytes a row of a plain file")


class FramebufferSign(PagedSign):
    """A Sign whose pixels can be read back."""

    def __init__(self, context: DriverContext) -> None:
        assert isinstance(context.options, FramebufferSignOptions)
        options = context.options
        endpoint = parse_url(context.line.url)
        assert isinstance(endpoint, FileEndpoint)
        self._path = endpoint.path
        self._options = options
        self._lit = png.colour_of(options.colour)
        self._screen: Framebuffer | None = None
        super().__init__(context, (options.width, options.height), pages_max=options.pages_max, page_s=options.page_s)

    async def shown(self) -> Sequence[Bitmap | str] | None:
        """The pixels of the sign's part as they are now: one page. Raises LineLost."""
        self._need_surface()
        assert self._screen is not None
        return [self._screen.read(*self.size, self._options.x, self._options.y)]

    def open(self) -> None:
        screen = Framebuffer(self._path, self._options.bits, self._options.stride)
        try:
            screen.check_fits(*self.size, self._options.x, self._options.y)
        except OSError:
            screen.close()
            raise
        self._screen = screen

    def watch(self) -> None:
        """Raises OSError when the screen is another one; a console's message on the sign is drawn over."""
        assert self._screen is not None
        self._screen.watch()
        self._screen.restore()

    def _let_go(self) -> None:
        if self._screen is not None:
            self._screen.close()
            self._screen = None

    def _draw(self, picture: Bitmap) -> None:
        assert self._screen is not None
        self._screen.draw(picture, self._options.x, self._options.y, self._lit)


def check_sign(address: int, options: Options, profile: DeviceProfile | None) -> list[str]:
    """Signs on one screen are told apart by their place; bits and stride come together."""
    assert isinstance(options, FramebufferSignOptions)
    errors = ["profile: a sign has none, its size is in its options"] if profile is not None else []
    if (options.bits is None) != (options.stride is None):
        errors.append("options.bits: bits and stride come together, and only for a plain file")
    return errors


SIGN = DriverCode(options=FramebufferSignOptions, factory=FramebufferSign, check=check_sign)
