"""Cards, keypads and guests' codes: what was read is hashed in a thread and comes to the desk as an attempt.

    CardRead -----------------> card_hash  --+
    KeysPressed -> Keypad ----> typed_hash --+--> Desk.attempt --> Lock.release --> the reader's light
    Scan "G1:..." ------------> typed_hash --+

A hash is slow on purpose (50 ms and 16 MB, the same for the right and the wrong), so there is one at a time; more
than WAITING_MAX at once are more than hands can make, and are counted and dropped.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from uuid import uuid4

from firmware_bridge.capabilities import CardRead, DeviceError, Indication, KeysPressed, Reader, Scan
from station_agent.access.attempts import Attempt, CardAttempt, GuestAttempt
from station_agent.access.decide import typed
from station_agent.access.desk import Desk
from station_agent.access.keypad import Keypad
from station_agent.clock import Clock
from station_agent.wire.rules import GUEST_PREFIX, Hashing, card_hash, typed_hash

log = logging.getLogger(__name__)

WAITING_MAX = 4
SHOWN_S = 3.0
"""How long a reader shows what became of an attempt, before it is ready again."""


class ReaderDesk:
    """`readers` are those of the door, by their device's name."""

    def __init__(
        self, desk: Desk, readers: Mapping[str, Reader], clock: Clock, reject: Callable[[str, str], None]
    ) -> None:
        self._desk = desk
        self._readers = readers
        self._clock = clock
        self._reject = reject
        self._keypads: dict[tuple[str, int], Keypad] = {}
        self._one = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._showing: dict[str, asyncio.Task[None]] = {}

    def card(self, event: CardRead) -> None:
        reader = event.device
        if reader not in self._readers:
            self._reject(reader, "this reader is not one of the door's: name it in door.readers")
            return
        bits, data = event.bits, event.data
        self._begin(reader, lambda hashing: card_hash(bits, data, hashing), lambda h: CardAttempt(uuid4(), reader, h))

    def keys(self, event: KeysPressed) -> None:
        reader = event.device
        if reader not in self._readers:
            self._reject(reader, "this keypad is not one of the door's: name it in door.readers")
            return
        # One for each head of a reader; a device has a handful of them at most.
        keypad = self._keypads.setdefault((reader, event.reader & 0x0F), Keypad())
        for number in keypad.press(event.keys, event.mono_s):
            self._begin(
                reader,
                lambda hashing, number=number: typed_hash(number, hashing),  # type: ignore[misc]
                lambda h: typed(uuid4(), reader, h, self._desk.rules),
            )

    def scanned(self, event: Scan) -> bool:
        """Whether the text is a guest's code, and so this desk's."""
        if not event.text.startswith(GUEST_PREFIX):
            return False
        digits, reader = event.text.removeprefix(GUEST_PREFIX), event.device
        self._begin(reader, lambda hashing: typed_hash(digits, hashing), lambda h: GuestAttempt(uuid4(), reader, h))
        return True

    def answered(self, reader: str, granted: bool) -> None:
        """Show at the reader what became of an attempt at it. Returns at once; the release is on its way already."""
        if reader in self._readers:
            self._indicate(reader, Indication.GRANTED if granted else Indication.DENIED)

    def call_attention(self) -> None:
        """At every reader: something is to be done here, such as closing the door. Returns at once."""
        for reader in self._readers:
            self._indicate(reader, Indication.ATTENTION)

    def _indicate(self, reader: str, indication: Indication) -> None:
        device = self._readers[reader]
        earlier = self._showing.get(reader)
        if earlier is not None:
            earlier.cancel()
        self._showing[reader] = asyncio.get_running_loop().create_task(
            self._show(device, indication), name=f"{reader} shows {indication}"
        )

    async def close(self) -> None:
        tasks = [*self._tasks, *self._showing.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, reader: str, hashed: Callable[[Hashing], str], attempt: Callable[[str | None], Attempt]) -> None:
        if not self._desk.taking:
            return
        if len(self._tasks) >= WAITING_MAX:
            self._reject(reader, "more cards and numbers at once than anybody can show")
            return
        task = asyncio.get_running_loop().create_task(self._try(hashed, attempt), name=f"a try at {reader}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _try(self, hashed: Callable[[Hashing], str], attempt: Callable[[str | None], Attempt]) -> None:
        async with self._one:
            hashing = self._desk.rules.hashing
            found: str | None = None
            if hashing is not None:
                with suppress(ValueError):  # too short or too long for a number: as wrong as any other
                    found = await asyncio.to_thread(hashed, hashing)
            self._desk.attempt(attempt(found))

    async def _show(self, device: Reader, indication: Indication) -> None:
        try:
            await device.indicate(indication)
            await self._clock.sleep(SHOWN_S)
            await device.indicate(Indication.READY)
        except DeviceError as error:
            log.warning("a reader does not show what was decided: %s", error)
