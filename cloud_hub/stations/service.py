"""Stations as routes and the live stream show them: the board joined with what the database counts."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import sqlalchemy as sa
from pydantic import SecretStr

from cloud_hub import audit
from cloud_hub.clock import Clock
from cloud_hub.live.feed import Feed, Message
from cloud_hub.live.models import Topic
from cloud_hub.problems import Problem
from cloud_hub.rollups.tables import series, span_for
from cloud_hub.settings import Settings
from cloud_hub.stations import queries
from cloud_hub.stations.board import Board, Entry
from cloud_hub.stations.models import LatestReadings, ReadingSeries, Station, StationDetail
from cloud_hub.stations.rows import Counts, station_detail, station_row
from cloud_hub.storage.database import Database
from cloud_hub.storage.schema import stations
from station_agent.wire.envelope import StationState
from station_agent.wire.link import BrokerLink, HubLink
from station_agent.wire.profile import StationProfile

SAVE_EVERY_S = 30.0  # a hub that is killed forgets at most so much of "last seen"
LOOK_EVERY_S = 2.0  # how late a silent station may be shown as offline


class StationService:
    """`watch()` and `save()` are services; `changed` marks a station whose row readers must get anew."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        settings: Settings,
        board: Board,
        feed: Feed,
        hub_keys: Callable[[], tuple[str, ...]],
        mqtt_port: Callable[[], int],
        stations_changed: Callable[[], Awaitable[None]],
    ) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings
        self._board = board
        self._feed = feed
        self._hub_keys = hub_keys
        self._mqtt_port = mqtt_port
        self._stations_changed = stations_changed
        self.on_state: Callable[[StationState], None] = lambda state: None
        self._dirty: set[str] = set()
        self._wake = asyncio.Event()

    async def load(self) -> None:
        """Fills the board from the database."""
        for row in await self._database.read(lambda c: c.execute(stations.select()).all()):
            state = None if row.last_state is None else StationState.model_validate(row.last_state, strict=False)
            self._board.put(StationProfile.model_validate(row.profile), state, row.last_seen)

    async def learn(self) -> bool:
        """Takes in stations that were added beside us, by a command line or another hub. Whether there were any."""
        rows = await self._database.read(lambda c: c.execute(sa.select(stations.c.id)).scalars().all())
        new = [name for name in rows if name not in self._board]
        query = stations.select().where(stations.c.id.in_(new))
        for row in await self._database.read(lambda c: c.execute(query).all()) if new else ():
            self._board.put(StationProfile.model_validate(row.profile), None, None)
            self.changed(row.id)
        return bool(new)

    async def known(self, station: str) -> Entry:
        """Raises Problem 404."""
        entry = self._board.get(station)
        if entry is None:
            raise Problem(404, "no-such-station", f"There is no station {station}.")
        return entry

    async def rows(self) -> list[Station]:
        entries = list(self._board)
        counts = await self._database.read(lambda c: self._counts(c, [name for name, _ in entries]))
        now = self._clock.now()
        return [station_row(entry, counts[name], self._settings, now) for name, entry in entries]

    async def detail(self, station: str) -> StationDetail:
        entry = await self.known(station)
        counts, alarms, roster, rules = await self._database.read(
            lambda c: (
                self._counts(c, [station])[station],
                queries.open_alarms(c, station),
                queries.roster_version(c, station),
                queries.rules_version(c, station),
            )
        )
        row = station_row(entry, counts, self._settings, self._clock.now())
        return station_detail(row, entry, alarms, roster, rules)

    def _counts(self, connection: sa.Connection, names: Sequence[str]) -> dict[str, Counts]:
        zones = {name: entry.profile.station.time_zone for name, entry in self._board}
        return queries.counts(connection, {name: zones[name] for name in names}, self._clock.now())

    async def readings(self, station: str, device: str | None, point: str | None, hours: int) -> ReadingSeries:
        await self.known(station)
        since = self._clock.now() - timedelta(hours=hours)
        return await self._database.read(lambda c: series(c, station, device, point, since, span_for(hours)))

    async def latest(self, station: str) -> LatestReadings:
        await self.known(station)
        return await self._database.read(lambda c: queries.latest(c, station))

    async def add(self, profile: StationProfile, actor: str) -> HubLink:
        """Raises Problem 409 when the id is taken."""
        station = profile.station.id
        now = self._clock.now()
        secret = secrets.token_hex(24)

        def insert(connection: sa.Connection) -> None:
            if connection.scalar(sa.select(stations.c.id).where(stations.c.id == station)):
                raise Problem(409, "station-exists", f"There is a station {station} already.")
            connection.execute(
                stations.insert().values(
                    id=station, profile=profile.model_dump(mode="json"), broker_secret=secret, created_at=now
                )
            )
            audit.record(connection, now, actor, "station.add", station)

        await self._database.write(insert)
        self._board.put(profile, None, None)
        await self._stations_changed()
        self.changed(station)
        return self._link(station, secret)

    async def update_profile(self, profile: StationProfile) -> None:
        """Replaces the profile of a known station."""
        station = profile.station.id
        content = profile.model_dump(mode="json")
        await self._database.write(
            lambda c: c.execute(stations.update().where(stations.c.id == station).values(profile=content))
        )
        (await self.known(station)).profile = profile

    async def link(self, station: str) -> HubLink:
        """What the station needs to reach us. Secret. Raises Problem 404."""
        await self.known(station)
        query = sa.select(stations.c.broker_secret).where(stations.c.id == station)
        return self._link(station, await self._database.read(lambda c: c.execute(query).scalar_one()))

    def _link(self, station: str, secret: str) -> HubLink:
        return HubLink(
            station=station,
            hub_url=self._settings.url,
            broker=BrokerLink(host="127.0.0.1", port=self._mqtt_port(), username=station, password=SecretStr(secret)),
            hub_keys=self._hub_keys(),
            demo=self._settings.demo,
        )

    @staticmethod
    def revealed(link: HubLink) -> dict[str, Any]:
        """The link as JSON for its file, the password in clear."""
        shown = link.model_dump(mode="json")
        shown["broker"]["password"] = link.broker.password.get_secret_value()
        return shown

    async def broker_users(self) -> dict[str, str]:
        """Station id -> its broker password, of those that come by one: a demo's."""
        query = sa.select(stations.c.id, stations.c.broker_secret).where(stations.c.broker_secret != "")
        rows = await self._database.read(lambda c: c.execute(query).all())
        return {row.id: row.broker_secret for row in rows}

    def heard(self, state: StationState) -> None:
        """A heartbeat, or the will that the broker published for a station."""
        if self._board.heard(state, self._clock.now()):
            self.changed(state.station)
            self.on_state(state)

    def changed(self, station: str) -> None:
        self._dirty.add(station)
        self._wake.set()

    async def watch(self) -> None:
        """Shows changed rows to the live stream at once, and those that fell silent within LOOK_EVERY_S."""
        while True:
            now = self._clock.now()
            for name, entry in self._board:
                if entry.online(now) != entry.told_online:
                    entry.told_online = not entry.told_online
                    self._dirty.add(name)
            dirty, self._dirty = sorted(self._dirty), set()
            self._wake.clear()
            if dirty and self._feed.readers:
                counts = await self._database.read(partial(self._counts, names=dirty))
                for name in dirty:
                    entry = await self.known(name)
                    row = station_row(entry, counts[name], self._settings, now)
                    self._feed.publish(Message(Topic.STATION, name, row.model_dump_json()))
            try:
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def save(self) -> None:
        """Keeps the board's news in the database, every SAVE_EVERY_S and at the end."""
        try:
            while True:
                await asyncio.sleep(SAVE_EVERY_S)
                await self.save_now()
        finally:
            await self.save_now()

    async def save_now(self) -> None:
        unsaved = [(name, entry) for name, entry in self._board if entry.unsaved]
        values = [
            {"b_id": name, "last_state": e.state.model_dump(mode="json"), "last_seen": e.last_seen}
            for name, e in unsaved
            if e.state is not None
        ]
        for _, entry in unsaved:
            entry.unsaved = False
        if values:
            statement = stations.update().where(stations.c.id == sa.bindparam("b_id"))
            await self._database.write(lambda c: c.execute(statement, values))
