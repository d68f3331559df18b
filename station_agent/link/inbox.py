"""PURE: may this order be carried out? Asked of every message on the command topic, at the moment of execution.

    payload --open_signed--> Command --> station? id new? clock? lifetime? expiry? --> Execute | Refuse | Ignore

Refuse answers an order of the hub that will not be done, and says why. Ignore is for what must not be answered
under the id that it names: text that the hub did not sign, and an order whose id was seen before, because that id
already has its true answer. Neither opens anything; both are counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import ValidationError

from station_agent.wire.commands import LIFETIME_MAX, Command
from station_agent.wire.kinds import CommandStatus
from station_agent.wire.signed import Forged, open_signed

SEEN_MAX = 4096
"""Ids kept until their orders have expired. At one a second this is an hour's worth and orders live a minute;
when it is full of living ones, new orders are refused."""

AHEAD_MAX = timedelta(seconds=30)
"""An order from further in the future means that one of the two clocks is wrong."""


@dataclass(frozen=True, slots=True)
class Execute:
    command: Command


@dataclass(frozen=True, slots=True)
class Refuse:
    """To be told as the final progress of `command`; `status` is REFUSED or EXPIRED."""

    command: UUID
    status: CommandStatus
    detail: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Ignore:
    """Not answered, only counted."""

    reason: str


@dataclass(slots=True)
class Seen:
    """Ids of orders that were answered, until they have expired anyway."""

    _until: dict[UUID, datetime] = field(default_factory=dict)

    def __contains__(self, command: UUID) -> bool:
        return command in self._until

    def add(self, command: UUID, expires_at: datetime, now: datetime) -> None:
        if len(self._until) >= SEEN_MAX:
            self._until = {id: until for id, until in self._until.items() if until > now}
        self._until[command] = expires_at

    def full(self, now: datetime) -> bool:
        return len(self._until) >= SEEN_MAX and all(until > now for until in self._until.values())


def judge(
    payload: bytes,
    *,
    station: str,
    keys: Mapping[str, Ed25519PublicKey],
    seen: Seen,
    now: datetime,
    clock_trusted: bool,
) -> Execute | Refuse | Ignore:
    """What to do with a message. Changes nothing: who executes or refuses adds the id to `seen`."""
    try:
        body = open_signed("command", payload, keys)
    except Forged as forged:
        return Ignore(f"forged: {forged}")
    try:
        command = Command.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        return Ignore(f"no order of this version: {where}: {first['msg']}")
    if command.id in seen:
        return Ignore("replayed: this order was answered before")
    refused = _refusal(command, station, seen, now, clock_trusted)
    if refused is None:
        return Execute(command)
    status, detail = refused
    return Refuse(command.id, status, detail, command.expires_at)


def expired(command: Command, now: datetime) -> bool:
    """Asked once more right before the effect."""
    return now >= command.expires_at


def _refusal(
    command: Command, station: str, seen: Seen, now: datetime, clock_trusted: bool
) -> tuple[CommandStatus, str] | None:
    refused = CommandStatus.REFUSED
    if command.station != station:
        return refused, f"foreign: the order is for station {command.station}, this is {station}"
    if not clock_trusted:
        return refused, f"the station's clock says {now:%Y-%m-%d %H:%M} UTC and cannot be trusted"
    if command.expires_at - command.issued_at > LIFETIME_MAX:
        return refused, f"an order may live {LIFETIME_MAX.seconds} s at most"
    if command.issued_at > now + AHEAD_MAX:
        return refused, f"issued at {command.issued_at:%H:%M:%S}, here it is {now:%H:%M:%S} UTC: check both clocks"
    if now >= command.expires_at:
        return CommandStatus.EXPIRED, f"expired at {command.expires_at:%H:%M:%S}, here it is {now:%H:%M:%S} UTC"
    if seen.full(now):
        return refused, f"{SEEN_MAX} orders within a minute are more than this station takes"
    return None
