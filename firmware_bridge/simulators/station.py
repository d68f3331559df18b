"""The devices of one virtual station on paced ptys: a door, a climate sensor, a scanner, a sign.

It lives in a process of its own, so that it survives the death of the agent beside it. With `link_dir` the
lines have stable names there: `door`, `air`, `scanner`, `sign`; a screen for a door code is the file `code_screen`.

```python
async with SimulatedStation(link_dir=directory) as station:
    print(station.lines)                 # {"door": "/run/.../door", ...}
    station.scan("HELLO")                # the scanner types it
    station.state().door_open
```
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from firmware_bridge.codecs.scanner import Framing
from firmware_bridge.config import DeviceConfig, LineConfig
from firmware_bridge.simulators.alpha_sign import SignPage, SimulatedSign
from firmware_bridge.simulators.door import Door, DoorTiming
from firmware_bridge.simulators.framebuffer_screen import SimulatedScreen
from firmware_bridge.simulators.modbus_devices import ClimateSensor, RelayBoard
from firmware_bridge.simulators.paced_pty import Faults, PacedPty, WireCounters
from firmware_bridge.simulators.qr_scanner import QrScanner

LOCK_RELAY = 0
CONTACT_INPUT = 0
RELAY_TIMES_MAX = 10_000
BITS_PER_BYTE = 10  # 8N1 as well as 7E1
DEFAULT_DOOR = DoorTiming()


@dataclass(frozen=True, slots=True)
class SimulationConfig:
    """How the virtual station is wired; the agent's profile must say the same."""

    door_baud: int = 38400
    air_baud: int = 9600
    scanner_baud: int = 115200
    sign_baud: int = 9600
    lock_unit: int = 1
    sensor_unit: int = 2
    # The sensor shares the door's line instead of having its own.
    sensor_on_door_line: bool = False
    framing: Framing = Framing.LINE
    # Inputs of the lock's board by name; these three names are wired to more than a finger.
    buttons: tuple[tuple[str, int], ...] = (("face", 1), ("exit", 2), ("fire", 3), ("bolt", 4))
    exit: str | None = "exit"
    fire: str | None = "fire"
    bolt: str | None = "bolt"
    sign_address: int = 1
    sign_width: int = 128
    sign_height: int = 16
    code_screen: tuple[int, int] | None = None  # width and height of a screen beside the sign; it needs `link_dir`
    door: DoorTiming = DEFAULT_DOOR
    press_s: float = 0.3
    seed: int = 1


@dataclass(frozen=True, slots=True)
class StationState:
    """What an onlooker sees, at `mono_s`."""

    mono_s: float
    lock_released: bool
    bolt_drawn: bool
    door_open: bool
    contact_open: bool
    jammed: bool
    fire: bool
    buttons: dict[str, bool]
    sign_pages: tuple[SignPage, ...]
    code_screen: bytes | None  # a byte a pixel, row by row: 1 is lit
    temperature_c: float | None
    humidity_percent: float | None
    releases: int  # times the lock relay was energised
    openings: int  # times the door opened
    scans: int
    sign_packets: int
    bad_sign_packets: int


class SimulatedStation:
    """Made, opened by `async with`, then driven by its methods. All on one loop."""

    def __init__(
        self,
        config: SimulationConfig | None = None,
        *,
        link_dir: Path | None = None,
        on_change: Callable[[], None] | None = None,
    ) -> None:
        self.config = config = config or SimulationConfig()
        self.on_change = on_change
        rng = random.Random(config.seed)
        self._bauds = {"door": config.door_baud, "scanner": config.scanner_baud, "sign": config.sign_baud}
        if not config.sensor_on_door_line:
            self._bauds["air"] = config.air_baud
        self._ptys = {
            name: PacedPty(name, BITS_PER_BYTE / baud, rng=rng, link_dir=link_dir) for name, baud in self._bauds.items()
        }
        self.door = Door(config.door, self._door_moved)
        self.board = RelayBoard(self._ptys["door"], config.lock_unit, self._relay)
        air = self._ptys["door" if config.sensor_on_door_line else "air"]
        self.sensor = ClimateSensor(air, config.sensor_unit)
        self.scanner = QrScanner(self._ptys["scanner"], framing=config.framing)
        self.sign = SimulatedSign(self._ptys["sign"], self._changed, address=f"{config.sign_address:02X}")
        self.screen: SimulatedScreen | None = None
        if config.code_screen is not None:
            if link_dir is None:
                raise ValueError("a screen is a file: give the folder for it, link_dir")
            self.screen = SimulatedScreen(link_dir / "code_screen", *config.code_screen)
        self.releases = 0
        # Monotonic seconds at which the lock relay was energised.
        self.releases_s: deque[float] = deque(maxlen=RELAY_TIMES_MAX)
        self._button_inputs = dict(config.buttons)
        self._held: dict[str, asyncio.TimerHandle] = {}

    async def __aenter__(self) -> Self:
        for pty in self._ptys.values():
            pty.open()
        if self.screen is not None:
            self.screen.open()
        self._door_moved()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for timer in self._held.values():
            timer.cancel()
        self.door.stop()
        self.board.stop()
        self.sensor.stop()
        self.sign.stop()
        for pty in self._ptys.values():
            pty.close()
        if self.screen is not None:
            self.screen.close()

    @property
    def lines(self) -> dict[str, str]:
        """Path of each line's pty, and the screen's url."""
        lines = {name: pty.path for name, pty in self._ptys.items()}
        return lines if self.screen is None else {**lines, "code_screen": self.screen.url}

    def line_configs(self) -> dict[str, LineConfig]:
        """The lines as a station profile writes them."""
        return {name: LineConfig(url=pty.path, baud=self._bauds[name]) for name, pty in self._ptys.items()}

    def device_configs(self) -> dict[str, DeviceConfig]:
        """The devices as a station profile writes them, with the profiles of config/devices."""
        config = self.config
        buttons = dict(config.buttons)
        lock = {"coil": LOCK_RELAY, "contact": CONTACT_INPUT, "buttons": buttons}
        sign = {"width": config.sign_width, "height": config.sign_height, "settle_s": 0.1, "gap_ms": 50}
        return {
            "door_lock": DeviceConfig(
                driver="modbus_lock",
                line="door",
                profile="waveshare_relay_d",
                address=config.lock_unit,
                options=lock,
            ),
            "climate": DeviceConfig(
                driver="modbus_sensor",
                line="door" if config.sensor_on_door_line else "air",
                profile="xy_md02",
                address=config.sensor_unit,
                options={"period_s": 2.0},
            ),
            "scanner": DeviceConfig(driver="serial_scanner", line="scanner", options={"framing": config.framing.value}),
            "sign": DeviceConfig(driver="alpha_sign", line="sign", address=config.sign_address, options=sign),
        }

    # What a person at the station can do.

    def scan(self, text: str) -> None:
        """Show a code to the scanner. Raises ValueError for a text its framing would cut."""
        self.scanner.scan(text)
        self._changed()

    def press(self, button: str) -> None:
        """Press a button for `press_s`; whoever presses the one inside does so for as long as they push the door.

        Raises KeyError for a button that is not there.
        """
        if button in (self.config.fire, self.config.bolt):
            raise KeyError(button)
        index = self._button_inputs[button]
        for_s = self.config.press_s
        if button == self.config.exit:
            for_s = self.config.door.push_s
            self.door.push()
        self.board.inputs[index] = True
        earlier = self._held.pop(button, None)
        if earlier is not None:
            earlier.cancel()
        loop = asyncio.get_running_loop()
        self._held[button] = loop.call_later(for_s, self._let_go, button)
        self._changed()

    def push_door(self) -> None:
        """Push the door; it opens when the bolt is drawn."""
        self.door.push()

    def close_door(self) -> None:
        self.door.close()

    def force_door(self) -> None:
        """Break the door open with the bolt out."""
        self.door.force()

    # What the weather and bad luck can do.

    def set_temperature(self, celsius: float | None) -> None:
        """None: the sensor's element is broken."""
        self.sensor.temperature_c = celsius
        self._changed()

    def set_humidity(self, percent: float | None) -> None:
        """None: the sensor's element is broken."""
        self.sensor.humidity_percent = percent
        self._changed()

    def jam(self, jammed: bool) -> None:
        """A bolt that does not move."""
        self.door.jammed = jammed
        self._changed()

    def set_fire(self, active: bool) -> None:
        """The fire panel's contact. Raises KeyError where none is wired."""
        self.board.inputs[self._button_inputs[self.config.fire or ""]] = active
        self._changed()

    def hold_door(self, held: bool) -> None:
        """Something stands in the door and keeps it open."""
        self.door.held = held

    def set_faults(self, line: str, faults: Faults) -> None:
        """Damage a line's traffic from now on. Raises KeyError for a line that is not there."""
        self._ptys[line].faults = faults

    def demand_baud(self, line: str, baud: int) -> None:
        """From now on a line of another baud hears and sends noise. Raises KeyError for a line not there."""
        self._ptys[line].baud = baud

    def mute(self, device: str, muted: bool) -> None:
        """Silence one of: lock, sensor, sign. Raises KeyError for another name."""
        mutable: dict[str, RelayBoard | ClimateSensor | SimulatedSign]
        mutable = {"lock": self.board, "sensor": self.sensor, "sign": self.sign}
        mutable[device].mute = muted

    def unplug(self, line: str) -> None:
        """The line vanishes. Raises KeyError for a line that is not there."""
        self._ptys[line].close()

    def plug_in(self, line: str) -> str:
        """The line is back, without `link_dir` under another path: that path."""
        return self._ptys[line].open()

    # What an onlooker sees and what the benches measure.

    @property
    def scan_ends_s(self) -> list[float]:
        """Monotonic seconds at which the last byte of each scan was on the scanner's line."""
        return list(self.scanner.scan_ends_s)

    @property
    def relay_frames_s(self) -> list[float]:
        """Monotonic seconds at which the first byte of each frame that switches a relay on came in."""
        return list(self.board.relay_frames_s)

    def wire(self, line: str) -> WireCounters:
        """What a line carried and lost."""
        return self._ptys[line].counters

    def state(self) -> StationState:
        return StationState(
            mono_s=time.monotonic(),
            lock_released=self.door.released,
            bolt_drawn=self.door.bolt_drawn,
            door_open=self.door.is_open,
            contact_open=self.board.inputs[CONTACT_INPUT],
            jammed=self.door.jammed,
            fire=self.config.fire is not None and self.board.inputs[self._button_inputs[self.config.fire]],
            buttons={name: self.board.inputs[index] for name, index in self._button_inputs.items()},
            sign_pages=self.sign.pages,
            code_screen=self.screen.dots() if self.screen is not None else None,
            temperature_c=self.sensor.temperature_c,
            humidity_percent=self.sensor.humidity_percent,
            releases=self.releases,
            openings=self.door.openings,
            scans=self.scanner.scans,
            sign_packets=self.sign.packets,
            bad_sign_packets=self.sign.bad_packets,
        )

    def _let_go(self, button: str) -> None:
        del self._held[button]
        self.board.inputs[self._button_inputs[button]] = False
        self._changed()

    def _relay(self, relay: int, on: bool) -> None:
        if relay != LOCK_RELAY:
            return
        if on:
            self.releases += 1
            self.releases_s.append(time.monotonic())
        self.door.relay(on)

    def _door_moved(self) -> None:
        self.board.inputs[CONTACT_INPUT] = self.door.is_open
        if self.config.bolt is not None:
            self.board.inputs[self._button_inputs[self.config.bolt]] = not self.door.bolt_drawn
        self._changed()

    def _changed(self) -> None:
        if self.on_change is not None:
            self.on_change()
