"""A screen as a plain file of 32-bit pixels: what a framebuffer sign draws on where there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from firmware_bridge.config import DeviceConfig, LineConfig
from firmware_bridge.simulators.base import Action, SimulatorContext, WireSimulation, do

BYTES_PER_PIXEL = 4


class SimulatedScreen:
    """A whole screen for one sign: its options are this size, 32 bits, and a stride of four bytes a pixel."""

    def __init__(self, path: Path, width: int, height: int) -> None:
        self._path = path
        self.width, self.height = width, height

    @property
    def url(self) -> str:
        return f"fb://{self._path.absolute()}"

    def open(self) -> None:
        self._path.write_bytes(bytes(self.width * self.height * BYTES_PER_PIXEL))

    def close(self) -> None:
        self._path.unlink(missing_ok=True)

    def dots(self) -> bytes:
        """A byte a pixel, row by row: 1 where anything is lit."""
        pixels = memoryview(self._path.read_bytes()).cast("I")
        return bytes(pixel != 0 for pixel in pixels)


class FramebufferSimulation:
    """A screen of 160 x 48 pixels whose rows end in some unused bytes, as real ones do; the sign shows a part of it."""

    SCREEN_WIDTH, SCREEN_HEIGHT, STRIDE = 160, 48, 704
    WIDTH, HEIGHT, X, Y = 128, 32, 16, 8

    def __init__(self, context: SimulatorContext) -> None:
        self._path = context.link_dir / "framebuffer"
        self.line = LineConfig(url=f"fb://{self._path.absolute()}")
        place = {"width": self.WIDTH, "height": self.HEIGHT, "x": self.X, "y": self.Y}
        self.device = DeviceConfig(
            driver="framebuffer_sign",
            line=WireSimulation.LINE,
            options={**place, "bits": 32, "stride": self.STRIDE, "page_s": 0.2},
        )

    async def __aenter__(self) -> Self:
        self.plug_in()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.unplug()

    def unplug(self) -> None:
        self._path.unlink(missing_ok=True)

    def plug_in(self) -> None:
        self._path.write_bytes(bytes(self.STRIDE * self.SCREEN_HEIGHT))

    def paint_over(self) -> None:
        """Another program blackens the screen."""
        with self._path.open("r+b") as file:
            file.write(bytes(self.STRIDE * self.SCREEN_HEIGHT))

    def mute(self, muted: bool) -> None:
        """A screen is never asked."""

    def pixel(self, x: int, y: int) -> tuple[int, int, int]:
        """Red, green and blue as they stand in the file."""
        blue, green, red, _ = self._pixels()[y * self.STRIDE + x * BYTES_PER_PIXEL :][:BYTES_PER_PIXEL]
        return red, green, blue

    def lit(self) -> list[str]:
        """The whole screen, a line a row: # is lit."""
        pixels = self._pixels()
        rows = (pixels[at : at + self.STRIDE] for at in range(0, len(pixels), self.STRIDE))
        return ["".join("#" if any(row[x * 4 : x * 4 + 3]) else "." for x in range(self.SCREEN_WIDTH)) for row in rows]

    def _pixels(self) -> bytes:
        return self._path.read_bytes() if self._path.exists() else b""

    def state(self) -> dict[str, object]:
        return {"lit_pixels": sum(row.count("#") for row in self.lit())}

    def act(self, words: Sequence[str]) -> None:
        do(self.actions(), words)

    def actions(self) -> Mapping[str, Action]:
        return {"paint-over": lambda words: self.paint_over()}
