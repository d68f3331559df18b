"""Changes the rules of stations, and brings each station its newest ones.

    change --> [one transaction: rules, codes, the whole document, audit] --> Courier --> station --> rules_version

Every change makes the next version, whose text is kept as it is signed: a version says one thing, whenever it is sent.
What people type or hold to a reader is hashed here, shown once to whoever asked for it, and kept nowhere.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from cloud_hub import audit
from cloud_hub.clock import Clock
from cloud_hub.documents import Courier
from cloud_hub.downlink import Downlink
from cloud_hub.keys import Keys
from cloud_hub.problems import Problem
from cloud_hub.rules import history, queries
from cloud_hub.rules.compose import (
    GUEST_DIGITS,
    GUEST_ROLE,
    PIN_DIGITS,
    BadSecret,
    current,
    good_pin,
    raw_bits,
    roles,
)
from cloud_hub.rules.copying import copied
from cloud_hub.rules.looking import RulesLooking, checked
from cloud_hub.rules.models import (
    AccessCode,
    AccessKind,
    Body,
    CodeUntil,
    ColdChange,
    GivenCode,
    LockdownChange,
    NewCard,
    NewGuestCode,
    NewPin,
    RulesChange,
    RulesParts,
    StationRules,
)
from cloud_hub.rules.questions import CopyOutcome, RulesCopy, RulesProgress
from cloud_hub.storage.bulk import upsert
from cloud_hub.storage.database import Database
from cloud_hub.storage.schema import access_codes, members, station_rules
from cloud_hub.users.rules import TryLimit
from station_agent.wire.envelope import StationState
from station_agent.wire.rules import GUEST_PREFIX, ColdOpen, Hashing, Lockdown, card_hash, typed_hash
from station_agent.wire.signed import sign

COLD_MAX = timedelta(days=7)
"""An open door that everybody forgot is nobody's decision any more."""

GUEST_CODES_A_MINUTE = 6  # of one user
GUEST_CODES_OF_PHONE_A_DAY = 5  # at one station
PHONE_KEPT = timedelta(days=30)  # after the guest's code has ended

_LOOK_EVERY_S = 600.0
_MADE_TRIES = 5  # of 100 million numbers, the same one for two people


class _Taken(Exception):
    """Another code of the station is the same number."""


class _Same(Exception):
    """A copy would change nothing."""


@dataclass(frozen=True, slots=True)
class _Deed:
    """Who does what, for the audit."""

    station: str
    actor: str
    action: str
    reason: str
    detail: dict[str, Any]


class RulesService:
    """`run()` pushes; every other method may be called while it runs. `told` is a station's last heartbeat."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        keys: Keys,
        downlink: Downlink,
        online: Callable[[str], bool],
        told: Callable[[str], StationState | None],
    ) -> None:
        self._database = database
        self._clock = clock
        self._keys = keys
        self._told = told
        self._courier = Courier(clock, downlink, online, self._signed)
        self._limit = TryLimit(GUEST_CODES_A_MINUTE)
        self._stale = True
        self.hashing = Hashing(salt=keys.derived("rules-hashing")[:16].hex())
        """One salt for the whole hub: each secret is hashed once, wherever it opens."""
        self.looking = RulesLooking(database, clock, self.hashing)

    # --- pushing ---

    def reported(self, station: str, version: int) -> None:
        """A station told which rules it applies."""
        self._courier.reported(station, version)

    async def run(self) -> None:
        looked_s = float("-inf")
        while True:
            self._courier.begin()
            if self._stale:
                self._stale = False
                self._courier.newest(await self._database.read(queries.versions))
            await self._courier.push_due()
            if self._clock.monotonic() - looked_s > _LOOK_EVERY_S:
                looked_s = self._clock.monotonic()
                await self._database.write(self._forget_phones)
            await self._courier.wait(_LOOK_EVERY_S)

    async def _signed(self, station: str) -> bytes | None:
        row = await self._database.read(lambda c: queries.row(c, station))
        return None if row is None else sign("document", row.document, self._keys.hub)

    def _forget_phones(self, connection: sa.Connection) -> None:
        over = access_codes.c.not_after < self._clock.now() - PHONE_KEPT
        connection.execute(access_codes.update().where(access_codes.c.phone.is_not(None), over).values(phone=None))

    # --- looking ---

    async def of(self, station: str) -> StationRules:
        """Raises Problem 404."""

        def read(connection: sa.Connection) -> StationRules:
            queries.known(connection, station)
            return self._shown(connection, station)

        return await self._database.read(read)

    async def codes(self, station: str) -> list[AccessCode]:
        """Raises Problem 404."""

        def read(connection: sa.Connection) -> list[AccessCode]:
            queries.known(connection, station)
            return queries.codes(connection, station, self._clock.now())

        return await self._database.read(read)

    async def progress(self) -> list[RulesProgress]:
        """Of every station that was given rules."""
        rows = []
        for station, version in (await self._database.read(queries.versions)).items():
            told = self._told(station)
            rows.append(RulesProgress(station=station, version=version, running=told.rules_version if told else None))
        return rows

    def _shown(self, connection: sa.Connection, station: str) -> StationRules:
        row, told = queries.row(connection, station), self._told(station)
        body = current(queries.body(connection, station), self._clock.now())
        return StationRules(
            station=station,
            version=row.version if row else 0,
            running=told.rules_version if told else None,
            people=told.people if told else None,
            parts=body.parts,
            cold=body.cold,
            lockdown=body.lockdown,
            roles=sorted(roles(body)),
            names=queries.member_names(connection, body.parts.hold_s),
            time_zone=queries.time_zone(connection, station),
            changed_at=row.changed_at if row else None,
            changed_by=row.changed_by if row else None,
            reason=row.reason if row else None,
        )

    # --- changing ---

    async def put(self, station: str, change: RulesChange, actor: str) -> StationRules:
        """Raises Problem 404, 409 when somebody changed them meanwhile, 422 when they do not hold together."""

        def changed(connection: sa.Connection, body: Body) -> Body:
            queries.as_expected(connection, station, change.expected_version)
            return body.model_copy(update={"parts": change.parts})

        return await self._change(_Deed(station, actor, "rules.put", change.reason, {}), changed)

    async def copy(self, station: str, change: RulesCopy, actor: str) -> list[CopyOutcome]:
        """Each station by itself: what one refuses, another has. Raises Problem 404 and 409 for the source."""

        def read(connection: sa.Connection) -> RulesParts:
            queries.known(connection, station)
            queries.as_expected(connection, station, change.expected_version)
            return queries.body(connection, station).parts

        source = await self._database.read(read)
        outcomes = []
        for to in dict.fromkeys(change.to):
            if to != station:
                deed = _Deed(to, actor, "rules.copy", change.reason, {"from": station, "what": list(change.what)})
                outcomes.append(await self._copy(deed, source, change))
        return outcomes

    async def _copy(self, deed: _Deed, source: RulesParts, change: RulesCopy) -> CopyOutcome:
        def changed(_: sa.Connection, body: Body) -> Body:
            parts = copied(source, body.parts, change.what)
            if parts == body.parts:
                raise _Same
            return body.model_copy(update={"parts": parts})

        try:
            rules = await self._change(deed, changed)
        except _Same:
            return CopyOutcome(station=deed.station, version=None, changed=False, problem=None)
        except Problem as problem:
            return CopyOutcome(station=deed.station, version=None, changed=False, problem=problem.detail)
        return CopyOutcome(station=deed.station, version=rules.version, changed=True, problem=None)

    async def cold(self, station: str, change: ColdChange, actor: str) -> StationRules:
        """Raises Problem 404 and 422."""
        now = self._clock.now()
        cold = None
        if change.until is not None:
            self._in_future(change.until)
            if change.until > now + COLD_MAX:
                raise Problem(422, "too-long", f"Extreme cold is ordered for at most {COLD_MAX.days} days at a time.")
            cold = ColdOpen(until=change.until, ordered_by=actor, reason=change.reason)
        detail = {"until": change.until.isoformat() if change.until else None}
        deed = _Deed(station, actor, "rules.cold", change.reason, detail)
        return await self._change(deed, lambda _, body: body.model_copy(update={"cold": cold}))

    async def lockdown(self, station: str, change: LockdownChange, actor: str) -> StationRules:
        """Raises Problem 404 and 422."""
        lockdown = None
        if change.on:
            if change.until is not None:
                self._in_future(change.until)
            lockdown = Lockdown(
                until=change.until, ordered_by=actor, reason=change.reason, exempt=tuple(dict.fromkeys(change.exempt))
            )
        detail = {"on": change.on, "until": change.until.isoformat() if change.until else None}
        deed = _Deed(station, actor, "rules.lockdown", change.reason, detail)
        return await self._change(deed, lambda _, body: body.model_copy(update={"lockdown": lockdown}))

    # --- codes and cards ---

    async def guest(self, station: str, new: NewGuestCode, actor: str) -> GivenCode:
        """Raises Problem 404 and 429."""
        wait_s = self._limit.wait_s(actor, self._clock.monotonic())
        if wait_s > 0:
            raise _too_many(f"{GUEST_CODES_A_MINUTE} guest codes a minute are enough", wait_s)
        self._limit.wrong(actor, self._clock.monotonic())
        now = self._clock.now()
        values = {
            "kind": AccessKind.GUEST,
            "person": secrets.token_hex(8),
            "role": GUEST_ROLE,
            "occupation": new.occupation,
            "phone": new.phone,
            "not_before": now,
            "not_after": now + timedelta(hours=new.hours),
            "uses": new.uses,
        }

        def not_too_many(connection: sa.Connection) -> None:
            query = sa.select(sa.func.count()).where(
                access_codes.c.station == station,
                access_codes.c.phone == new.phone,
                access_codes.c.created_at > now - timedelta(days=1),
            )
            if (connection.scalar(query) or 0) >= GUEST_CODES_OF_PHONE_A_DAY:
                raise _too_many("This phone number has had its guest codes for today", 3600.0)

        return await self._give(
            _Deed(station, actor, "rules.guest", new.reason, {}), values, GUEST_DIGITS, not_too_many
        )

    async def pin(self, station: str, new: NewPin, actor: str) -> GivenCode:
        """Raises Problem 404, 409 when the number is another's, 422."""
        if new.not_after is not None:
            self._in_future(new.not_after)
        values = {"kind": AccessKind.PIN, **self._staff(new.name, new.role), "not_after": new.not_after}
        deed = _Deed(station, actor, "rules.pin", new.reason, {"name": new.name})
        if new.digits is None:
            return await self._give(deed, values, PIN_DIGITS)
        try:
            digits = good_pin(new.digits.get_secret_value())
        except BadSecret as error:
            raise Problem(422, "bad-pin", str(error)) from error
        try:
            return await self._give_these(deed, values, digits)
        except _Taken:
            raise Problem(409, "pin-taken", "Somebody at this station has this number: choose another.") from None

    async def card(self, station: str, new: NewCard, actor: str) -> GivenCode:
        """Raises Problem 404, 409 when there is not exactly one such card, 422."""
        if (new.member is None) == (new.name is None):
            raise Problem(422, "whose-card", "A card belongs to a member or to a staff person: name one of them.")
        if new.not_after is not None:
            self._in_future(new.not_after)
        known: str | None = None
        if new.raw is not None:
            try:
                data = raw_bits(new.raw)
            except BadSecret as error:
                raise Problem(422, "bad-card", str(error)) from error
            known = await asyncio.to_thread(card_hash, new.raw.bits, data, self.hashing)
        values: dict[str, Any] = {"kind": AccessKind.CARD, "not_after": new.not_after}
        if new.name is not None:
            values |= self._staff(new.name, new.role or "staff")
        else:
            values |= {"member": new.member, "role": new.role}
        made: list[Any] = []

        def add(connection: sa.Connection, body: Body) -> Body:
            if new.member is not None and not connection.scalar(
                sa.select(members.c.id).where(members.c.id == new.member)
            ):
                raise Problem(404, "no-such-member", f"There is no member {new.member}.")
            hash_ = known or self._just_read(connection, station)
            if any(one.kind is AccessKind.CARD and one.hash == hash_ for one in self._registered(connection, station)):
                raise Problem(409, "card-taken", "This card is registered at this station already: revoke it first.")
            made.append(self._insert(connection, station, values | {"hash": hash_}, actor, new.reason))
            return body

        deed = _Deed(station, actor, "rules.card", new.reason, {"member": new.member, "name": new.name})
        await self._change(deed, add)
        return GivenCode(code=made[-1], digits=None, qr=None)

    async def revoke(self, station: str, code: str, reason: str, actor: str) -> None:
        """Raises Problem 404."""

        def revoke(connection: sa.Connection, body: Body) -> Body:
            done = connection.execute(
                access_codes.update()
                .where(
                    access_codes.c.id == code, access_codes.c.station == station, access_codes.c.revoked_at.is_(None)
                )
                .values(revoked_at=self._clock.now(), revoked_by=actor)
            )
            if done.rowcount == 0:
                raise Problem(404, "no-such-code", f"Station {station} has no code or card {code}, or it was revoked.")
            return body

        await self._change(_Deed(station, actor, "rules.revoke", reason, {"code": code}), revoke)

    async def until(self, station: str, code: str, change: CodeUntil, actor: str) -> AccessCode:
        """Moves the end of a PIN or card. Raises Problem 404, 422."""
        if change.not_after is not None:
            self._in_future(change.not_after)
        found: list[AccessCode] = []

        def move(connection: sa.Connection, body: Body) -> Body:
            living = {one.id: one for one in queries.codes(connection, station, self._clock.now())}
            if code not in living:
                raise Problem(404, "no-such-code", f"Station {station} has no code or card {code} that still opens.")
            if living[code].kind is AccessKind.GUEST:
                raise Problem(422, "guest-code", "A guest's code keeps its end: give the guest a new one.")
            new = {"not_after": change.not_after}
            connection.execute(access_codes.update().where(access_codes.c.id == code).values(new))
            found.append(living[code].model_copy(update=new))
            return body

        detail = {"code": code, "until": change.not_after.isoformat() if change.not_after else None}
        await self._change(_Deed(station, actor, "rules.until", change.reason, detail), move)
        return found[-1]

    def _staff(self, name: str, role: str) -> dict[str, Any]:
        """The same name is the same person, at every station."""
        person = hmac.digest(self._keys.derived("staff"), name.encode(), "sha256")[:8].hex()
        return {"name": name, "person": person, "role": role}

    def _just_read(self, connection: sa.Connection, station: str) -> str:
        found = queries.cards_read(connection, station, self._clock.now())
        if len(found) == 1:
            return found.pop()
        if found:
            detail = f"{len(found)} unknown cards were read in the last two minutes: wait, and have only this one read."
            raise Problem(409, "several-cards", detail)
        raise Problem(
            409,
            "no-card-read",
            f"Station {station} has read no unknown card in the last two minutes: hold the card to its reader, and try "
            "again. A station that never had rules cannot tell cards apart: save its rules once.",
        )

    async def _give(
        self,
        deed: _Deed,
        values: dict[str, Any],
        digits: int,
        check: Callable[[sa.Connection], None] = lambda connection: None,
    ) -> GivenCode:
        for _ in range(_MADE_TRIES):
            try:
                return await self._give_these(deed, values, f"{secrets.randbelow(10**digits):0{digits}d}", check)
            except _Taken:
                continue
        raise Problem(503, "no-number-left", "No free number was found: revoke codes that are no longer needed.")

    async def _give_these(
        self,
        deed: _Deed,
        values: dict[str, Any],
        digits: str,
        check: Callable[[sa.Connection], None] = lambda connection: None,
    ) -> GivenCode:
        """Raises _Taken."""
        hash_ = await asyncio.to_thread(typed_hash, digits, self.hashing)
        made: list[AccessCode] = []

        def add(connection: sa.Connection, body: Body) -> Body:
            check(connection)
            others = self._registered(connection, deed.station)
            if any(one.kind is not AccessKind.CARD and one.hash == hash_ for one in others):
                raise _Taken
            made.append(self._insert(connection, deed.station, values | {"hash": hash_}, deed.actor, deed.reason))
            return body

        await self._change(deed, add)
        qr = GUEST_PREFIX + digits if values["kind"] is AccessKind.GUEST else None
        return GivenCode(code=made[-1], digits=digits, qr=qr)

    def _registered(self, connection: sa.Connection, station: str) -> list[Any]:
        return list(queries.registered(connection, station, self._clock.now()))

    def _insert(
        self, connection: sa.Connection, station: str, values: dict[str, Any], actor: str, reason: str
    ) -> AccessCode:
        id_ = str(uuid4())
        row = {"name": "", **values, "created_at": self._clock.now(), "created_by": actor, "reason": reason}
        connection.execute(access_codes.insert().values(id=id_, station=station, **row))
        return queries.shown(connection.execute(access_codes.select().where(access_codes.c.id == id_)).one())

    async def _change(self, deed: _Deed, changed: Callable[[sa.Connection, Body], Body]) -> StationRules:
        """The next version: `changed` gives what it says, from what the last one said."""

        def write(connection: sa.Connection) -> StationRules:
            now = self._clock.now()
            queries.known(connection, deed.station)
            row, told = queries.row(connection, deed.station), self._told(deed.station)
            before = current(queries.body(connection, deed.station), now)
            body = changed(connection, before)
            # A hub that was restored from a backup goes on above what its stations already have.
            version = max(row.version if row else 0, told.rules_version if told else 0) + 1
            codes = queries.registered(connection, deed.station, now)
            rules = checked(deed.station, version, body, codes, self.hashing, now)
            upsert(
                connection,
                station_rules,
                [
                    {
                        "station": deed.station,
                        "version": version,
                        "body": body.model_dump(mode="json"),
                        "document": rules.model_dump_json(),
                        "changed_at": now,
                        "changed_by": deed.actor,
                        "reason": deed.reason,
                    }
                ],
            )
            if body != before or row is None:
                history.keep(connection, deed.station, version, body, now, deed.actor, deed.action, deed.reason)
            detail = {"version": version, "reason": deed.reason, **deed.detail}
            audit.record(connection, now, deed.actor, deed.action, deed.station, detail)
            return self._shown(connection, deed.station)

        result = await self._database.write(write)
        self._stale = True
        self._courier.wake()
        return result

    def _in_future(self, until: datetime) -> None:
        if until <= self._clock.now():
            raise Problem(422, "in-the-past", "The end is over already: choose a later one.")


def _too_many(what: str, wait_s: float) -> Problem:
    return Problem(429, "too-many-codes", f"{what}: try again later.", {"Retry-After": str(int(wait_s) + 1)})
