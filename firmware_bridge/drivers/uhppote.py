"""One door of a UHPPOTE controller: lock, contact, egress button, and cards shown to its reader.

```
 release:  GET_DOOR -> SET_DOOR controlled, delay = hold (if it differs) -> OPEN_DOOR
 secure:   GET_STATUS, SET_DOOR normally closed -> ... the pulse would be over ... -> SET_DOOR controlled
 run:      GET_STATUS every poll; missed events by GET_EVENT; events also come unasked (SET_LISTENER)
```
The controller times the pulse itself, in whole seconds, so a dead station leaves no open lock. The time is a
setting of the door (its "delay"), which the button and stored cards share: what a release wants is set first.
"Normally closed" ends a pulse at once, but it also takes the egress button away, and a pulse that is not over
comes back with "controlled": the door goes back to it as soon as that is so, and at the start if it was left.

The controller decides about cards by itself when cards are stored in it; the station stores none. A card that it
let in by itself is told as such, loudly.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Sequence
from ipaddress import AddressValueError, IPv4Address

from pydantic import Field

from firmware_bridge.capabilities import (
    CardRead,
    DeviceError,
    DeviceRefused,
    DeviceTimeout,
    InputChanged,
    LockStatus,
    Priority,
    Quality,
    Reading,
)
from firmware_bridge.codecs import FrameError
from firmware_bridge.codecs import uhppote as codec
from firmware_bridge.codecs import uhppote_messages as messages
from firmware_bridge.codecs.uhppote_messages import DoorMode, Event, Reason, Status
from firmware_bridge.drivers.base import DriverCode, DriverContext, Options
from firmware_bridge.exchange import DevicePolicy, Exchange
from firmware_bridge.profiles import DeviceProfile

log = logging.getLogger(__name__)

# A release that is not acknowledged within this is a failure to tell the person at the door.
LOCK_DEADLINE_S = 1.5
DELAY_S_MIN, DELAY_S_MAX = 1, 255  # the delay is one byte, and with 0 the relay would not move
# Seconds between two tellings of what stands in the controller; the door's mode is looked at as often.
READINGS_S = 60.0
# Events fetched after a gap: a busy door makes a few within a poll. Older ones are left: a card is of no use late.
CATCH_UP_MAX = 16
# Going back to "controlled" is tried this often, a second apart, before the poll takes it over.
RESTORE_ATTEMPTS_MAX = 10
CARD_BITS = 32
CONTACT = "contact"


class UhppoteOptions(Options):
    """Which controller, and what is wired to this door of it; the door itself, 1 to 4, is the device's address."""

    controller: int = Field(ge=1, le=messages.SERIAL_MAX, description="Serial number, as printed on the controller")
    contact: bool = Field(default=True, description="A door contact is wired to this door's sensor input")
    button: str | None = Field(
        default="egress", pattern=r"^[a-z][a-z0-9_]{0,31}$", description="Name of the button of this door, if any"
    )
    poll_ms: int = Field(default=200, ge=50, le=5000, description="How often the controller is asked")
    listen: bool = Field(
        default=True, description="Have events sent here as well; a controller sends them to one place only"
    )


class UhppoteDoor:
    """A door as Lock and Sensor; cards come as CardRead with the number as the controller tells it, 32 bits."""

    QUARANTINE_S_MAX = 2.0

    def __init__(self, context: DriverContext) -> None:
        assert isinstance(context.options, UhppoteOptions)
        self.name = context.name
        self._options = context.options
        self._serial = context.options.controller
        self._door = context.address
        self._bus = context.bus
        self._emit = context.emit
        self._clock = context.clock
        self._expect_release = context.expect_release
        self._levels: dict[str, bool] = {}
        self._last_event: int | None = None  # None: what the list holds now is the past
        self._pulse_end_s = 0.0
        self._restore: asyncio.Task[None] | None = None
        self._decision: str | None = None
        self._told = ""
        policy = DevicePolicy(quarantine_s_max=self.QUARANTINE_S_MAX)
        context.bus.attach(context.name, policy, context.health_listener(), listens=self._heard, answers=True)

    async def release(self, hold_s: float) -> None:
        """Release for `hold_s`, in whole seconds and at least one. Raises DeviceTimeout or DeviceRefused."""
        if not hold_s > 0:
            raise ValueError(f"{self.name}: a release of {hold_s} s is none")
        self._forget_restore()
        delay_s = max(DELAY_S_MIN, min(DELAY_S_MAX, math.floor(hold_s)))
        found = await self._read_door(Priority.LOCK)
        if (found.mode, found.delay_s) != (DoorMode.CONTROLLED, delay_s):
            await self._set_door(DoorMode.CONTROLLED, delay_s)
        done = await self._ask(messages.OpenDoor(self._door), Priority.LOCK)
        assert isinstance(done, messages.Done)
        if not done.ok:
            raise DeviceRefused(self.name, "the controller did not open; check its door interlock and its settings")
        self._pulse_end_s = self._clock.monotonic() + delay_s

    async def secure(self) -> None:
        """Secure now. Raises DeviceTimeout or DeviceRefused."""
        self._forget_restore()
        found = await self._read_door(Priority.LOCK)
        before = await self.status()
        await self._set_door(DoorMode.NORMALLY_CLOSED, found.delay_s)
        if before.released is False:
            await self._set_door(DoorMode.CONTROLLED, found.delay_s)
            return
        own_s = self._pulse_end_s - self._clock.monotonic()
        left_s = own_s if own_s > 0 else float(found.delay_s)  # a pulse of somebody else's is at most that long
        self._restore = asyncio.create_task(self._back_to_controlled(left_s, found.delay_s), name=f"{self.name} mode")

    async def status(self) -> LockStatus:
        """Ask the controller. What did not answer is None."""
        try:
            status = await self._read_status(Priority.LOCK)
        except DeviceError as error:
            log.info("status of %s is not known: %s", self.name, error)
            return LockStatus(released=None, contact_open=None)
        contact = status.open[self._door - 1] if self._options.contact else None
        return LockStatus(released=self._is_released(status), contact_open=contact)

    async def read(self) -> Sequence[Reading]:
        """Mode and delay of the door, the controller's error code, and its last decision about a card."""
        door: messages.Door | None = None
        status: Status | None = None
        try:
            door = await self._read_door(Priority.TELEMETRY)
            status = await self._read_status(Priority.TELEMETRY)
        except DeviceTimeout:
            pass
        return [
            self._reading("door_mode", door.mode.name.lower() if door else None),
            self._reading("door_delay", door.delay_s if door else None, "s"),
            self._reading("controller_error", status.error if status else None),
            self._reading("card_decision", self._decision, missing=Quality.INVALID),
        ]

    async def run(self) -> None:
        """Ask every `poll_ms`; emit inputs that changed, cards that were shown, and readings now and then."""
        ready = False
        told_s = -math.inf
        try:
            while True:
                began = self._clock.monotonic()
                try:
                    if not ready:
                        await self._set_up()
                        ready = True
                    await self._catch_up(await self._read_status(Priority.READER))
                    if began - told_s >= READINGS_S:
                        told_s = began
                        await self._mend_mode()
                        for reading in await self.read():
                            self._emit(reading)
                    self._tell_once("")
                except DeviceError as error:
                    # What the door did meanwhile is not known, and cards that were shown are too old to open it.
                    ready = False
                    self._last_event = None
                    self._levels.clear()
                    self._tell_once("" if isinstance(error, DeviceTimeout) else str(error))
                spent = self._clock.monotonic() - began
                await self._bus.pause(max(0.0, self._options.poll_ms / 1000 - spent))
        finally:
            await self._end()

    async def _set_up(self) -> None:
        """After a start and after every silence: the mode, special events, where events go, what is past."""
        await self._mend_mode()
        await self._ask(messages.RecordSpecialEvents(True), Priority.READER)
        await self._set_listener()
        status = await self._read_status(Priority.READER)
        self._last_event = status.event.index if status.event else 0

    async def _set_listener(self) -> None:
        here = self._bus.local_address
        if not self._options.listen or here is None:
            return
        try:
            address = IPv4Address(here[0])
        except AddressValueError:
            return  # these controllers know IPv4 alone; asking is enough
        done = await self._ask(messages.SetListener(address, here[1]), Priority.READER)
        if done != messages.Done(True):
            log.warning("%s: the controller did not take %s as the place for its events", self.name, address)

    async def _mend_mode(self) -> None:
        """A station that died between the two steps of `secure` left the egress button without its use."""
        if self._restore is not None and not self._restore.done():
            return
        door = await self._read_door(Priority.READER)
        if door.mode is DoorMode.NORMALLY_CLOSED:
            log.warning("%s was left normally closed, which disables its button: controlled again", self.name)
            await self._set_door(DoorMode.CONTROLLED, door.delay_s)

    async def _catch_up(self, status: Status) -> None:
        """Fetch what happened between the last event and the newest one, oldest first."""
        newest, last = status.event, self._last_event
        if newest is not None and last is not None and newest.index > last + 1:
            for index in range(max(last + 1, newest.index - CATCH_UP_MAX), newest.index):
                event = await self._ask(messages.GetEvent(index), Priority.READER)
                if isinstance(event, Event) and event.index == index:
                    self._happened(event)
        self._take(status)

    def _take(self, status: Status) -> None:
        """A status that was asked for, or an event that came by itself, which has the same form."""
        event, last = status.event, self._last_event
        if event is not None and last is not None:
            if event.index < last:
                self._last_event = event.index  # the list was cleared
            self._happened(event)
        levels: dict[str, bool] = {}
        if self._options.contact:
            levels[CONTACT] = status.open[self._door - 1]
        if self._options.button is not None:
            levels[self._options.button] = status.pressed[self._door - 1]
        self._emit_changes(levels)

    def _happened(self, event: Event) -> None:
        """Tell an event once: it comes with every status until there is a newer one."""
        if self._last_event is None or event.index <= self._last_event:
            return
        self._last_event = event.index
        if event.door != self._door:
            return
        if event.is_card and event.card:
            self._card(event)
        elif event.reason == Reason.BUTTON and self._options.button is not None:
            self._emit_changes({self._options.button: True})
        elif event.reason in (Reason.DOOR_OPENED, Reason.DOOR_CLOSED) and self._options.contact:
            self._emit_changes({CONTACT: event.reason == Reason.DOOR_OPENED})

    def _card(self, event: Event) -> None:
        self._expect_release()
        at, mono_s = self._clock.now(), self._clock.monotonic()
        number = event.card.to_bytes(CARD_BITS // 8, "big")
        self._emit(CardRead(self.name, event.direction, CARD_BITS, number, at, mono_s))
        self._decision = f"{'granted' if event.granted else 'denied'}: {event.why}"
        self._emit(self._reading("card_decision", self._decision))
        if event.granted:
            log.warning("%s let a card in by itself: cards are stored in the controller; delete them", self.name)

    def _heard(self, data: bytes, mono_s: float) -> None:
        try:
            packet = codec.decode_reply(data)
        except FrameError:
            return
        if packet.serial == self._serial and isinstance(packet.reply, Status):
            self._unasked(packet.reply)

    def _unasked(self, status: Status) -> None:
        """An event by itself. After a gap it waits for the next poll, which fetches what lies between."""
        last = self._last_event
        if last is not None and status.event is not None and status.event.index == last + 1:
            self._take(status)

    async def _back_to_controlled(self, after_s: float, delay_s: int) -> None:
        await asyncio.sleep(after_s)
        for _ in range(RESTORE_ATTEMPTS_MAX):
            try:
                await self._set_door(DoorMode.CONTROLLED, delay_s)
            except DeviceError as error:
                log.warning("not yet back from normally closed: %s", error)
                await asyncio.sleep(1.0)
            else:
                return

    def _forget_restore(self) -> None:
        if self._restore is not None:
            self._restore.cancel()
            self._restore = None

    async def _end(self) -> None:
        """On the way out: the button must work when the station does not. A pulse ends by itself."""
        restore, self._restore = self._restore, None
        if restore is None or restore.done():
            return
        restore.cancel()
        try:
            found = await self._read_door(Priority.LOCK)
            await self._set_door(DoorMode.CONTROLLED, found.delay_s)
        except DeviceError as error:
            log.warning("left normally closed: %s", error)
        await asyncio.wait([restore])

    async def _read_door(self, priority: int) -> messages.Door:
        door = await self._ask(messages.GetDoor(self._door), priority)
        assert isinstance(door, messages.Door)
        return door

    async def _set_door(self, mode: DoorMode, delay_s: int) -> None:
        wanted = messages.Door(self._door, mode, delay_s)
        found = await self._ask(messages.SetDoor(self._door, mode, delay_s), Priority.LOCK)
        if found != wanted:
            raise DeviceRefused(self.name, f"the controller was told {wanted} and has {found}")

    async def _read_status(self, priority: int) -> Status:
        status = await self._ask(messages.GetStatus(), priority)
        assert isinstance(status, Status)
        return status

    async def _ask(self, request: messages.Request, priority: int) -> messages.Reply:
        exchange: Exchange[messages.Reply] = Exchange(
            parts=(codec.encode_request(self._serial, request),),
            reply=lambda: codec.ReplyParser(self._serial, request, self._unasked),
            told_apart=not isinstance(request, messages.GetStatus),  # a status does not say of which moment it is
        )
        return await self._bus.request(self.name, exchange, priority=priority, deadline_s=LOCK_DEADLINE_S)

    def _is_released(self, status: Status) -> bool:
        return bool(status.relays >> (self._door - 1) & 1)

    def _emit_changes(self, levels: dict[str, bool]) -> None:
        at, mono_s = self._clock.now(), self._clock.monotonic()
        for name, active in levels.items():
            if self._levels.get(name) is not active:
                self._levels[name] = active
                self._emit(InputChanged(self.name, name, active, at, mono_s))

    def _reading(
        self, point: str, value: float | str | None, unit: str = "", *, missing: Quality = Quality.MISSING
    ) -> Reading:
        quality = missing if value is None else Quality.GOOD
        return Reading(self.name, point, value, unit, quality, self._clock.now(), self._clock.monotonic())

    def _tell_once(self, text: str) -> None:
        if text and text != self._told:
            log.warning("%s", text)
        self._told = text


def check_door(address: int, options: Options, profile: DeviceProfile | None) -> list[str]:
    """Every way in which a door cannot be."""
    assert isinstance(options, UhppoteOptions)
    found = ["profile: a door controller has none"] if profile is not None else []
    if not 1 <= address <= messages.DOORS:
        found.append(f"address: {address}, a controller has doors 1..{messages.DOORS}")
    if options.button == CONTACT:
        found.append(f"options.button: {CONTACT} is the name of the door contact")
    return found


DOOR = DriverCode(options=UhppoteOptions, factory=UhppoteDoor, check=check_door)
