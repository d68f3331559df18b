"""Composition root: the hub's parts, made once and wired by hand, and the order in which they start and stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from cloud_hub import audit
from cloud_hub.broker import Broker, BrokerUser
from cloud_hub.clock import Clock, SystemClock
from cloud_hub.codes.roster import RosterService
from cloud_hub.codes.service import CodeService
from cloud_hub.commands.service import CommandService
from cloud_hub.counters import Counters
from cloud_hub.demo_mark import check_folder, check_tables
from cloud_hub.enrolment.address import tell_address
from cloud_hub.enrolment.broker_files import ServerCertificates, broker_tls, write_broker_files
from cloud_hub.enrolment.service import EnrolmentService
from cloud_hub.enrolment.trust import TrustService
from cloud_hub.events.queries import EventQueries
from cloud_hub.faces.service import FaceService
from cloud_hub.ingest.service import Ingest
from cloud_hub.keys import Keys, load_keys
from cloud_hub.knocks.service import KnockService
from cloud_hub.live.feed import Feed
from cloud_hub.lock import only_hub
from cloud_hub.members.service import MemberService
from cloud_hub.nats_link import NatsLink
from cloud_hub.retention.service import Retention
from cloud_hub.rules.service import RulesService
from cloud_hub.settings import Settings
from cloud_hub.stations.board import Board
from cloud_hub.stations.service import StationService
from cloud_hub.storage.database import Database
from cloud_hub.storage.engines import database_of
from cloud_hub.supervisor import Supervisor
from cloud_hub.users.service import Users
from cloud_hub.video.pictures import Pictures
from cloud_hub.video.relay import Relay, View
from cloud_hub.video.tickets import Tickets
from station_agent.wire.enrolment import BrokerAddress
from station_agent.wire.envelope import StationState


@dataclass(frozen=True, slots=True)
class Hub:
    """What routes reach. `keys.derived(purpose)` gives the HMAC secret of a kind of ticket."""

    settings: Settings
    clock: Clock
    keys: Keys
    database: Database
    counters: Counters
    feed: Feed
    broker: Broker
    nats: NatsLink
    ingest: Ingest
    stations: StationService
    enrolment: EnrolmentService
    trust: TrustService
    events: EventQueries
    commands: CommandService
    members: MemberService
    codes: CodeService
    knocks: KnockService
    faces: FaceService
    rosters: RosterService
    rules: RulesService
    retention: Retention
    users: Users
    relay: Relay
    pictures: Pictures
    tickets: Tickets
    supervisor: Supervisor

    async def has_camera(self, station: str, camera: str) -> bool:
        """Raises Problem 404 for an unknown station."""
        return camera in (await self.stations.known(station)).profile.cameras


def build_hub(settings: Settings, clock: Clock, keys: Keys, database: Database) -> Hub:
    """The parts, wired; nothing runs and no file is touched yet."""
    counters = Counters()
    feed = Feed()
    board = Board()
    broker = Broker(settings.data, settings.broker_port, settings.mqtt_port, settings.mqtt_host, broker_tls(settings))
    nats = NatsLink(broker)
    rosters = RosterService(database, clock, keys, nats, lambda name: board.online(name, clock.now()))
    commands = CommandService(database, clock, keys.hub, nats, feed)

    def online(station: str) -> bool:
        return board.online(station, clock.now())

    def told(station: str) -> StationState | None:
        entry = board.get(station)
        return entry.state if entry else None

    rules = RulesService(database, clock, keys, nats, online, told)
    faces = FaceService(database, clock, keys.hub, nats, lambda name: board.online(name, clock.now()))

    def members_changed() -> None:
        rosters.changed()
        faces.changed()

    async def stations_changed() -> None:
        if settings.demo:
            broker.set_stations(await stations.broker_users())
        rosters.changed()

    async def identities_changed(users: Mapping[str, str]) -> None:
        if await stations.learn():
            rosters.changed()
        if not settings.demo:
            rows = [BrokerUser(name, station) for name, station in users.items()]
            if await asyncio.to_thread(broker.write_users, rows):
                broker.read_again()

    def broker_address() -> BrokerAddress:
        return BrokerAddress(host=settings.broker_host, port=settings.broker_port_told(broker.ports.mqtt))

    stations = StationService(
        database, clock, settings, board, feed, keys.signing.trusted, lambda: broker.ports.mqtt, stations_changed
    )
    trust = TrustService(keys.signing, clock, nats)
    stations.on_state = lambda state: trust.reported(state.station, state.trust_version)

    async def view_ended(view: View) -> None:
        detail = {"started_at": view.started_at.isoformat(), "bytes": view.bytes, "end": view.end}
        subject = f"{view.station}/{view.camera}"
        await database.write(lambda c: audit.record(c, view.ended_at, view.user, "camera.watch", subject, detail))

    tickets = Tickets(keys.derived("video"))
    return Hub(
        settings=settings,
        clock=clock,
        keys=keys,
        database=database,
        counters=counters,
        feed=feed,
        broker=broker,
        nats=nats,
        ingest=Ingest(database, clock, counters, nats, feed, board, stations, commands, rosters, rules),
        stations=stations,
        enrolment=EnrolmentService(database, clock, settings, keys, broker_address, identities_changed),
        trust=trust,
        events=EventQueries(database),
        commands=commands,
        members=MemberService(database, clock, members_changed),
        codes=CodeService(database, clock, keys, rosters.changed),
        knocks=KnockService(clock, keys, nats, board, counters),
        faces=faces,
        rosters=rosters,
        rules=rules,
        retention=Retention(database, clock, counters, settings.keep, settings.data),
        users=Users(database, clock),
        relay=Relay(tickets, commands.carry_out, view_ended, clock),
        pictures=Pictures(tickets, commands.carry_out, clock),
        tickets=tickets,
        supervisor=Supervisor(),
    )


@asynccontextmanager
async def open_hub(settings: Settings, clock: Clock | None = None) -> AsyncIterator[Hub]:
    """A hub whose services run. Raises BadSettings. On leaving, intake stops first and the database last."""
    settings.check()
    check_folder(settings)
    keys = load_keys(settings.data)
    with only_hub(settings.data):
        async with _opened(settings, clock or SystemClock(), keys) as hub:
            yield hub


@asynccontextmanager
async def _opened(settings: Settings, clock: Clock, keys: Keys) -> AsyncIterator[Hub]:
    where = database_of(settings.data, settings.database.get_secret_value() if settings.database else "")
    async with Database.open(where) as database:
        await database.read(lambda c: check_tables(c, settings.demo))
        hub = build_hub(settings, clock, keys, database)
        try:
            await hub.stations.load()
            write_broker_files(settings, keys, clock.now())
            tell_address(settings, keys)
            hub.broker.prepare()
            if settings.demo:
                hub.broker.set_stations(await hub.stations.broker_users())
            await hub.enrolment.look()
            async with hub.supervisor as supervisor:
                # Stopped in the opposite order: nothing comes in any more, then the rest, the broker last.
                supervisor.keep("broker", hub.broker.run)
                supervisor.keep("nats", hub.nats.run)
                supervisor.keep("enrolment", hub.enrolment.run)
                supervisor.keep("certificates", ServerCertificates(settings, keys, clock, hub.broker.read_again).run)
                supervisor.keep("trust", hub.trust.run)
                supervisor.keep("stations.save", hub.stations.save)
                supervisor.keep("stations.watch", hub.stations.watch)
                supervisor.keep("rosters", hub.rosters.run)
                supervisor.keep("rules", hub.rules.run)
                supervisor.keep("faces", hub.faces.run)
                supervisor.keep("commands", hub.commands.run)
                supervisor.keep("retention", hub.retention.run)
                supervisor.keep("knocks", hub.knocks.run)
                supervisor.keep("ingest", hub.ingest.run)
                yield hub
                await hub.relay.close()
        finally:
            hub.users.close()
