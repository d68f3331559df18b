"""PURE: one rule over one input or reading: from what is seen, and from time, to raising and ending its alarm.

    no --beyond the limit--> pending --for_s--> STANDING --back beyond the band--> ending --clear_for_s--> no
         pending, ending: back to where they came from as soon as the value says so
    seen --no value, device silent--> unseen: nothing ends while it is unseen, what is pending goes on
    unseen for BLIND_S though the device answers --> BLIND, an alarm of its own --a value--> seen

It errs towards the alarm: a sensor that dies in a fire neither ends its alarm nor stops one that is about to be raised.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from station_agent.alarms.kinds import Limit, Rule, Side

BLIND_S = 900.0
"""A device that answers and tells no value is no passing trouble then. A silent device has its own alarm at once."""


class Sight(Enum):
    SEEN = "seen"
    UNSEEN = "unseen"  # the device answers, and tells no value
    SILENT = "silent"  # the device does not answer


@dataclass(frozen=True, slots=True)
class Watch:
    """`beyond`: by the last value, None before the first. `since`: since when that holds; after a time unseen, since it
    was seen again. Times are monotonic seconds."""

    standing: bool
    blind: bool
    since: float
    sight_since: float
    beyond: bool | None = None
    sight: Sight = Sight.UNSEEN
    said: str = ""


class Effect(Enum):
    RAISE = "raise"
    CLEAR = "clear"
    RAISE_BLIND = "raise_blind"
    CLEAR_BLIND = "clear_blind"


def begin(standing: bool, blind: bool, now: float) -> Watch:
    """At the start; `standing`, `blind`: the alarms that stood before it."""
    return Watch(standing, blind, since=now, sight_since=now, beyond=True if standing else None)


def saw(
    watch: Watch, rule: Rule, value: float | bool | str | None, unit: str, now: float
) -> tuple[Watch, list[Effect]]:
    """A value was read; None, or one of a kind that the rule cannot judge, is none."""
    beyond = judge(rule, value, watch.beyond)
    if beyond is None:
        if watch.sight is Sight.SEEN:
            watch = replace(watch, sight=Sight.UNSEEN, sight_since=now)
        return tick(watch, rule, now)
    regained = watch.sight is not Sight.SEEN and not beyond
    if beyond is not watch.beyond or regained:
        watch = replace(watch, beyond=beyond, since=now)
    effects = [Effect.CLEAR_BLIND] if watch.blind else []
    watch = replace(watch, sight=Sight.SEEN, sight_since=now, blind=False, said=_words(value, unit))
    watch, more = tick(watch, rule, now)
    return watch, effects + more


def device_answers(watch: Watch, answers: bool, now: float) -> Watch:
    """The device fell silent, or is there again; a value may have come before that was told."""
    if not answers:
        return replace(watch, sight=Sight.SILENT, sight_since=now)
    if watch.sight is Sight.SILENT:
        return replace(watch, sight=Sight.UNSEEN, sight_since=now)
    return watch


def tick(watch: Watch, rule: Rule, now: float) -> tuple[Watch, list[Effect]]:
    """Time has passed."""
    effects = []
    lasted_s = now - watch.since
    if not watch.standing and watch.beyond and lasted_s >= rule.for_s:
        watch = replace(watch, standing=True)
        effects.append(Effect.RAISE)
    elif watch.standing and watch.beyond is False and watch.sight is Sight.SEEN and lasted_s >= rule.clear_for_s:
        watch = replace(watch, standing=False)
        effects.append(Effect.CLEAR)
    if watch.sight is Sight.UNSEEN and not watch.blind and now - watch.sight_since >= BLIND_S:
        watch = replace(watch, blind=True)
        effects.append(Effect.RAISE_BLIND)
    return watch, effects


def judge(rule: Rule, value: float | bool | str | None, before: bool | None) -> bool | None:
    """Whether a value is an alarm; between limit and band as `before`. None: it says nothing."""
    match value:
        case bool():
            return value is not rule.inverted
        case int() | float() if rule.limit is not None and value == value:  # not NaN
            return _beyond(rule.limit, value, before)
        case _:
            return None


def _beyond(limit: Limit, value: float, before: bool | None) -> bool:
    if limit.side is Side.ABOVE:
        return value > limit.trips or (before is True and value > limit.clears)
    return value < limit.trips or (before is True and value < limit.clears)


def detail(watch: Watch, rule: Rule) -> str:
    """For the manager: what was seen, and against what."""
    if watch.said in ("yes", "no"):
        return f"{rule.source} says {watch.said}"
    against = ""
    if rule.limit is not None:
        against = f", {rule.limit.side.value} {rule.limit.trips:g}"
        if rule.for_s:
            against += f" for {rule.for_s:g} s"
    unseen = "" if watch.sight is Sight.SEEN else "; that was the last value"
    return f"{rule.source} is {watch.said}{against}{unseen}"


def _words(value: float | bool | str | None, unit: str) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g} {unit}".rstrip() if isinstance(value, int | float) else str(value)
