"""What every simulated Modbus unit does: hears all requests of its wire, obeys its own, answers after its turnaround.

They share our codec, and with it our mistakes: `tests/contract/bridge` runs the drivers against slaves that we did
not write, and masters that we did not write against these.
"""

from __future__ import annotations

import asyncio
import time

from firmware_bridge.codecs import modbus_pdu as pdu
from firmware_bridge.codecs import modbus_rtu, modbus_tcp
from firmware_bridge.simulators.paced import PacedWire
from firmware_bridge.simulators.paced_net import PacedTcp

# What a slow microcontroller takes between the end of a request and its answer: its own T3.5 and some code.
TURNAROUND_S = 0.005


class ModbusSlave:
    """A unit on a paced wire: RTU frames on a pty, TCP frames on a TCP port. Does what is written to all, silently."""

    def __init__(self, wire: PacedWire, unit: int, *, turnaround_s: float = TURNAROUND_S) -> None:
        self._wire = wire
        self.unit = unit
        self.mute = False
        self.turnaround_s = turnaround_s
        self._rtu = modbus_rtu.RequestParser()
        self._tcp = modbus_tcp.RequestParser()
        self._last_s = 0.0
        self._answers: set[asyncio.TimerHandle] = set()
        self.requests = 0
        wire.listen(self._heard_frames if isinstance(wire, PacedTcp) else self._heard)

    def answer(self, request: pdu.Request, first_byte_s: float) -> pdu.Reply:
        """The device itself: what it does and what it says."""
        raise NotImplementedError

    def stop(self) -> None:
        """Forget answers that are still to come."""
        for timer in self._answers:
            timer.cancel()
        self._answers.clear()

    @property
    def discarded(self) -> int:
        """Bytes heard that were no request."""
        return self._rtu.discarded + self._tcp.discarded

    def _heard(self, data: bytes, first_byte_s: float) -> None:
        now = time.monotonic()
        if now - self._last_s - len(data) * self._wire.byte_s > 3.5 * self._wire.byte_s:
            self._rtu.idle()
        self._last_s = now
        for unit, request in self._rtu.feed(data):
            if unit == pdu.UNIT_BROADCAST and not isinstance(request, pdu.Read) and not self.mute:
                self.answer(request, first_byte_s)
            reply = self._serve(unit, request, first_byte_s)
            if reply is not None:
                ended_s = first_byte_s + len(data) * self._wire.byte_s
                self._send_later(modbus_rtu.encode_reply(unit, reply), ended_s + self.turnaround_s - now)

    def _heard_frames(self, data: bytes, first_byte_s: float) -> None:
        for transaction, unit, request in self._tcp.feed(data):
            reply = self._serve(unit, request, first_byte_s)
            if reply is not None:
                self._send_later(modbus_tcp.encode_reply(transaction, unit, reply), self.turnaround_s)

    def _serve(self, unit: int, request: pdu.Request, first_byte_s: float) -> pdu.Reply | None:
        if unit != self.unit:
            return None
        self.requests += 1
        return None if self.mute else self.answer(request, first_byte_s)

    def _send_later(self, frame: bytes, after_s: float) -> None:
        timer: asyncio.TimerHandle

        def send() -> None:
            self._answers.discard(timer)
            self._wire.send(frame)

        timer = asyncio.get_running_loop().call_later(max(0.0, after_s), send)
        self._answers.add(timer)
