"""PURE: may this attempt open the door? One function for every way of asking (attempts.py); by_roster.py judges codes
and faces of members, by_rules.py cards, numbers and guests' codes.

Every answer carries its reason, for the person at the door, for the manager and for the log. The order of the
questions matters: what is wrong with the station comes first (no roster, no time), then what is wrong with the
credential, and only a credential that is proven learns anything about its owner's rights (rights.py).

    attempt --> proven? whose? --> may they enter at all? --> here and now? --> both halves? --> Grant
       \\ Deny, in extreme cold: Grant(COLD_OPEN), for nobody in particular

Who is locked out: what can be guessed (a number, a card, a face) waits at its reader after too many bad tries, and a
phone whose code has proven it and that then fails waits by its key. What anybody can make or photograph counts against
the reader alone, so that nobody can lock out somebody else; and a code whose signature fits is looked at even while
its reader waits, because nobody can guess one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never
from uuid import UUID

from station_agent.access import by_roster, by_rules
from station_agent.access.attempts import (
    Attempt,
    ButtonAttempt,
    CardAttempt,
    CodeAttempt,
    Deny,
    FaceAttempt,
    Grant,
    GuestAttempt,
    KnockAttempt,
    Now,
    PinAttempt,
    RemoteAttempt,
    VerifiedAttempt,
)
from station_agent.access.policy import Policy
from station_agent.access.roster import HeldRoster
from station_agent.access.rules import HeldRules
from station_agent.wire.kinds import Reason, Remark
from station_agent.wire.rules import SecondPerson


def decide(attempt: Attempt, roster: HeldRoster | None, policy: Policy, now: Now) -> Grant | Deny:
    """Changes nothing: the desk remembers what follows from the answer."""
    verdict = _with_remark(attempt, _judge(attempt, roster, policy, now), now)
    if isinstance(verdict, Grant) or isinstance(attempt, RemoteAttempt):
        return verdict
    cold = policy.rules.cold_now(now.utc, now.trusted)
    if cold is None:
        return verdict
    # It comes over the network, so it is from somebody at the door only if it answers the door code.
    if isinstance(attempt, KnockAttempt) and verdict.answered is None:
        return verdict
    detail = f"ordered by {cold.ordered_by} until {cold.until:%Y-%m-%d %H:%M} UTC; else {verdict.reason}"
    return Grant(Reason.COLD_OPEN, None, detail, answered=verdict.answered)


def _with_remark(attempt: Attempt, verdict: Grant | Deny, now: Now) -> Grant | Deny:
    """Whether every question of time was left out: the roster's age, a validity, a schedule, the opening hours."""
    of_time = isinstance(attempt, VerifiedAttempt | FaceAttempt | CardAttempt | PinAttempt)
    if now.trusted or not of_time or verdict.reason is Reason.CLOCK_UNTRUSTED:
        return verdict
    return replace(verdict, remarks=(Remark.TIMES_UNCHECKED, *verdict.remarks))


def typed(id: UUID, reader: str, hash: str | None, rules: HeldRules) -> PinAttempt | GuestAttempt:
    """Digits from a keypad: whose they are decides what they are; nobody's are a wrong PIN."""
    return (GuestAttempt if hash in rules.guests else PinAttempt)(id, reader, hash)


def _judge(attempt: Attempt, roster: HeldRoster | None, policy: Policy, now: Now) -> Grant | Deny:
    match attempt:
        case CodeAttempt():
            return by_roster.by_code(attempt, roster, policy, now)
        case KnockAttempt():
            return by_roster.by_knock(attempt, roster, policy, now)
        case VerifiedAttempt():
            return by_roster.by_verified_code(attempt, roster, policy, now)
        case FaceAttempt():
            return by_roster.by_face(attempt, roster, policy, now)
        case CardAttempt():
            return by_rules.by_card(attempt, roster, policy, now)
        case PinAttempt():
            return by_rules.by_pin(attempt, policy, now)
        case GuestAttempt():
            return by_rules.by_guest_code(attempt, policy, now)
        case ButtonAttempt():
            return Deny(Reason.BUTTON_NOT_NOW, "the button opens in extreme cold only")
        case RemoteAttempt():
            return _remote(attempt, policy, now)
        case _:
            assert_never(attempt)


def _remote(attempt: RemoteAttempt, policy: Policy, now: Now) -> Grant | Deny:
    rule = policy.rules.remote.second_person
    locked_down = policy.rules.lockdown_now(now.utc, now.trusted) is not None
    needed = rule is SecondPerson.ALWAYS or (rule is SecondPerson.LOCKDOWN and locked_down)
    if needed and attempt.confirmer in (None, attempt.reader):
        return Deny(Reason.SECOND_PERSON_NEEDED, "the order names no second person who confirmed it")
    detail = attempt.detail + (f" (confirmed by {attempt.confirmer})" if attempt.confirmer else "")
    return Grant(Reason.REMOTE_ORDER, None, detail)
