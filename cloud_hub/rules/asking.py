"""PURE: who may enter when, answered by the rights of the door itself (station_agent.access.rights), so that what a
manager is told before publishing is what the door will say.

    rules + role + wall clock --> rights.ask for each way of entering --> yes, or the reason
    rules + seven days        --> the same at every edge of every schedule; between two edges nothing changes

An empty, unlocked station is taken: nobody inside, nobody just entered, the clock believed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import pairwise
from uuid import UUID

from cloud_hub.rules.questions import DAY_MIN, RoleWeek, RulesAnswer, RulesWeek, WayIn
from station_agent.access import rights
from station_agent.access.attempts import Now
from station_agent.access.presence import Entry, Presence
from station_agent.access.rights import Allowed, Known, Refusal
from station_agent.access.rules import HeldRules
from station_agent.wire.kinds import Credential, Reason
from station_agent.wire.rules import PERSONAL
from station_agent.wire.schedule import Schedule

WEEK = 7
_NOBODY = "0" * 16
_MIDNIGHT = time()


def answer(rules: HeldRules, role: str, at: datetime, zone: tzinfo) -> RulesAnswer:
    """`at` is the wall clock in `zone`, without an offset."""
    ways = [_way(rules, role, credential, at, zone) for credential in PERSONAL]
    held = rules.role(role)
    asked = [_ask(rules, role, credential, at, zone) for credential in PERSONAL]
    held_s = next((found.hold_s for found in asked if isinstance(found, Allowed)), None)
    later = (edge for edge in _edges(rules, at.date(), WEEK + 1, zone) if at < edge <= at + timedelta(days=WEEK))
    return RulesAnswer(
        role=role,
        at=at,
        ways=ways,
        both_needed=held is not None and held.code_and_face,
        when_full=_refused_when_full(rules, role, ways, at, zone),
        hold_s=held_s,
        next_change=next((edge for edge in later if _differ(rules, role, ways, edge, zone)), None),
    )


def week(rules: HeldRules, first: date, roles: Iterable[str], zone: tzinfo) -> RulesWeek:
    days = [first + timedelta(days=number) for number in range(WEEK)]
    edges = {day: _edges(rules, day, 1, zone) for day in days}

    def lanes(open_at: Callable[[datetime], bool]) -> list[list[tuple[int, int]]]:
        return [_spans(day, edges[day], open_at) for day in days]

    def enters(role: str) -> Callable[[datetime], bool]:
        return lambda at: any(_way(rules, role, credential, at, zone).allowed for credential in PERSONAL)

    opening = rules.opening
    return RulesWeek(
        days=days,
        opening=lanes(lambda at: opening is None or opening.covers(at)),
        roles=[RoleWeek(role=role, days=lanes(enters(role))) for role in roles],
    )


def _way(rules: HeldRules, role: str, credential: Credential, at: datetime, zone: tzinfo) -> WayIn:
    found = _ask(rules, role, credential, at, zone)
    if isinstance(found, Allowed):
        return WayIn(credential=credential, allowed=True, reason=None, detail="")
    cold = rules.cold_now(_utc(at, zone), trusted=True)
    if cold is not None:
        return WayIn(credential=credential, allowed=True, reason=Reason.COLD_OPEN, detail=cold.reason)
    return WayIn(credential=credential, allowed=False, reason=found.reason, detail=found.detail)


def _ask(
    rules: HeldRules,
    role: str,
    credential: Credential,
    at: datetime,
    zone: tzinfo,
    presence: Presence | None = None,
) -> Allowed | Refusal:
    now = Now(utc=_utc(at, zone), mono_s=0.0, trusted=True)
    return rights.ask(Known(_NOBODY, role, credential), rules, presence or Presence(), now, zone)


def _refused_when_full(rules: HeldRules, role: str, ways: Iterable[WayIn], at: datetime, zone: tzinfo) -> bool:
    if rules.capacity is None:
        return False
    full = Presence()
    for number in range(rules.capacity.people_max):
        full.granted(Entry(UUID(int=number), None, "", 0.0, entered=True))
    asked = (_ask(rules, role, way.credential, at, zone, full) for way in ways if way.allowed)
    return any(isinstance(found, Refusal) and found.reason is Reason.STATION_FULL for found in asked)


def _differ(rules: HeldRules, role: str, ways: Iterable[WayIn], at: datetime, zone: tzinfo) -> bool:
    return any(_way(rules, role, way.credential, at, zone).allowed is not way.allowed for way in ways)


def _edges(rules: HeldRules, first: date, days: int, zone: tzinfo) -> list[datetime]:
    """Every moment of these days at which an answer may change, midnights included, in order."""
    times = {_MIDNIGHT}
    for schedule in _asked(rules).values():
        spans = [*schedule.periods, *(span for one in schedule.exceptions for span in one.spans)]
        times |= {time.fromisoformat(edge) for span in spans for edge in (span.start, span.end) if edge != "24:00"}
    found = {datetime.combine(first + timedelta(days=number), at) for number in range(days) for at in times}
    ends = [switch.until for switch in (rules.cold, rules.lockdown) if switch is not None]
    found |= {end.astimezone(zone).replace(tzinfo=None) for end in ends if end is not None}
    last = datetime.combine(first + timedelta(days=days), _MIDNIGHT)
    return sorted(edge for edge in found if datetime.combine(first, _MIDNIGHT) <= edge < last)


def _asked(rules: HeldRules) -> Mapping[str, Schedule]:
    named = {role.schedule for role in rules.roles.values()}
    asked = {name: schedule for name, schedule in rules.schedules.items() if name in named}
    return asked if rules.opening is None else asked | {"": rules.opening}


def _spans(day: date, edges: list[datetime], open_at: Callable[[datetime], bool]) -> list[tuple[int, int]]:
    """The minutes of the day in which it is so; what touches is one span."""
    begin = datetime.combine(day, _MIDNIGHT)
    spans: list[tuple[int, int]] = []
    for start, end in pairwise([*edges, begin + timedelta(days=1)]):
        if not open_at(start):
            continue
        at, until = _minute(start - begin), _minute(end - begin)
        if spans and spans[-1][1] == at:
            at = spans.pop()[0]
        spans.append((at, until))
    return spans


def _minute(since: timedelta) -> int:
    return min(int(since / timedelta(minutes=1)), DAY_MIN)


def _utc(at: datetime, zone: tzinfo) -> datetime:
    return at.replace(tzinfo=zone).astimezone(UTC)
