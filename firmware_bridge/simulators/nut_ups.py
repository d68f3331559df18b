"""A NUT server with one UPS on a TCP end. It shares our codec: `tests/contract/bridge` reads it by `upsc`."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping

from firmware_bridge.codecs import FrameError, nut
from firmware_bridge.config import DeviceConfig
from firmware_bridge.simulators.base import Action, SimulatorContext, WireSimulation
from firmware_bridge.simulators.paced_net import PacedTcp

UPS = "station"
TURNAROUND_S = 0.002
LOW_PERCENT = 20
RUNTIME_S_FULL = 1800


def _nothing() -> None:
    pass


class _End(PacedTcp):
    """A new connection knows no user and has half a line of nobody's."""

    def __init__(self, name: str, *, rng: random.Random) -> None:
        super().__init__(name, rng=rng)
        self.greet: Callable[[], None] = _nothing

    def connected(self) -> None:
        self.greet()


class UpsServer:
    """What upsd says of a UPS. `password` None: nobody can log in, everybody can read."""

    def __init__(self, wire: _End, *, password: str | None = None) -> None:
        self._wire = wire
        self._password = password
        self.mute = False
        self.stale = False
        self.on_battery = False
        self.percent = 100.0
        self.load_percent = 23.0
        self.logins = 0
        self._lines = nut.Lines()
        self._user: str | None = None
        self._word: str | None = None
        self._logged_in = False
        self._answers: set[asyncio.TimerHandle] = set()
        wire.greet = self._greet
        wire.listen(self._heard)

    @property
    def status(self) -> str:
        words = ["OB" if self.on_battery else "OL"]
        return " ".join([*words, "LB"] if self.percent < LOW_PERCENT else words)

    @property
    def variables(self) -> dict[str, str]:
        """As upsd lists them."""
        return {
            "battery.charge": f"{self.percent:.0f}",
            "battery.runtime": f"{RUNTIME_S_FULL * self.percent / 100:.0f}",
            "device.model": 'Simulated "station" UPS',
            "device.type": "ups",
            "input.voltage": "0.0" if self.on_battery else "229.5",
            "ups.load": f"{self.load_percent:.0f}",
            "ups.status": self.status,
        }

    def stop(self) -> None:
        """Forget answers that are still to come."""
        for timer in self._answers:
            timer.cancel()
        self._answers.clear()

    def _greet(self) -> None:
        self.stop()  # an answer for the old connection is none for the new one
        self._lines = nut.Lines()
        self._user = self._word = None
        self._logged_in = False

    def _heard(self, data: bytes, first_byte_s: float) -> None:
        for line in self._lines.feed(data):
            if not self.mute:
                self._later(nut.encode_reply(self._answer(line)))

    def _later(self, answer: bytes) -> None:
        timer: asyncio.TimerHandle

        def send() -> None:
            self._answers.discard(timer)
            self._wire.send(answer)

        timer = asyncio.get_running_loop().call_later(TURNAROUND_S, send)
        self._answers.add(timer)

    def _answer(self, line: str) -> nut.Reply:
        try:
            request = nut.decode_request(line)
        except FrameError:
            return nut.Refused("UNKNOWN-COMMAND")
        match request:
            case nut.ListUps():
                return nut.UpsList({UPS: "The station's UPS"})
            case nut.Username(name):
                refused, self._user = self._user is not None, self._user or name
                return nut.Refused("ALREADY-SET-USERNAME") if refused else nut.Done()
            case nut.Password(word):
                refused, self._word = self._word is not None, self._word or word
                return nut.Refused("ALREADY-SET-PASSWORD") if refused else nut.Done()
            case nut.Logout():
                return nut.Done()
        if request.ups != UPS:
            return nut.Refused("UNKNOWN-UPS")
        if isinstance(request, nut.Login):
            return self._log_in()
        if self.stale:
            return nut.Refused("DATA-STALE")
        if isinstance(request, nut.ListVariables):
            return nut.Variables(UPS, self.variables)
        value = self.variables.get(request.name)
        return nut.Refused("VAR-NOT-SUPPORTED") if value is None else nut.Variable(UPS, request.name, value)

    def _log_in(self) -> nut.Reply:
        if self._logged_in:
            return nut.Refused("ALREADY-LOGGED-IN")
        if self._user is None or self._password is None or self._word != self._password:
            return nut.Refused("ACCESS-DENIED")
        self._logged_in = True
        self.logins += 1
        return nut.Done()


class UpsSimulation(WireSimulation):
    """A server whose UPS can lose the mains."""

    def __init__(self, context: SimulatorContext, *, password: str | None = None) -> None:
        wire = _End("ups", rng=context.rng)
        options = {"ups": UPS, "period_s": 1.0}
        super().__init__(wire, DeviceConfig(driver="nut_ups", line=self.LINE, options=options))
        self.server = UpsServer(wire, password=password)

    def stop(self) -> None:
        self.server.stop()

    def mute(self, muted: bool) -> None:
        self.server.mute = muted

    def state(self) -> dict[str, object]:
        return {"status": self.server.status, "charge_percent": self.server.percent, "logins": self.server.logins}

    def actions(self) -> Mapping[str, Action]:
        def mains(words: object) -> None:
            assert isinstance(words, list | tuple)
            self.server.on_battery = {"off": True, "on": False}[words[0]]

        def charge(words: object) -> None:
            assert isinstance(words, list | tuple)
            self.server.percent = float(words[0])

        def cable(words: object) -> None:
            assert isinstance(words, list | tuple)
            self.server.stale = {"out": True, "in": False}[words[0]]

        return {"mains": mains, "charge": charge, "cable": cable}
