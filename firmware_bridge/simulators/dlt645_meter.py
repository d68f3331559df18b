"""A DL/T 645-2007 meter of one phase on a line at 2400 8E1. It answers only to its own number, or to AA.

It shares our codec, and with it our mistakes: `tests/contract/bridge` shows it to a client that we did not write.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from firmware_bridge.codecs import dlt645 as dlt
from firmware_bridge.config import DeviceConfig
from firmware_bridge.drivers.dlt645 import ITEMS
from firmware_bridge.simulators.base import Action, SimulatorContext, WireSimulation
from firmware_bridge.simulators.paced import PacedWire
from firmware_bridge.simulators.paced_pty import PacedPty

BAUD = 2400
BYTE_S = 11 / BAUD  # start, eight, even parity, stop
# Between request and answer: 20..500 ms (section 5.3.3).
TURNAROUND_S = 0.03
TOTAL_FORWARD = 0x00010000
TOTAL_COMBINED = 0x00000000


class SimulatedMeter:
    """Values by their point's name in the driver's table; None is read as FF, and what is not there is refused."""

    def __init__(self, wire: PacedWire, meter: str, *, turnaround_s: float = TURNAROUND_S) -> None:
        self._wire = wire
        self.meter = meter
        self.mute = False
        self.error = 0  # not 0: the error word that every read is refused with
        self.values: dict[str, float | None] = {
            "energy": 1234.56,
            "energy_t1": 1000.0,
            "energy_t2": 234.56,
            "power": 850.0,
            "voltage_a": 228.4,
            "current_a": 3.721,
            "power_factor": 0.998,
            "frequency": 49.98,
        }
        self._turnaround_s = turnaround_s
        self._parser = dlt.FrameParser()
        self._answers: set[asyncio.TimerHandle] = set()
        self.requests = 0
        wire.listen(self._heard)

    def stop(self) -> None:
        for timer in self._answers:
            timer.cancel()
        self._answers.clear()

    def answer(self, request: dlt.Request) -> dlt.Reply:
        """What the meter says."""
        match request:
            case dlt.ReadAddress():
                return dlt.Address(self.meter)
            case dlt.ReadData(identifier):
                return self._value(identifier)

    def _value(self, identifier: int) -> dlt.Reply:
        if self.error:
            return dlt.Refused(dlt.Function.READ, self.error)
        known = TOTAL_FORWARD if identifier == TOTAL_COMBINED else identifier
        for item in ITEMS:
            if item.identifier == known and item.point in self.values:
                value = self.values[item.point]
                if value is None:
                    return dlt.Data(identifier, b"\xff" * item.size)
                number = round(value * 10**item.decimals)
                return dlt.Data(identifier, dlt.encode_bcd(number, item.size, signed=item.signed))
        return dlt.Refused(dlt.Function.READ, dlt.NO_SUCH_DATA)

    def _heard(self, data: bytes, first_byte_s: float) -> None:
        for _, _, frame in self._parser.feed(data):
            request = dlt.decode_request(frame)
            if request is not None and dlt.matches(frame.meter, self.meter):
                self._serve(request)

    def _serve(self, request: dlt.Request) -> None:
        self.requests += 1
        if self.mute:
            return
        frame = dlt.encode_reply(self.meter, self.answer(request))
        timer: asyncio.TimerHandle

        def send() -> None:
            self._answers.discard(timer)
            self._wire.send(frame)

        timer = asyncio.get_running_loop().call_later(self._turnaround_s, send)
        self._answers.add(timer)


class MeterSimulation(WireSimulation):
    """The station's meter, alone on its line: it is asked for its number."""

    METER = "202611250001"

    def __init__(self, context: SimulatorContext) -> None:
        device = DeviceConfig(driver="dlt645_meter", line=self.LINE, options={"tariffs": 2, "period_s": 5.0})
        wire = PacedPty("meter", BYTE_S, rng=context.rng, link_dir=context.link_dir)
        super().__init__(wire, device, {"baud": BAUD, "parity": "E"})
        self.meter = SimulatedMeter(wire, self.METER)

    def stop(self) -> None:
        self.meter.stop()

    def mute(self, muted: bool) -> None:
        self.meter.mute = muted

    def state(self) -> dict[str, object]:
        return {"meter": self.meter.meter, "requests": self.meter.requests, **self.meter.values}

    def actions(self) -> Mapping[str, Action]:
        return {point: self._setter(point) for point in self.meter.values}

    def _setter(self, point: str) -> Action:
        def put(words: object) -> None:
            assert isinstance(words, list | tuple)
            self.meter.values[point] = None if words[0] == "none" else float(words[0])

        return put
