"""Takes in what stations publish. Each round: everything that has come, one transaction, then the acknowledgements.

    messages -> read_batch -> [writer thread: marks, rows, projections, commit] -> Eack to stations -> ack to the broker
                                                                              \\-> board, commands, live stream

Heartbeats take a shorter way: they are no history, so no disk and no stream sees them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import nats
from nats.aio.msg import Msg
from pydantic import ValidationError

from cloud_hub.clock import Clock
from cloud_hub.codes.roster import RosterService
from cloud_hub.commands.service import CommandService
from cloud_hub.counters import Counters
from cloud_hub.ingest.apply import Refused, read_batch
from cloud_hub.ingest.consumer import Consumer
from cloud_hub.ingest.store import Stored, store
from cloud_hub.live.feed import Feed, Message
from cloud_hub.live.models import Topic
from cloud_hub.nats_link import BrokerLost, NatsLink
from cloud_hub.rules.service import RulesService
from cloud_hub.stations.board import Board
from cloud_hub.stations.service import StationService
from cloud_hub.storage.database import Database
from station_agent.wire.envelope import Batch, Eack, StationState
from station_agent.wire.topics import Down, station_of

STATES = "yizhan.v1.*.up.state"
STATE_BYTES_MAX = 64 * 1024


class Ingest:
    """`run()` is the service; `ready` is set while it takes in."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        counters: Counters,
        nats: NatsLink,
        feed: Feed,
        board: Board,
        stations: StationService,
        commands: CommandService,
        rosters: RosterService,
        rules: RulesService,
    ) -> None:
        self._database = database
        self._clock = clock
        self._counters = counters
        self._nats = nats
        self._feed = feed
        self._board = board
        self._stations = stations
        self._commands = commands
        self._rosters = rosters
        self._rules = rules
        self.ready = asyncio.Event()

    async def run(self) -> None:
        """One life of a connection. Raises BrokerLost."""
        connection = await self._nats.connection()
        consumer = Consumer(connection)
        try:
            await consumer.open()
            await connection.client.subscribe(STATES, cb=self._state)
            self.ready.set()
            while True:
                messages = await consumer.waiting()
                await self.take(messages)
                await consumer.done(messages)
        except nats.errors.Error as error:
            raise BrokerLost(f"the broker does not answer: {error}") from error
        finally:
            self.ready.clear()

    async def take(self, messages: Sequence[Msg]) -> None:
        """Returns after the commit; raises what the database raises, and then nothing was acknowledged."""
        batches: list[Batch] = []
        refused: list[Refused] = []
        for message in messages:
            batch = read_batch(message.subject, message.data)
            if isinstance(batch, Batch) and batch.station not in self._board:
                batch = Refused(batch.station, "unknown_station", "not in the hub's table")
            if isinstance(batch, Batch):
                batches.append(batch)
            else:
                refused.append(batch)
        boots = {
            boot: began
            for name in {batch.station for batch in batches}
            if (entry := self._board.get(name)) is not None
            for boot, began in entry.boots.items()
        }
        now, watched = self._clock.now(), self._feed.readers > 0
        stored = await self._database.write(lambda c: store(c, batches, refused, now, boots, watched))
        for source, mark in stored.absorbed.marks.items():
            eack = Eack(spool=source.spool, stream=source.stream, upto=mark)
            await self._nats.send(source.station, Down.ACK, eack.model_dump_json().encode())
        self._count(messages, refused, stored)
        self._show(stored)

    def _count(self, messages: Sequence[Msg], refused: Sequence[Refused], stored: Stored) -> None:
        self._counters.add("ingest_messages", len(messages))
        self._counters.add("ingest_rows", len(stored.absorbed.rows))
        self._counters.add("ingest_rows_repeated", stored.absorbed.repeated)
        self._counters.add("ingest_gaps", stored.absorbed.gaps)
        for one in refused:
            self._counters.add("ingest_rejected", station=one.station, reason=one.reason)
        for (station, reason), count in stored.plan.odd.items():
            self._counters.add("ingest_odd", count, station=station, reason=reason)

    def _show(self, stored: Stored) -> None:
        for door in stored.plan.doors:
            self._board.door(door.station, door.state, door.contact_open, door.at)
        for station, version in stored.plan.rosters.items():
            self._rosters.reported(station, version)
        for station, version in stored.plan.rules.items():
            self._rules.reported(station, version)
        self._commands.tell(stored.commands)
        for item in stored.items:
            self._feed.publish(Message(Topic.EVENT, item.station, item.model_dump_json()))
        for readings in stored.readings:
            self._feed.publish(Message(Topic.READING, readings.station, readings.model_dump_json()))
        for station in stored.plan.stations:
            self._stations.changed(station)

    async def _state(self, message: Msg) -> None:
        """A heartbeat or a will. Called by the NATS client for one message after the other."""
        sender = station_of(message.subject)
        station = sender[0] if sender else "unknown"
        if len(message.data) > STATE_BYTES_MAX:
            self._counters.add("ingest_rejected", station=station, reason="state_too_large")
            return
        try:
            state = StationState.model_validate_json(message.data)
        except ValidationError:
            self._counters.add("ingest_rejected", station=station, reason="not_a_state")
            return
        if state.station != station:
            self._counters.add("ingest_rejected", station=station, reason="other_station")
            return
        self._stations.heard(state)
        if state.online:
            self._rosters.reported(station, state.roster_version)
            self._rules.reported(station, state.rules_version)
