"""HUB75 panels without pins: a library of the name `rgbmatrix` that is there while the simulation is open.

It can be imported by the same process only. On a developer's machine the driver's option `library` takes
RGBMatrixEmulator instead, which shows the panels on a screen.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Mapping, Sequence
from types import ModuleType, SimpleNamespace, TracebackType
from typing import Self

from firmware_bridge.config import DeviceConfig, LineConfig
from firmware_bridge.simulators.base import Action, SimulatorContext, WireSimulation, do

LIBRARY = "rgbmatrix"
Colour = tuple[int, int, int]


class SimulatedCanvas:
    """Dots by place; those that are not there are dark."""

    def __init__(self, width: int, height: int) -> None:
        self._size = (width, height)
        self.dots: dict[tuple[int, int], Colour] = {}

    def Clear(self) -> None:
        self.dots = {}

    def SetPixel(self, x: int, y: int, red: int, green: int, blue: int) -> None:
        if 0 <= x < self._size[0] and 0 <= y < self._size[1]:
            self.dots[x, y] = (red, green, blue)


class SimulatedMatrix:
    """Shows the canvas that was swapped in; the other one goes back, with what it showed before."""

    def __init__(self, options: SimpleNamespace, panel: Hub75Simulation) -> None:
        self._panel = panel
        panel.check()
        self.width, self.height = options.cols * options.chain_length, options.rows * options.parallel
        self._brightness = options.brightness
        self._behind = SimulatedCanvas(self.width, self.height)
        panel.front = SimulatedCanvas(self.width, self.height)

    @property
    def brightness(self) -> int:
        self._panel.check()
        return int(self._brightness)

    def CreateFrameCanvas(self) -> SimulatedCanvas:
        return self._behind

    def SwapOnVSync(self, canvas: SimulatedCanvas) -> SimulatedCanvas:
        self._panel.check()
        self._panel.front, self._behind = canvas, self._panel.front
        return self._behind


class Hub75Simulation:
    """Two panels of 64 x 32 dots in a row."""

    WIDTH, HEIGHT = 128, 32

    def __init__(self, context: SimulatorContext) -> None:
        self.line = LineConfig(url="hub75://local")
        self.device = DeviceConfig(
            driver="hub75_sign", line=WireSimulation.LINE, options={"chain": 2, "page_s": 0.2, "brightness": 50}
        )
        self.front = SimulatedCanvas(self.WIDTH, self.HEIGHT)
        self._is_plugged = True

    async def __aenter__(self) -> Self:
        if LIBRARY in sys.modules:
            raise RuntimeError(f"{LIBRARY} is there already; one simulation of panels a process")
        library = ModuleType(LIBRARY)
        vars(library)["RGBMatrixOptions"] = SimpleNamespace
        vars(library)["RGBMatrix"] = lambda options: SimulatedMatrix(options, self)
        sys.modules[LIBRARY] = library
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        sys.modules.pop(LIBRARY, None)

    def check(self) -> None:
        if not self._is_plugged:
            raise OSError(errno.ENODEV, "the panels do not answer")

    def unplug(self) -> None:
        self._is_plugged = False

    def plug_in(self) -> None:
        self._is_plugged = True

    def mute(self, muted: bool) -> None:
        """Panels are never asked."""

    def state(self) -> dict[str, object]:
        return {"lit_dots": len(self.front.dots), "colours": sorted(set(self.front.dots.values()))}

    def act(self, words: Sequence[str]) -> None:
        do(self.actions(), words)

    def actions(self) -> Mapping[str, Action]:
        return {}
