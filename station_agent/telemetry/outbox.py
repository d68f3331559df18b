"""Moves rows from the spool to the hub, one AckMachine a stream, and deletes what the hub has."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from station_agent.clock import Clock
from station_agent.telemetry.ack import AckMachine
from station_agent.telemetry.spool import Spool
from station_agent.wire.envelope import Batch, Eack, Stream

log = logging.getLogger(__name__)

TRIM_S = 2.0
"""Acknowledged rows are deleted together, not one commit each: it spares the disk."""

Publish = Callable[[Batch], None]


class Outbox:
    """`run` sends for ever; the link tells it `connected`, `lost` and every `acknowledged`."""

    def __init__(self, station: str, spool: Spool, publish: Publish, clock: Clock) -> None:
        self._spool = spool
        self._publish = publish
        self._clock = clock
        self._machines = {
            stream: AckMachine(
                station, spool.id, stream, acked=spool.start.acked[stream], last=spool.start.last[stream]
            )
            for stream in Stream
        }
        self._changed = asyncio.Event()
        self._trim_due: float | None = None
        self.eacks = 0
        """Acknowledgements of the hub that fitted this spool since the start: above 0, the hub knows us."""
        spool.on_grown = self._grown

    def connected(self) -> None:
        for machine in self._machines.values():
            machine.connected(self._clock.monotonic())
        self._changed.set()

    def lost(self) -> None:
        for machine in self._machines.values():
            machine.lost()

    def acknowledged(self, eack: Eack) -> None:
        now = self._clock.monotonic()
        machine = self._machines[eack.stream]
        strange = machine.strange
        if machine.acknowledged(eack, now):
            self._spool.acknowledged(eack.stream, machine.acked)
            if self._trim_due is None:
                self._trim_due = now + TRIM_S
        if machine.strange > strange:
            log.warning("the hub acknowledged %s up to %d, which is not ours", eack.stream, eack.upto)
        else:
            self.eacks += 1
        self._changed.set()

    async def run(self) -> None:
        while True:
            self._changed.clear()
            for machine in self._machines.values():
                await self._send(machine)
            if self._trim_due is not None and self._clock.monotonic() >= self._trim_due:
                self._trim_due = None
                await self._spool.trim()
            await self._pause()

    async def _send(self, machine: AckMachine) -> None:
        machine.tick(self._clock.monotonic())
        while (after := machine.wants()) is not None:
            rows = await self._spool.read(machine.stream, after)
            batch = machine.offer(after, rows, self._clock.monotonic())
            if batch is not None:
                self._publish(batch)

    async def _pause(self) -> None:
        """Until something changed or a timer of ours is due."""
        dues = [machine.due() for machine in self._machines.values()] + [self._trim_due]
        known = [due for due in dues if due is not None]
        timeout_s = max(0.0, min(known) - self._clock.monotonic()) if known else None
        try:
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()
        except TimeoutError:
            return

    def _grown(self, stream: Stream, last: int) -> None:
        self._machines[stream].grown(last)
        self._changed.set()
