"""Asking the rules without changing them: earlier versions, and who may enter when by those in force or by a draft."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import sqlalchemy as sa
from pydantic import ValidationError

from cloud_hub.clock import Clock
from cloud_hub.problems import Problem
from cloud_hub.rules import asking, history, queries
from cloud_hub.rules.compose import Registered, compose, current
from cloud_hub.rules.models import Body, RulesParts
from cloud_hub.rules.questions import OldRules, RulesAnswer, RulesQuestion, RulesVersion, RulesWeek, WeekQuestion
from cloud_hub.storage.database import Database
from station_agent.access.rules import HeldRules
from station_agent.wire.rules import Hashing, Rules


class RulesLooking:
    """Every method raises Problem 404 for an unknown station, and 422 for a draft that does not hold together."""

    def __init__(self, database: Database, clock: Clock, hashing: Hashing) -> None:
        self._database = database
        self._clock = clock
        self._hashing = hashing

    async def versions(self, station: str) -> list[RulesVersion]:
        def read(connection: sa.Connection) -> list[RulesVersion]:
            queries.known(connection, station)
            return history.versions(connection, station)

        return await self._database.read(read)

    async def version(self, station: str, number: int) -> OldRules:
        """Raises Problem 404 for one that is not kept."""

        def read(connection: sa.Connection) -> OldRules:
            queries.known(connection, station)
            found = history.version(connection, station, number)
            if found is None:
                kept = f"the newest {history.HISTORY_MAX} are kept"
                raise Problem(
                    404, "no-such-version", f"Version {number} of the rules of {station} is not kept: {kept}."
                )
            return found

        return await self._database.read(read)

    async def answer(self, station: str, question: RulesQuestion) -> RulesAnswer:
        rules, zone = await self._rules(station, question.parts)
        at = question.at.replace(second=0, microsecond=0)
        return await asyncio.to_thread(asking.answer, rules, question.role, at, zone)

    async def week(self, station: str, question: WeekQuestion) -> RulesWeek:
        rules, zone = await self._rules(station, question.parts)
        return await asyncio.to_thread(asking.week, rules, question.first, sorted({*rules.roles, "member"}), zone)

    async def _rules(self, station: str, draft: RulesParts | None) -> tuple[HeldRules, tzinfo]:
        now = self._clock.now()

        def read(connection: sa.Connection) -> tuple[HeldRules, tzinfo]:
            zone = queries.time_zone(connection, station)
            row, body = queries.row(connection, station), current(queries.body(connection, station), now)
            if draft is not None:
                body = body.model_copy(update={"parts": draft})
            codes = queries.registered(connection, station, now)
            version = row.version if row else 0
            rules = checked(station, max(version, 1), body, codes, self._hashing, now)
            return HeldRules.of(rules), _zone(zone)

        return await self._database.read(read)


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        detail = f"The hub knows no time zone {name!r}: correct `station.time_zone` in the station's profile."
        raise Problem(422, "no-such-time-zone", detail) from error


def checked(
    station: str, version: int, body: Body, registered: Iterable[Registered], hashing: Hashing, now: datetime
) -> Rules:
    """As `compose`. Raises Problem 422, whose sentence names the part that does not hold together."""
    try:
        return compose(station, version, body, registered, hashing, now)
    except ValidationError as error:
        row = error.errors(include_url=False, include_input=False)[0]
        first = f"{'.'.join(map(str, row['loc'])) or 'rules'}: {row['msg'].removeprefix('Value error, ')}"
        raise Problem(422, "rules-invalid", f"These rules do not hold together: {first}.") from error
