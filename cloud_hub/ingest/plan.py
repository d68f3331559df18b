"""PURE: what new rows mean: the table rows to insert and the projections to move, in order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from cloud_hub.ingest.apply import Source, settled_at
from station_agent.wire import events as wire
from station_agent.wire.envelope import Row, Stream
from station_agent.wire.kinds import DoorState


@dataclass(frozen=True, slots=True)
class DoorWord:
    station: str
    state: DoorState
    contact_open: bool | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Told:
    """A projection that depends on what is stored: applied one by one, in order."""

    station: str
    at: datetime
    body: wire.AlarmRaised | wire.AlarmCleared | wire.CommandProgress | wire.FaceEnrolled | wire.FaceErased
    spool: str
    seq: int
    chain: str | None


@dataclass(slots=True)
class Plan:
    """Rows are mappings by column name. `readings` are (station, when, what was read). `latest` is keyed by (station,
    device, point)."""

    events: list[dict[str, Any]] = field(default_factory=list)
    telemetry: list[dict[str, Any]] = field(default_factory=list)
    visits: list[dict[str, Any]] = field(default_factory=list)
    readings: list[tuple[str, datetime, wire.Readings]] = field(default_factory=list)
    latest: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)
    told: list[Told] = field(default_factory=list)
    doors: list[DoorWord] = field(default_factory=list)
    rosters: dict[str, int] = field(default_factory=dict)
    rules: dict[str, int] = field(default_factory=dict)
    odd: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def stations(self) -> set[str]:
        return {row["station"] for row in self.events} | {row["station"] for row in self.telemetry}


def plan(rows: Iterable[tuple[Source, Row]], received_at: datetime, boots: Mapping[str, datetime]) -> Plan:
    """`boots`: when each boot began, for those whose station has known the time since.

    A kind that this hub does not know, or a body that it cannot read, is stored as it is and counted in `odd` by
    (station, `unknown_kind` or `odd_body`): a newer station must not wait for its hub.
    """
    result = Plan()
    for source, row in rows:
        at = settled_at(row, received_at, boots.get(row.boot))
        try:
            body = wire.parse(row.kind, row.body)
        except KeyError:
            result.odd[source.station, "unknown_kind"] += 1
            body = None
        except ValidationError:
            result.odd[source.station, "odd_body"] += 1
            body = None
        if source.stream is Stream.TELEMETRY:
            _telemetry(result, source, row, at, body)
        else:
            _event(result, source, row, at, received_at, body)
    return result


def _telemetry(result: Plan, source: Source, row: Row, at: datetime, body: wire.EventBody | None) -> None:
    result.telemetry.append(
        {
            "station": source.station,
            "at": at,
            "spool": source.spool,
            "seq": row.seq,
            "kind": row.kind if isinstance(body, wire.Readings) else _odd(row.kind),
            "body": row.body,
        }
    )
    if not isinstance(body, wire.Readings):
        return
    result.readings.append((source.station, at, body))
    for reading in body.readings:
        key = (source.station, reading.device, reading.point)
        known = result.latest.get(key)
        if known is None or reading.at >= known["at"]:
            result.latest[key] = {
                "station": source.station,
                "device": reading.device,
                "point": reading.point,
                "value": reading.value,
                "unit": _text(reading.unit),
                "quality": reading.quality,
                "at": min(reading.at, at),
            }


def _event(
    result: Plan, source: Source, row: Row, at: datetime, received_at: datetime, body: wire.EventBody | None
) -> None:
    member: str | None = None
    station = source.station
    match body:
        case wire.AccessDecided():
            member = body.member
        case wire.VisitCounted():
            member = body.member
            result.visits.append(
                {
                    "station": station,
                    "attempt": str(body.attempt),
                    "at": at,
                    "member": member,
                    "credential": body.credential,
                }
            )
        case wire.DoorChanged():
            result.doors.append(DoorWord(station, body.state, body.contact_open, at))
        case wire.RosterApplied():
            result.rosters[station] = body.version
        case wire.RulesApplied():
            result.rules[station] = body.version
        case wire.FaceEnrolled() | wire.FaceErased():
            member = body.member
            result.told.append(Told(station, at, body, source.spool, row.seq, row.chain))
        case wire.AlarmRaised() | wire.AlarmCleared() | wire.CommandProgress():
            result.told.append(Told(station, at, body, source.spool, row.seq, row.chain))
        case (
            wire.DoorExited()
            | wire.DoorRetried()
            | wire.DoorSelftest()
            | wire.DoorServiceSet()
            | wire.DeviceHealth()
            | wire.AgentStarted()
            | wire.InputRejected()
            | wire.Readings()
            | None
        ):
            pass
    result.events.append(
        {
            "station": station,
            "spool": source.spool,
            "seq": row.seq,
            "at": at,
            "reported_at": row.at,
            "received_at": received_at,
            "kind": _text(row.kind),
            "member": member,
            "body": row.body,
            "boot": row.boot,
            "mono_ms": row.mono_ms,
            "chain": row.chain,
        }
    )


def _text(text: str) -> str:
    """PostgreSQL's text holds no NUL."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _odd(kind: str) -> str:
    """Telemetry whose body cannot be read must not be read as readings later."""
    return "odd" if kind == "readings" else _text(kind)
