"""The devices of the virtual station, each by itself: a lock with its door, a scanner, a sign."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from firmware_bridge.codecs.scanner_commands import COMMAND_SETS
from firmware_bridge.config import DeviceConfig
from firmware_bridge.simulators.alpha_sign import SimulatedSign
from firmware_bridge.simulators.base import Action, SimulatorContext, WireSimulation
from firmware_bridge.simulators.door import Door, DoorTiming
from firmware_bridge.simulators.modbus_devices import RelayBoard
from firmware_bridge.simulators.paced_pty import PacedPty
from firmware_bridge.simulators.qr_scanner import QrScanner

BITS_PER_BYTE = 10
LOCK_RELAY, CONTACT_INPUT, BUTTON_INPUT = 0, 0, 1


def _pty(context: SimulatorContext, name: str, baud: int) -> PacedPty:
    return PacedPty(name, BITS_PER_BYTE / baud, rng=context.rng, link_dir=context.link_dir)


class LockSimulation(WireSimulation):
    """A relay board after the Waveshare map, wired to a door."""

    BAUD = 38400

    def __init__(self, context: SimulatorContext) -> None:
        device = DeviceConfig(
            driver="modbus_lock",
            line=self.LINE,
            profile="waveshare_relay_d",
            address=1,
            options={"coil": LOCK_RELAY, "contact": CONTACT_INPUT, "buttons": {"face": BUTTON_INPUT}},
        )
        wire = _pty(context, "lock", self.BAUD)
        super().__init__(wire, device, {"baud": self.BAUD})
        self.door = Door(DoorTiming(visitor=False), self._moved)
        self.board = RelayBoard(wire, device.address, self._relay)

    def stop(self) -> None:
        self.board.stop()
        self.door.stop()

    def mute(self, muted: bool) -> None:
        self.board.mute = muted

    def state(self) -> dict[str, object]:
        return {
            "released": self.door.released,
            "bolt_drawn": self.door.bolt_drawn,
            "door_open": self.door.is_open,
            "button": self.board.inputs[BUTTON_INPUT],
        }

    def actions(self) -> Mapping[str, Action]:
        return {
            "push": lambda words: self.door.push(),
            "close": lambda words: self.door.close(),
            "force": lambda words: self.door.force(),
            "press": lambda words: self._button(True),
            "let-go": lambda words: self._button(False),
        }

    def _button(self, pressed: bool) -> None:
        self.board.inputs[BUTTON_INPUT] = pressed

    def _relay(self, relay: int, on: bool) -> None:
        if relay == LOCK_RELAY:
            self.door.relay(on)

    def _moved(self) -> None:
        self.board.inputs[CONTACT_INPUT] = self.door.is_open


class ScannerSimulation(WireSimulation):
    """A scanner that types what it is shown, and beeps when it is told to."""

    BAUD = 115200
    COMMANDS = "newland"

    def __init__(self, context: SimulatorContext) -> None:
        wire = _pty(context, "scanner", self.BAUD)
        device = DeviceConfig(driver="serial_scanner", line=self.LINE, options={"commands": self.COMMANDS})
        super().__init__(wire, device, {"baud": self.BAUD})
        self.scanner = QrScanner(wire, commands=COMMAND_SETS[self.COMMANDS])

    def mute(self, muted: bool) -> None:
        self.scanner.mute = muted

    def state(self) -> dict[str, object]:
        return {"scans": self.scanner.scans, "beeps": self.scanner.beeps}

    def actions(self) -> Mapping[str, Action]:
        def scan(words: Sequence[str]) -> None:
            self.scanner.scan(" ".join(words))

        return {"scan": scan}


class AlphaSimulation(WireSimulation):
    """An Alpha sign of 128 x 16 dots."""

    BAUD = 9600

    def __init__(self, context: SimulatorContext) -> None:
        device = DeviceConfig(
            driver="alpha_sign", line=self.LINE, address=1, options={"width": 128, "height": 16, "settle_s": 0.05}
        )
        wire = _pty(context, "sign", self.BAUD)
        super().__init__(wire, device, {"baud": self.BAUD, "data_bits": 7, "parity": "E"})
        self.sign = SimulatedSign(wire, lambda: None)

    def stop(self) -> None:
        self.sign.stop()

    def mute(self, muted: bool) -> None:
        self.sign.mute = muted

    def state(self) -> dict[str, object]:
        return {
            "shows": [page.text if page.text is not None else f"{page.width}x{page.height}" for page in self.sign.pages]
        }

    def actions(self) -> Mapping[str, Action]:
        return {"power-cycle": lambda words: self.sign.power_cycle()}
