"""A sign of HUB75 panels at the pins of this board, driven by the library `rgbmatrix` (hzeller/rpi-rgb-led-matrix).

The library is no dependency: it is built on the device that has panels. A panel tells nothing back, so nobody can
say what it really shows.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Literal, Protocol, cast

from pydantic import Field

from firmware_bridge.capabilities import Bitmap
from firmware_bridge.codecs import png
from firmware_bridge.drivers.base import DriverCode, DriverContext, Options
from firmware_bridge.drivers.paged_sign import PagedSign
from firmware_bridge.profiles import DeviceProfile

PAGES_MAX = 64


class Canvas(Protocol):
    """What the library draws on."""

    def Clear(self) -> None: ...

    def SetPixel(self, x: int, y: int, red: int, green: int, blue: int) -> None: ...


class Matrix(Protocol):
    """The library's matrix."""

    width: int
    height: int
    brightness: int

    def CreateFrameCanvas(self) -> Canvas: ...

    def SwapOnVSync(self, canvas: Canvas) -> Canvas: ...


class Hub75SignOptions(Options):
    """How the panels are wired, by the names of the library."""

    rows: int = Field(default=32, ge=8, le=64, description="Dots down of one panel")
    cols: int = Field(default=64, ge=8, le=256, description="Dots across of one panel")
    chain: int = Field(default=1, ge=1, le=16, description="Panels in a row, one behind the other")
    parallel: int = Field(default=1, ge=1, le=3, description="Rows of panels, at connectors of their own")
    mapping: str = Field(default="regular", pattern="^[a-z0-9-]{1,32}$", description="How panels hang at the pins")
    slowdown: int = Field(default=1, ge=0, le=10, description="For boards that are too fast for the panels")
    brightness: int = Field(default=60, ge=1, le=100, description="Percent")
    colour: str = Field(default="#ff0000", pattern="^#[0-9a-fA-F]{6}$", description="Colour of what is lit")
    pages_max: int = Field(default=8, ge=1, le=PAGES_MAX, description="Pages shown in turn at the most")
    page_s: float = Field(default=3.0, ge=0.1, le=60, description="How long a page stays")
    library: Literal["rgbmatrix", "RGBMatrixEmulator"] = Field(
        default="rgbmatrix", description="The emulator shows the panels on a developer's screen"
    )


class Hub75Sign(PagedSign):
    """A Sign alone on the board's pins."""

    def __init__(self, context: DriverContext) -> None:
        assert isinstance(context.options, Hub75SignOptions)
        options = context.options
        self._options = options
        self._lit = png.colour_of(options.colour)
        self._matrix: Matrix | None = None
        self._canvas: Canvas | None = None
        size = (options.cols * options.chain, options.rows * options.parallel)
        super().__init__(context, size, pages_max=options.pages_max, page_s=options.page_s)

    async def shown(self) -> Sequence[Bitmap | str] | None:
        """None: panels tell nothing back."""
        return None

    def open(self) -> None:
        """Start the library. Raises OSError where it is not installed, or finds no pins."""
        try:
            library = importlib.import_module(self._options.library)
        except ImportError as error:
            raise OSError(f"the library {self._options.library} is not installed here ({error})") from None
        wanted = library.RGBMatrixOptions()
        wanted.rows, wanted.cols = self._options.rows, self._options.cols
        wanted.chain_length, wanted.parallel = self._options.chain, self._options.parallel
        wanted.hardware_mapping = self._options.mapping
        wanted.gpio_slowdown = self._options.slowdown
        wanted.brightness = self._options.brightness
        wanted.drop_privileges = False  # the station's user keeps its rights
        matrix = cast(Matrix, library.RGBMatrix(options=wanted))
        if (matrix.width, matrix.height) != self.size:
            raise OSError(f"the library has {matrix.width}x{matrix.height} dots, the options make {self.size}")
        self._matrix, self._canvas = matrix, matrix.CreateFrameCanvas()

    def watch(self) -> None:
        """Ask the library for something that it has."""
        assert self._matrix is not None
        _ = self._matrix.brightness

    def _let_go(self) -> None:
        """The library stops with its last reference."""
        self._matrix = self._canvas = None

    def _draw(self, picture: Bitmap) -> None:
        assert self._matrix is not None
        assert self._canvas is not None
        self._canvas.Clear()
        for at, dot in enumerate(picture.dots):
            if dot:
                self._canvas.SetPixel(at % picture.width, at // picture.width, *self._lit)
        self._canvas = self._matrix.SwapOnVSync(self._canvas)


def check_sign(address: int, options: Options, profile: DeviceProfile | None) -> list[str]:
    """Panels have no address; whatever their options say has been parsed."""
    return ["profile: a sign has none, its size is in its options"] if profile is not None else []


SIGN = DriverCode(options=Hub75SignOptions, factory=Hub75Sign, check=check_sign)
