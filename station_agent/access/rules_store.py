"""The rules over a restart, and the way that new ones come into force.

    document --> of this station? newer? --> one commit: the document and RulesApplied --> in force

Until the commit is done the last good rules stay in force; a document that is refused changes nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from pydantic import ValidationError
from sqlite_utils import Database

from station_agent.access.rules import NO_RULES, HeldRules
from station_agent.clock import SystemClock
from station_agent.telemetry.spool import Spool
from station_agent.telemetry.store import keep_value
from station_agent.wire.documents import DocumentRefused
from station_agent.wire.events import RulesApplied
from station_agent.wire.rules import Rules

log = logging.getLogger(__name__)


def prepare(db: Database) -> None:
    """Store job: make the table."""
    db.conn.execute("CREATE TABLE IF NOT EXISTS rules (version INTEGER NOT NULL, body TEXT NOT NULL)")


def keep(db: Database, rules: Rules) -> None:
    """Within a store job: replace what is held."""
    db.conn.execute("DELETE FROM rules")
    db.conn.execute("INSERT INTO rules VALUES (?, ?)", (rules.version, rules.model_dump_json()))


def load(db: Database) -> HeldRules:
    """Store job: what was kept. Rules that this version cannot read are none, and the hub sends them again."""
    found = db.conn.execute("SELECT body FROM rules").fetchone()
    if found is None:
        return NO_RULES
    try:
        return HeldRules.of(Rules.model_validate_json(found[0]))
    except ValidationError as error:
        log.error("the rules that were kept cannot be read, so none are in force: %s", _first(error))
        return NO_RULES


def read(body: str, station: str, held: int) -> Rules | None:
    """Rules that may be applied over version `held`; None for the very version that is held. DocumentRefused."""
    try:
        rules = Rules.model_validate_json(body)
    except ValidationError as error:
        raise DocumentRefused(f"no rules: {_first(error)}") from error
    if rules.station != station:
        raise DocumentRefused(f"rules of station {rules.station}")
    if rules.version < held:
        raise DocumentRefused(f"rules version {rules.version}, version {held} is held")
    return None if rules.version == held else rules


class RulesTaker:
    """`take` is what the link gives the body of a document of the kind "rules" to."""

    def __init__(
        self,
        station: str,
        held: HeldRules,
        *,
        spool: Spool,
        clock: SystemClock,
        floor_name: str,
        on_rules: Callable[[HeldRules], None],
    ) -> None:
        self._station = station
        self._held = held
        self._spool = spool
        self._clock = clock
        self._floor_name = floor_name
        self._on_rules = on_rules

    async def take(self, body: str) -> None:
        """Raises DocumentRefused."""
        rules = await asyncio.to_thread(read, body, self._station, self._held.version)
        if rules is None:
            log.debug("rules version %d came again", self._held.version)
            return
        floor = max(self._clock.floor, rules.issued_at)

        def job(db: Database) -> None:
            keep(db, rules)
            keep_value(db, self._floor_name, floor.isoformat())

        await self._spool.commit(RulesApplied(version=rules.version), also=job)
        self._clock.passed(rules.issued_at)
        self._held = await asyncio.to_thread(HeldRules.of, rules)
        self._on_rules(self._held)
        log.info("rules version %d", rules.version)


def _first(error: ValidationError) -> str:
    row = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, row['loc'])) or '(document)'}: {row['msg']}"
