"""PURE: the document of a station's rules, and the secrets that go into it as hashes.

what managers set (Body) + registered codes and cards + built-in roles - what has ended = Rules
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from cloud_hub.rules.models import AccessKind, Body, RawCard
from station_agent.wire.kinds import Credential
from station_agent.wire.rules import (
    TYPED_DIGITS_MAX,
    Card,
    Guest,
    Hashing,
    Pin,
    Role,
    Rules,
    SecondPerson,
)

GUEST_ROLE = "guest"
STAFF_ROLE = "staff"
BUILT_IN = {
    GUEST_ROLE: Role(credentials=(Credential.GUEST,)),
    STAFF_ROLE: Role(credentials=(Credential.CARD, Credential.PIN), opening_hours=False, capacity=False),
}
"""Roles that exist unless a manager gives others of these names."""

PIN_DIGITS = 6  # at least: four are found from their hash in minutes by whoever steals a station's disk
GUEST_DIGITS = 8


class BadSecret(ValueError):
    """The message says what to give instead."""


@dataclass(frozen=True, slots=True)
class Registered:
    """A code or card that is not revoked."""

    kind: AccessKind
    hash: str
    person: str | None
    member: str | None
    role: str | None
    occupation: str | None
    not_before: datetime | None
    not_after: datetime | None
    uses: int | None


def current(body: Body, now: datetime) -> Body:
    """Without an extreme cold or a lockdown whose time is over."""
    cold = body.cold if body.cold is not None and now < body.cold.until else None
    lockdown = body.lockdown
    if lockdown is not None and lockdown.until is not None and now >= lockdown.until:
        lockdown = None
    return body.model_copy(update={"cold": cold, "lockdown": lockdown})


def roles(body: Body) -> dict[str, Role]:
    return BUILT_IN | dict(body.parts.roles)


def compose(
    station: str, version: int, body: Body, registered: Iterable[Registered], hashing: Hashing, now: datetime
) -> Rules:
    """Raises pydantic's ValidationError when it does not hold together."""
    body = current(body, now)
    pins: list[Pin] = []
    cards: list[Card] = []
    guests: list[Guest] = []
    for one in registered:
        if one.not_after is not None and now >= one.not_after:
            continue
        times = {"not_before": one.not_before, "not_after": one.not_after}
        match one.kind:
            case AccessKind.PIN:
                pins.append(Pin.model_validate({"hash": one.hash, "staff": one.person, "role": one.role, **times}))
            case AccessKind.CARD:
                who = {"member": one.member, "staff": one.person, "role": one.role}
                cards.append(Card.model_validate({"hash": one.hash, **who, **times}))
            case AccessKind.GUEST:
                what = {"id": one.person, "role": one.role, "uses": one.uses, "occupation": one.occupation or ""}
                guests.append(Guest.model_validate({"hash": one.hash, **what, **times}))
    parts = body.parts.model_dump(mode="json", exclude={"roles", "labels"})
    return Rules.model_validate(
        {
            **parts,
            "station": station,
            "version": version,
            "issued_at": now,
            "roles": {name: role.model_dump(mode="json") for name, role in roles(body).items()},
            "cold": body.cold and body.cold.model_dump(),
            "lockdown": body.lockdown and body.lockdown.model_dump(),
            "hashing": hashing,
            "pins": pins,
            "cards": cards,
            "guests": guests,
        }
    )


def second_person_needed(body: Body, now: datetime) -> bool:
    """Whether a remote opening waits for another user's confirmation."""
    rule = body.parts.remote.second_person
    return rule is SecondPerson.ALWAYS or (rule is SecondPerson.LOCKDOWN and current(body, now).lockdown is not None)


def good_pin(digits: str) -> str:
    """The digits, if nobody guesses them first. Raises BadSecret."""
    if not (digits.isascii() and digits.isdigit() and PIN_DIGITS <= len(digits) <= TYPED_DIGITS_MAX):
        raise BadSecret(f"A PIN is {PIN_DIGITS} to {TYPED_DIGITS_MAX} digits.")
    steps = {int(b) - int(a) for a, b in pairwise(digits)}
    if steps in ({0}, {1}, {-1}):
        raise BadSecret("A PIN of one digit repeated, or of digits in a row, is guessed first: choose another.")
    return digits


def raw_bits(card: RawCard) -> bytes:
    """As a reader gives them: the first bit is the top bit of the first byte. Raises BadSecret."""
    number = int(card.number, 0) if card.number.startswith("0x") else int(card.number)
    if number.bit_length() > card.bits:
        raise BadSecret(f"The card's number has more than {card.bits} bits: give the bits that the reader tells.")
    size = -(-card.bits // 8)
    return (number << (size * 8 - card.bits)).to_bytes(size)
