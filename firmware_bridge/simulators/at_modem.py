"""A cellular modem's AT port: echo, final results, unsolicited lines. The codec writes none of its answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from firmware_bridge.codecs.at_modem import LineCutter
from firmware_bridge.config import DeviceConfig
from firmware_bridge.simulators.base import Action, SimulatorContext, WireSimulation
from firmware_bridge.simulators.paced import PacedWire
from firmware_bridge.simulators.paced_pty import PacedPty

BAUD = 115200
BITS_PER_BYTE = 10
TURNAROUND_S = 0.01
STATES = {"off": 0, "home": 1, "searching": 2, "denied": 3, "roaming": 5}
NO_SIM = 10


class SimulatedModem:
    """Answers each command line with its lines and a final result, after TURNAROUND_S."""

    def __init__(self, wire: PacedWire) -> None:
        self._wire = wire
        self._cutter = LineCutter()
        self._timers: set[asyncio.TimerHandle] = set()
        self.mute = False
        self.echo = True
        self.numbered_errors = False
        self.sim: str | None = "READY"
        self.signal_dbm: int | None = -77
        self.rsrp_dbm: int | None = -98
        self.state = "home"
        self.operator = "CHINA MOBILE"
        self.lte = True  # knows +CEREG and +CESQ
        self.commands: list[str] = []
        wire.listen(self._heard)

    def stop(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def say(self, line: str) -> None:
        """An unsolicited line."""
        self._wire.send(f"\r\n{line}\r\n".encode("ascii"))

    def _heard(self, data: bytes, first_byte_s: float) -> None:
        if self.mute:
            return
        if self.echo:
            self._wire.send(data)
        for line in self._cutter.feed(data):
            if line[:2].upper() == "AT":
                self.commands.append(line)
                self._later("".join(f"\r\n{answer}\r\n" for answer in self._answer(line[2:].upper())))

    def _later(self, text: str) -> None:
        timer: asyncio.TimerHandle

        def send() -> None:
            self._timers.discard(timer)
            self._wire.send(text.encode("ascii"))

        timer = asyncio.get_running_loop().call_later(TURNAROUND_S, send)
        self._timers.add(timer)

    def _answer(self, command: str) -> list[str]:
        match command:
            case "" | "Z" | "V1" | "&F":
                return ["OK"]
            case "E0" | "E1":
                self.echo = command == "E1"
                return ["OK"]
            case "+CMEE=0" | "+CMEE=1":
                self.numbered_errors = command.endswith("1")
                return ["OK"]
        asked: dict[str, Callable[[], list[str]]] = {
            "+CSQ": lambda: [f"+CSQ: {_csq(self.signal_dbm)},99", "OK"],
            "+CREG?": lambda: [f"+CREG: 0,{self._stat()}", "OK"],
            "+CPIN?": self._pin,
            "+COPS?": self._cops,
        }
        if self.lte:
            asked |= {
                "+CEREG?": lambda: [f"+CEREG: 0,{self._stat()}", "OK"],
                "+CESQ": lambda: [f"+CESQ: 99,99,255,255,20,{_rsrp(self.rsrp_dbm)}", "OK"],
            }
        return asked[command]() if command in asked else ["ERROR"]

    def _stat(self) -> int:
        return STATES[self.state] if self.sim == "READY" else 0

    def _pin(self) -> list[str]:
        if self.sim is not None:
            return [f"+CPIN: {self.sim}", "OK"]
        return [f"+CME ERROR: {NO_SIM}" if self.numbered_errors else "ERROR"]

    def _cops(self) -> list[str]:
        on_a_net = self._stat() in (STATES["home"], STATES["roaming"])
        return [f'+COPS: 0,0,"{self.operator}",{7 if self.lte else 2}' if on_a_net else "+COPS: 0", "OK"]


def _csq(dbm: int | None) -> int:
    return 99 if dbm is None else max(0, min(31, (dbm + 113) // 2))


def _rsrp(dbm: int | None) -> int:
    return 255 if dbm is None else max(0, min(97, dbm + 141))


class ModemSimulation(WireSimulation):
    """The modem on its AT port."""

    def __init__(self, context: SimulatorContext) -> None:
        device = DeviceConfig(driver="at_modem", line=self.LINE, options={"period_s": 2.0})
        wire = PacedPty("modem", BITS_PER_BYTE / BAUD, rng=context.rng, link_dir=context.link_dir)
        super().__init__(wire, device, {"baud": BAUD})
        self.modem = SimulatedModem(wire)

    def stop(self) -> None:
        self.modem.stop()

    def mute(self, muted: bool) -> None:
        self.modem.mute = muted

    def state(self) -> dict[str, object]:
        modem = self.modem
        return {
            "signal_dbm": modem.signal_dbm,
            "rsrp_dbm": modem.rsrp_dbm,
            "state": modem.state,
            "operator": modem.operator,
            "sim": modem.sim,
        }

    def actions(self) -> Mapping[str, Action]:
        def signal(words: Sequence[str]) -> None:
            self.modem.signal_dbm = None if words[0] == "none" else int(words[0])

        def registered(words: Sequence[str]) -> None:
            if words[0] not in STATES:
                raise ValueError(f"there are {', '.join(STATES)}")
            self.modem.state = words[0]

        def sim(words: Sequence[str]) -> None:
            self.modem.sim = {"in": "READY", "out": None, "locked": "SIM PIN"}[words[0]]

        def ring(words: Sequence[str]) -> None:
            self.modem.say("RING")

        return {"signal": signal, "registration": registered, "sim": sim, "ring": ring}
