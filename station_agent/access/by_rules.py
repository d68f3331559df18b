"""PURE: whom the rules name: cards of members and staff, numbers of staff, guests' codes."""

from __future__ import annotations

from datetime import datetime

from station_agent.access import rights
from station_agent.access.attempts import CardAttempt, Deny, Grant, GuestAttempt, Now, PinAttempt
from station_agent.access.by_roster import as_member, no_roster, too_old
from station_agent.access.memory import READER
from station_agent.access.policy import Policy
from station_agent.access.rights import Known, Refusal
from station_agent.access.roster import HeldRoster
from station_agent.access.rules import HeldRules
from station_agent.wire.kinds import Credential, Reason


def by_card(attempt: CardAttempt, roster: HeldRoster | None, policy: Policy, now: Now) -> Grant | Deny:
    waits = _guessed_too_often(attempt.reader, policy, now)
    if waits:
        return waits
    card = policy.rules.cards.get(attempt.hash or "")
    if card is None:
        return Deny(Reason.CARD_UNKNOWN, _not_in(policy.rules), tried=(READER + attempt.reader,), card=attempt.hash)
    over = _validity(card.not_before, card.not_after, now)
    if over:
        return Deny(over.reason, over.detail, card.member, card.staff)
    if card.staff is not None:
        return _staff(card.staff, card.role or "", Credential.CARD, card.hash, policy, now)
    if roster is None:
        return no_roster()
    old = too_old(roster, policy, now) if now.trusted else None
    if old:
        return old
    member = roster.members.get(card.member or "")
    if member is None:
        return Deny(Reason.MEMBER_UNKNOWN, f"not in roster version {roster.version}", card.member)
    return as_member(member, Known(member.id, card.role or member.role, Credential.CARD, card.hash), policy, now)


def by_pin(attempt: PinAttempt, policy: Policy, now: Now) -> Grant | Deny:
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
    return Grant(
        Reason.STAFF, None, f"role {role}", person=who, key=key, remarks=allowed.remarks, hold_s=allowed.hold_s
    )


def by_guest_code(attempt: GuestAttempt, policy: Policy, now: Now) -> Grant | Deny:
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
    return Grant(
        Reason.GUEST,
        None,
        detail,
        person=guest.id,
        remarks=allowed.remarks,
        guest=guest.id,
        hold_s=allowed.hold_s,
    )


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
