"""PURE: may this attempt open the door? One function for every way of asking (attempts.py).

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

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import assert_never
from uuid import UUID

from station_agent.access import rights
from station_agent.access.attempts import (
    Attempt,
    ButtonAttempt,
    CardAttempt,
    CodeAttempt,
    Deny,
    FaceAttempt,
    Grant,
    GuestAttempt,
    Half,
    Now,
    PinAttempt,
    RemoteAttempt,
    UsedCode,
    VerifiedAttempt,
)
from station_agent.access.memory import KEY, READER, BadTries, GuestUses, Halves, UsedCodes
from station_agent.access.presence import Presence
from station_agent.access.rights import Known, Refusal
from station_agent.access.roster import HeldRoster
from station_agent.access.rules import NO_RULES, HeldRules
from station_agent.wire import membership_code
from station_agent.wire.documents import RosterMember
from station_agent.wire.kinds import Credential, Reason
from station_agent.wire.membership_code import CodeRefused
from station_agent.wire.rules import SecondPerson

__all__ = [
    "Attempt",
    "ButtonAttempt",
    "CardAttempt",
    "CodeAttempt",
    "Deny",
    "FaceAttempt",
    "Grant",
    "GuestAttempt",
    "Half",
    "Now",
    "PinAttempt",
    "Policy",
    "RemoteAttempt",
    "UsedCode",
    "VerifiedAttempt",
    "decide",
    "typed",
]


@dataclass(frozen=True, slots=True)
class Policy:
    """The station's rules, and what it remembers."""

    roster_age_max: timedelta
    used: UsedCodes
    tries: BadTries
    rules: HeldRules = NO_RULES
    zone: tzinfo = UTC
    presence: Presence = field(default_factory=Presence)
    halves: Halves = field(default_factory=Halves)
    guests: GuestUses = field(default_factory=GuestUses)


# A wrong signature is an attack or a broken phone, and a code shown again is somebody trying: these are counted.
_COUNTED = frozenset({Reason.SIGNATURE_WRONG, Reason.CERTIFICATE_WRONG, Reason.KEY_UNKNOWN, Reason.CODE_REPLAYED})

# A stranger before the camera may try as often as somebody at a keypad.
_COUNTED_FACES = frozenset({Reason.FACE_UNKNOWN, Reason.FACE_AMBIGUOUS, Reason.FACE_NOT_LIVE, Reason.CHALLENGE_MISSED})


def decide(attempt: Attempt, roster: HeldRoster | None, policy: Policy, now: Now) -> Grant | Deny:
    """Changes nothing: the desk remembers what follows from the answer."""
    verdict = _judge(attempt, roster, policy, now)
    if isinstance(verdict, Grant) or isinstance(attempt, RemoteAttempt):
        return verdict
    cold = policy.rules.cold_now(now.utc, now.trusted)
    if cold is None:
        return verdict
    detail = f"ordered by {cold.ordered_by} until {cold.until:%Y-%m-%d %H:%M} UTC; else {verdict.reason}"
    return Grant(Reason.COLD_OPEN, None, detail)


def typed(id: UUID, reader: str, hash: str | None, rules: HeldRules) -> PinAttempt | GuestAttempt:
    """Digits from a keypad: whose they are decides what they are; nobody's are a wrong PIN."""
    return (GuestAttempt if hash in rules.guests else PinAttempt)(id, reader, hash)


def _judge(attempt: Attempt, roster: HeldRoster | None, policy: Policy, now: Now) -> Grant | Deny:
    match attempt:
        case CodeAttempt():
            return _code(attempt, roster, policy, now)
        case VerifiedAttempt():
            return _verified(attempt, roster, policy, now)
        case FaceAttempt():
            return _face(attempt, roster, policy, now)
        case CardAttempt():
            return _card(attempt, roster, policy, now)
        case PinAttempt():
            return _pin(attempt, policy, now)
        case GuestAttempt():
            return _guest(attempt, policy, now)
        case ButtonAttempt():
            return Deny(Reason.BUTTON_NOT_NOW, "the button opens in extreme cold only")
        case RemoteAttempt():
            return _remote(attempt, policy, now)
        case _:
            assert_never(attempt)


# --- members ---


def _code(attempt: CodeAttempt, roster: HeldRoster | None, policy: Policy, now: Now) -> Grant | Deny:
    try:
        code = membership_code.parse(attempt.text)
    except CodeRefused as refused:
        return Deny(refused.reason, refused.detail)
    if not now.trusted:
        return Deny(Reason.CLOCK_UNTRUSTED, f"the station's clock says {now.utc:%Y-%m-%d %H:%M} UTC, which has passed")
    if roster is None:
        return _no_roster()
    too_old = _too_old(roster, policy, now)
    if too_old:
        return too_old
    member = roster.members.get(code.member)
    if member is None:
        return Deny(Reason.MEMBER_UNKNOWN, f"not in roster version {roster.version}", code.member)
    try:
        public = membership_code.verify(code, member.keys, roster.issuers, now.utc)
    except CodeRefused as refused:
        return _bad_code(attempt, refused.reason, refused.detail, member, policy, now)
    key = membership_code.public_sha256(public)
    if key in roster.revoked:
        return Deny(Reason.KEY_REVOKED, f"phone key {code.kid:02x} was withdrawn", member.id)
    if code.head in policy.used or policy.used.full:
        return _bad_code(attempt, Reason.CODE_REPLAYED, "this code has already opened the door", member, policy, now)
    wait_s = policy.tries.locked_for(KEY + key, now.mono_s)
    if wait_s > 0:
        detail = f"too many wrong faces after this phone's code; waits {wait_s:.0f} s more"
        return Deny(Reason.CREDENTIAL_LOCKED_OUT, detail, member.id)
    known = Known(member.id, member.role, Credential.CODE, key)
    return _member(member, known, policy, now, code=UsedCode(code.head, code.made_at), cleared=(KEY + key,))


def _bad_code(
    attempt: CodeAttempt, reason: Reason, detail: str, member: RosterMember, policy: Policy, now: Now
) -> Deny:
    """Anybody can make or photograph such a code: it counts against the reader, not against the member."""
    if reason not in _COUNTED:
        return Deny(reason, detail, member.id)
    reader = READER + attempt.reader
    wait_s = policy.tries.locked_for(reader, now.mono_s)
    if wait_s > 0:
        return Deny(Reason.READER_LOCKED_OUT, f"{reason}; bad codes wait {wait_s:.0f} s more here", member.id)
    return Deny(reason, detail, member.id, tried=(reader,))


def _verified(attempt: VerifiedAttempt, roster: HeldRoster | None, policy: Policy, now: Now) -> Grant | Deny:
    """Who asks is proven by another verifier; its codes can be guessed, so its reader waits after bad tries."""
    reader = READER + attempt.reader
    wait_s = policy.tries.locked_for(reader, now.mono_s)
    if wait_s > 0:
        return Deny(Reason.READER_LOCKED_OUT, f"too many bad tries; waits {wait_s:.0f} s more", attempt.member)
    member = roster.members.get(attempt.member or "") if roster is not None else None
    if attempt.reason is not Reason.MEMBER:
        tried = (reader,) if attempt.counted else ()
        return Deny(attempt.reason, attempt.detail, member.id if member else None, tried=tried)
    if roster is None:
        return _no_roster()
    too_old = _too_old(roster, policy, now) if now.trusted else None
    if too_old:
        return too_old
    if member is None:
        return Deny(Reason.MEMBER_UNKNOWN, f"not in roster version {roster.version}", attempt.member)
    used = attempt.used
    if used is not None and (used.head in policy.used or policy.used.full):
        return Deny(Reason.CODE_REPLAYED, "this code has already opened the door", member.id, tried=(reader,))
    known = Known(member.id, member.role, Credential.CODE, f"verifier:{attempt.verifier}")
    return _member(member, known, policy, now, detail=attempt.detail, code=used, cleared=(reader,))


def _face(attempt: FaceAttempt, roster: HeldRoster | None, policy: Policy, now: Now) -> Grant | Deny:
    reader = READER + attempt.reader
    wait_s = policy.tries.locked_for(reader, now.mono_s)
    if wait_s > 0:
        return Deny(Reason.READER_LOCKED_OUT, f"too many strangers; faces wait {wait_s:.0f} s more here")
    if attempt.member is None:
        return Deny(attempt.reason, attempt.detail, attempt.claimed, tried=_wrong_face(attempt, policy))
    if roster is None:
        return _no_roster()
    # A face needs no clock to be proven, only to be out of date.
    too_old = _too_old(roster, policy, now) if now.trusted else None
    if too_old:
        return too_old
    member = roster.members.get(attempt.member)
    if member is None:
        return Deny(Reason.MEMBER_UNKNOWN, f"not in roster version {roster.version}", attempt.member)
    known = Known(member.id, member.role, Credential.FACE)
    return _member(member, known, policy, now, detail=attempt.detail, cleared=(reader,))


def _wrong_face(attempt: FaceAttempt, policy: Policy) -> tuple[str, ...]:
    """A stranger counts against the camera, and after a code against the phone that made it as well."""
    if attempt.reason not in _COUNTED_FACES:
        return ()
    half = policy.halves.of(attempt.claimed) if attempt.claimed else None
    return (READER + attempt.reader, *((KEY + half.key,) if half is not None and half.key else ()))


def _member(
    member: RosterMember,
    known: Known,
    policy: Policy,
    now: Now,
    *,
    detail: str = "",
    code: UsedCode | None = None,
    cleared: tuple[str, ...] = (),
) -> Grant | Deny:
    """Proven; the rest is what the roster and the rules say of them."""
    if not member.active:
        return Deny(Reason.MEMBER_SUSPENDED, "suspended in the roster", member.id)
    if member.valid_until is not None and now.trusted and now.utc >= member.valid_until:
        return Deny(Reason.MEMBERSHIP_EXPIRED, f"membership ended {member.valid_until:%Y-%m-%d}", member.id)
    allowed = rights.ask(known, policy.rules, policy.presence, now, policy.zone)
    if isinstance(allowed, Refusal):
        return Deny(allowed.reason, allowed.detail, member.id)
    if allowed.role.code_and_face and known.credential in (Credential.CODE, Credential.FACE):
        half = Half(member.id, known.credential, code, known.key)
        other = policy.halves.other(half, now.mono_s)
        if other is None:
            reason = Reason.FACE_NEEDED if known.credential is Credential.CODE else Reason.CODE_NEEDED
            return Deny(reason, f"the role {known.role} needs code and face", member.id, half=half)
        detail = "; ".join(filter(None, (detail, f"with the {other.credential} of just now")))
        known = replace(known, key=known.key or other.key)
    return Grant(Reason.MEMBER, member.id, detail, code, key=known.key, remarks=allowed.remarks, cleared=cleared)


# --- cards, numbers, guests: what the rules name ---


def _card(attempt: CardAttempt, roster: HeldRoster | None, policy: Policy, now: Now) -> Grant | Deny:
    waits = _guessed_too_often(attempt.reader, policy, now)
    if waits:
        return waits
    card = policy.rules.cards.get(attempt.hash or "")
    if card is None:
        return Deny(Reason.CARD_UNKNOWN, _not_in(policy.rules), tried=(READER + attempt.reader,))
    over = _validity(card.not_before, card.not_after, now)
    if over:
        return Deny(over.reason, over.detail, card.member, card.staff)
    if card.staff is not None:
        return _staff(card.staff, card.role or "", Credential.CARD, card.hash, policy, now)
    if roster is None:
        return _no_roster()
    too_old = _too_old(roster, policy, now) if now.trusted else None
    if too_old:
        return too_old
    member = roster.members.get(card.member or "")
    if member is None:
        return Deny(Reason.MEMBER_UNKNOWN, f"not in roster version {roster.version}", card.member)
    return _member(member, Known(member.id, card.role or member.role, Credential.CARD, card.hash), policy, now)


def _pin(attempt: PinAttempt, policy: Policy, now: Now) -> Grant | Deny:
    waits = _guessed_too_often(attempt.reader, policy, now)
    if waits:
        return waits
    pin = policy.rules.pins.get(attempt.hash or "")
    if pin is None:
        return Deny(Reason.PIN_UNKNOWN, _not_in(policy.rules), tried=(READER + attempt.reader,))
    over = _validity(pin.not_before, pin.not_after, now)
    if over:
        return Deny(over.reason, over.detail, person=pin.staff)
    return _staff(pin.staff, pin.role, Credential.PIN, "", policy, now)


def _staff(who: str, role: str, credential: Credential, key: str, policy: Policy, now: Now) -> Grant | Deny:
    allowed = rights.ask(Known(who, role, credential, key), policy.rules, policy.presence, now, policy.zone)
    if isinstance(allowed, Refusal):
        return Deny(allowed.reason, allowed.detail, person=who)
    return Grant(Reason.STAFF, None, f"role {role}", person=who, key=key, remarks=allowed.remarks)


def _guest(attempt: GuestAttempt, policy: Policy, now: Now) -> Grant | Deny:
    waits = _guessed_too_often(attempt.reader, policy, now)
    if waits:
        return waits
    guest = policy.rules.guests.get(attempt.hash or "")
    if guest is None:
        return Deny(Reason.GUEST_CODE_UNKNOWN, _not_in(policy.rules), tried=(READER + attempt.reader,))
    if not now.trusted:
        return Deny(Reason.CLOCK_UNTRUSTED, "a guest code has an end, and the clock is not set", person=guest.id)
    over = _validity(guest.not_before, guest.not_after, now)
    if over:
        return Deny(over.reason, over.detail, person=guest.id)
    uses = policy.guests.of(guest.id)
    if uses >= guest.uses or policy.guests.full:
        return Deny(Reason.GUEST_CODE_USED, f"used {uses} of {guest.uses} times", person=guest.id)
    known = Known(guest.id, guest.role, Credential.GUEST)
    allowed = rights.ask(known, policy.rules, policy.presence, now, policy.zone)
    if isinstance(allowed, Refusal):
        return Deny(allowed.reason, allowed.detail, person=guest.id)
    detail = f"use {uses + 1} of {guest.uses}" + (f", {guest.occupation}" if guest.occupation else "")
    return Grant(Reason.GUEST, None, detail, person=guest.id, remarks=allowed.remarks, guest=guest.id)


# --- the hub ---


def _remote(attempt: RemoteAttempt, policy: Policy, now: Now) -> Grant | Deny:
    rule = policy.rules.remote.second_person
    locked_down = policy.rules.lockdown_now(now.utc, now.trusted) is not None
    needed = rule is SecondPerson.ALWAYS or (rule is SecondPerson.LOCKDOWN and locked_down)
    if needed and attempt.confirmer in (None, attempt.reader):
        return Deny(Reason.SECOND_PERSON_NEEDED, "the order names no second person who confirmed it")
    detail = attempt.detail + (f" (confirmed by {attempt.confirmer})" if attempt.confirmer else "")
    return Grant(Reason.REMOTE_ORDER, None, detail)


# --- shared questions ---


def _guessed_too_often(reader: str, policy: Policy, now: Now) -> Deny | None:
    wait_s = policy.tries.locked_for(READER + reader, now.mono_s)
    return Deny(Reason.READER_LOCKED_OUT, f"too many bad tries; waits {wait_s:.0f} s more") if wait_s > 0 else None


def _validity(not_before: datetime | None, not_after: datetime | None, now: Now) -> Refusal | None:
    """Not asked of a clock that cannot be believed."""
    if not_before is not None and now.trusted and now.utc < not_before:
        return Refusal(Reason.NOT_YET_VALID, f"valid from {not_before:%Y-%m-%d %H:%M} UTC")
    if not_after is not None and now.trusted and now.utc >= not_after:
        return Refusal(Reason.NO_LONGER_VALID, f"ended {not_after:%Y-%m-%d %H:%M} UTC")
    return None


def _not_in(rules: HeldRules) -> str:
    return f"not in rules version {rules.version}" if rules.version else "this station has had no rules yet"


def _no_roster() -> Deny:
    return Deny(Reason.ROSTER_TOO_OLD, "this station has had no roster yet")


def _too_old(roster: HeldRoster, policy: Policy, now: Now) -> Deny | None:
    age = now.utc - roster.issued_at
    if age <= policy.roster_age_max:
        return None
    return Deny(Reason.ROSTER_TOO_OLD, f"the roster is {age.days} days old, at most {policy.roster_age_max.days} here")
