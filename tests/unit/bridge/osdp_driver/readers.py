"""Simulated readers on a memory port, and what a driver at them told."""

import asyncio
import random

from firmware_bridge.capabilities import (
    HealthChanged,
    InputChanged,
)
from firmware_bridge.codecs import osdp
from firmware_bridge.codecs.osdp_commands import CommandCode
from firmware_bridge.simulators.osdp_peripheral import Peripheral
from firmware_bridge.simulators.osdp_reader import ReaderFace

KEY = bytes(range(16))
CARD = bytes.fromhex("a1b2c3c0")
TURNAROUND_S = 0.01
POLL_S = 0.08


class Readers:
    """Simulated readers on the memory port. `spoil` changes a frame that goes back; None is silence."""

    def __init__(self, port):
        self._port = port
        self.readers = {}
        self.heard = []
        self.spoil = lambda frame: frame
        self.muted = set()
        port.on_write = self._hear

    def move_to(self, port):
        """They hang on another line now."""
        self._port = port
        port.on_write = self._hear

    def add(self, address=1, *, key=None, **options):
        face = ReaderFace()
        reader = Peripheral(address, face, random.Random(address).randbytes, key=key, **options)
        self.readers[address] = reader
        return reader

    def _hear(self, wire):
        (frame,) = osdp.FrameParser().feed(wire)
        loop = asyncio.get_running_loop()
        self.heard.append((loop.time(), frame))
        reader = self.readers.get(frame.address)
        if reader is None or frame.address in self.muted:
            return
        wire_s = len(wire) * self._port.BYTE_S
        answer = self.spoil(osdp.decode_frame(reader.heard(frame, loop.time())[1:]))
        if answer is not None:
            self._port.answer(osdp.on_wire(osdp.encode_frame(answer)), wire_s + TURNAROUND_S)

    def codes(self):
        return [CommandCode(frame.code).name for _, frame in self.heard]


class Told:
    """What a driver told, and a place to wait for it."""

    def __init__(self):
        self.events = []
        self.cleared = 0
        self._changed = asyncio.Event()

    def emit(self, event):
        self.events.append(event)
        self._changed.set()

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def health(self):
        return [event.health.value for event in self.of(HealthChanged)]

    def inputs(self, name):
        return [event.active for event in self.of(InputChanged) if event.input == name]

    async def until(self, condition):
        while not condition():
            self._changed.clear()
            await self._changed.wait()
