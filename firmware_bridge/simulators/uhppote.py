"""A UHPPOTE controller with four doors on a UDP end, each door with a contact and a button; cards as it has stored.

It behaves as the project's own simulator (uhppote-simulator 0.9) does: a pulse lasts the door's delay, "normally
closed" hides a running pulse and takes the button away, "normally open" keeps the relay on, a stored card opens
by itself. It shares our codec: `tests/contract/bridge` asks it by uhppoted.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from ipaddress import IPv4Address

from firmware_bridge.codecs import FrameError
from firmware_bridge.codecs import uhppote as codec
from firmware_bridge.codecs import uhppote_messages as messages
from firmware_bridge.codecs.uhppote_messages import DOORS, DoorMode, Event, Function, Status
from firmware_bridge.config import DeviceConfig
from firmware_bridge.simulators.base import Action, SimulatorContext, WireSimulation
from firmware_bridge.simulators.paced_net import PacedUdp

SERIAL = 405419896
TURNAROUND_S = 0.003
# Events a real controller keeps are 100,000; nobody looks that far back here.
EVENTS_MAX = 1000
UNKNOWN_CARD, NORMALLY_CLOSED, REMOTE_OPEN = 0x12, 0x0B, 0x2C
DOOR_KIND = 2


@dataclass(slots=True)
class SimulatedDoor:
    """What stands in the controller for a door, and the door itself."""

    mode: DoorMode = DoorMode.CONTROLLED
    delay_s: int = 5
    pulse_end_s: float = 0.0
    open: bool = False
    pressed: bool = False

    @property
    def released(self) -> bool:
        if self.mode is DoorMode.CONTROLLED:
            return time.monotonic() < self.pulse_end_s
        return self.mode is DoorMode.NORMALLY_OPEN

    def pulse(self) -> None:
        self.pulse_end_s = max(self.pulse_end_s, time.monotonic() + self.delay_s)


class UhppoteController:
    """Answers on its wire, and sends events to its listener."""

    def __init__(self, wire: PacedUdp, serial: int = SERIAL) -> None:
        self._wire = wire
        self.serial = serial
        self.mute = False
        self.deaf_to_events = False  # events are lost on their way to the listener
        self.refuses = False  # "open door" is answered with no
        self.doors = {door: SimulatedDoor() for door in range(1, DOORS + 1)}
        self.cards: set[int] = set()
        self.events: deque[Event] = deque(maxlen=EVENTS_MAX)
        self.special_events = False
        self.listener = messages.Listener(IPv4Address(0), 0, 0)
        self.error = 0
        self.heard: dict[Function, int] = {}
        self.discarded = 0
        self._answers: set[asyncio.TimerHandle] = set()
        wire.listen(self._heard)

    def stop(self) -> None:
        """Forget answers that are still to come."""
        for timer in self._answers:
            timer.cancel()
        self._answers.clear()

    def swipe(self, card: int, door: int) -> None:
        """A card is held to the reader of a door; one that is stored opens it."""
        mode = self.doors[door].mode
        if card not in self.cards:
            self._happened(messages.SWIPE, False, door, card, UNKNOWN_CARD)
        elif mode is DoorMode.NORMALLY_CLOSED:
            self._happened(messages.SWIPE, False, door, card, NORMALLY_CLOSED)
        else:
            self.doors[door].pulse()
            self._happened(DOOR_KIND, True, door, card, messages.Reason.CARD_STORED)

    def press(self, door: int, pressed: bool) -> None:
        """The button of a door; it opens unless the door is normally closed."""
        it = self.doors[door]
        it.pressed = pressed
        if pressed:
            if it.mode is not DoorMode.NORMALLY_CLOSED:
                it.pulse()
            self._special(door, messages.Reason.BUTTON)

    def move(self, door: int, is_open: bool) -> None:
        """The leaf of a door opens or closes."""
        if self.doors[door].open is not is_open:
            self.doors[door].open = is_open
            self._special(door, messages.Reason.DOOR_OPENED if is_open else messages.Reason.DOOR_CLOSED)

    def status(self) -> Status:
        now = datetime.now(UTC)
        first, second, third, fourth = self.doors.values()
        return Status(
            event=self.events[-1] if self.events else None,
            open=(first.open, second.open, third.open, fourth.open),
            pressed=(first.pressed, second.pressed, third.pressed, fourth.pressed),
            error=self.error,
            at=f"{now:%Y%m%d%H%M%S}",
            sequence=sum(self.heard.values()),
            special=0,
            relays=sum(it.released << door - 1 for door, it in self.doors.items()),
            inputs=0,
        )

    def _heard(self, data: bytes, first_byte_s: float) -> None:
        try:
            serial, request = codec.decode_request(data)
        except FrameError:
            self.discarded += len(data)
            return
        if serial != self.serial and (serial or not isinstance(request, messages.GetController)):
            return
        function = codec.function_of(request)
        self.heard[function] = self.heard.get(function, 0) + 1
        if self.mute:
            return
        reply = self._answer(request)
        if reply is None:
            return
        frame = codec.encode_reply(self.serial, function, reply)
        timer: asyncio.TimerHandle

        def send() -> None:
            self._answers.discard(timer)
            self._wire.send(frame)

        timer = asyncio.get_running_loop().call_later(TURNAROUND_S, send)
        self._answers.add(timer)

    def _answer(self, request: messages.Request) -> messages.Reply | None:
        match request:
            case messages.GetController():
                here = IPv4Address("127.0.0.1")
                mac = bytes.fromhex("0066") + self.serial.to_bytes(4, "big")
                return messages.Controller(here, IPv4Address("255.0.0.0"), here, mac, 0x0892, "20180816")
            case messages.GetStatus():
                return self.status()
            case messages.OpenDoor(door) | messages.GetDoor(door) | messages.SetDoor(door) if door not in self.doors:
                return None  # as the real one: silence
            case messages.OpenDoor(door):
                if self.refuses:
                    return messages.Done(False)
                self.doors[door].pulse()
                self._happened(DOOR_KIND, True, door, 0, REMOTE_OPEN)
                return messages.Done(True)
            case messages.GetDoor(door):
                return messages.Door(door, self.doors[door].mode, self.doors[door].delay_s)
            case messages.SetDoor(door, mode, delay_s):
                self.doors[door] = replace(self.doors[door], mode=mode, delay_s=delay_s)
                return messages.Door(door, mode, delay_s)
            case messages.GetListener():
                return self.listener
            case messages.SetListener(address, port, interval_s):
                self.listener = messages.Listener(address, port, interval_s)
                return messages.Done(True)
            case messages.RecordSpecialEvents(enabled):
                self.special_events = enabled
                return messages.Done(True)
            case messages.GetEvent(index):
                found = [event for event in self.events if event.index == index]
                return found[0] if found else Event(0, 0, False, 0, 0, 0, None, 0)

    def _special(self, door: int, reason: messages.Reason) -> None:
        if self.special_events:
            self._happened(DOOR_KIND, True, door, 0, reason)

    def _happened(self, kind: int, granted: bool, door: int, card: int, reason: int) -> None:
        index = self.events[-1].index + 1 if self.events else 1
        at = f"{datetime.now(UTC):%Y%m%d%H%M%S}"
        self.events.append(Event(index, kind, granted, door, 1, card, at, reason))
        there = self.listener
        if there.port and not self.deaf_to_events and not self.mute:
            packet = codec.encode_reply(self.serial, Function.STATUS, self.status())
            self._wire.send_to(packet, (str(there.address), there.port))


class UhppoteSimulation(WireSimulation):
    """A controller whose first door is the station's."""

    DOOR = 1

    def __init__(self, context: SimulatorContext) -> None:
        wire = PacedUdp("uhppote", rng=context.rng)
        options = {"controller": SERIAL, "poll_ms": 100}
        super().__init__(wire, DeviceConfig(driver="uhppote_door", line=self.LINE, address=self.DOOR, options=options))
        self.controller = UhppoteController(wire)

    @property
    def door(self) -> SimulatedDoor:
        return self.controller.doors[self.DOOR]

    def stop(self) -> None:
        self.controller.stop()

    def mute(self, muted: bool) -> None:
        self.controller.mute = muted

    def state(self) -> dict[str, object]:
        return {
            "released": self.door.released,
            "door_open": self.door.open,
            "button": self.door.pressed,
            "mode": self.door.mode.name.lower(),
            "delay_s": self.door.delay_s,
            "events": len(self.controller.events),
        }

    def actions(self) -> Mapping[str, Action]:
        controller, door = self.controller, self.DOOR
        return {
            "push": lambda words: self._push(),
            "close": lambda words: controller.move(door, False),
            "force": lambda words: controller.move(door, True),
            "press": lambda words: controller.press(door, True),
            "let-go": lambda words: controller.press(door, False),
            "swipe": lambda words: controller.swipe(int(words[0]), door),
            "store-card": lambda words: controller.cards.add(int(words[0])),
        }

    def _push(self) -> None:
        if self.door.released:
            self.controller.move(self.DOOR, True)
