"""The rules of a station: who may enter when, and what happens at each limit. A signed document, as the roster is.

    {"v": 1, "kind": "rules", "station": "demo-01", "version": 7, "issued_at": "2026-12-01T08:00:00Z",
     "schedules": {"day": {"periods": [{"days": ["mon", "tue"], "start": "06:00", "end": "22:00"}],
                           "exceptions": [{"date": "2027-02-17", "spans": []}]}},
     "opening": "day",                        the schedule in which the station is open; null: always
     "roles": {"cleaner": {"schedule": "day", "opening_hours": false, "credentials": ["card", "pin"]}},
     "capacity": {"people_max": 12, "at_limit": "tell"},
     "passback": {"mode": "delay", "delay_s": 30, "within_min": 10},
     "lock_out": {"credential": {"tries": 5, ...}, "reader": {...}},     null: as the station's profile says
     "cold": {"until": "...", "ordered_by": "...", "reason": "..."},     null: off
     "lockdown": {"until": null, "ordered_by": "...", "exempt": ["cleaner"]},
     "remote": {"second_person": "always"},
     "hold_s": {"<pseudonym>": 20},           who needs the door released for longer
     "hashing": {"salt": "<32 hex>", "n": 16384},
     "pins": [{"hash", "staff", "role", "not_before", "not_after"}],
     "cards": [{"hash", "member" or "staff", "role", "not_before", "not_after"}],
     "guests": [{"hash", "id", "role", "not_before", "not_after", "uses", "occupation"}]}

Every part has a default, and a station without any rules behaves as `Rules` with no part given: a member of the
roster enters at any time. Rules are applied whole and only forwards; the last good ones stay in force.

What a person types or holds to a reader is never in the document, only `secret_hash` of it: one salt for a whole
hub, so that the hub makes each hash once, when the secret is made, and need not keep the secret. PINs and guest codes
share one kind of hash, because a keypad cannot know which of them is being typed.

Cards are here and not in the roster: they need the salt, they belong to staff as well as to members, and a card that
is lost must be taken back without 50,000 members travelling again.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from station_agent.wire.kinds import Credential
from station_agent.wire.model import MemberId, Name, StationId, UtcTime, Wire
from station_agent.wire.schedule import Schedule

MEMBER_ROLE = "member"
"""The role of whoever the roster gives no other. It exists without being named, as Role() is."""

GUEST_PREFIX = "G1:"
"""A guest code as a QR is this and its digits; on a keypad the digits alone."""

TYPED_DIGITS_MIN = 4
TYPED_DIGITS_MAX = 12

CARDS_MAX = 4000
"""For whoever has no phone, at one station. Rules that are full of everything are 1.1 MB, and are read in 50 ms."""

HOLD_S_MAX = 30.0
"""Every lock has a timer of at least this length, so that a dead agent leaves no open lock."""

HOLDS_MAX = 2000

PersonalCredential = Literal[
    Credential.CODE, Credential.DOOR_CODE, Credential.FACE, Credential.CARD, Credential.PIN, Credential.GUEST
]
PERSONAL: tuple[PersonalCredential, ...] = (
    Credential.CODE,
    Credential.FACE,
    Credential.CARD,
    Credential.PIN,
    Credential.GUEST,
)
"""What a role is let in by where its rules say nothing. Remote orders and the button belong to no role. Whoever enters
by `code` enters by the door code as well; `door_code` without `code` means by nothing weaker.
"""

PersonId = MemberId
"""Eight bytes in hex: the pseudonym of a staff person or a guest."""

SecretHash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]


HoldS = Annotated[float, Field(ge=1, le=HOLD_S_MAX)]


def _absent(value: object) -> bool:
    """A station of before a field refuses a document that has it: it is left out where it says nothing."""
    return not value


class Role(Wire):
    """What is asked of somebody beyond being who they are."""

    schedule: Name | None = Field(default=None, description="when; null: at any time")
    credentials: tuple[PersonalCredential, ...] = Field(default=PERSONAL, max_length=len(PERSONAL) + 1)
    code_and_face: bool = Field(default=False, description="a code opens only with the same member's face, and back")
    opening_hours: bool = Field(default=True, description="bound by them")
    capacity: bool = Field(default=True, description="bound by it")
    hold_s: HoldS | None = Field(
        default=None, exclude_if=_absent, description="the door stays released for so long, if that is longer"
    )


class AtLimit(StrEnum):
    DENY = "deny"
    TELL = "tell"  # let in, and say so to the manager


class Capacity(Wire):
    """People inside are estimated: entries less exits, and nobody stays longer than `stay_min`."""

    people_max: int = Field(ge=1, le=1000)
    at_limit: AtLimit = AtLimit.DENY
    stay_min: int = Field(default=120, ge=5, le=1440)


class PassbackMode(StrEnum):
    OFF = "off"
    TELL = "tell"
    DELAY = "delay"


class Passback(Wire):
    """Soft anti-passback: an exit that nobody saw keeps nobody outside.

    TELL: a member who enters again within `within_min` by another phone or card is let in and told as suspicious.
    DELAY: so as well, and no second entry of a member sooner than `delay_s` after the first, unless somebody left.
    """

    mode: PassbackMode = PassbackMode.OFF
    delay_s: int = Field(default=30, ge=5, le=120, description="-30 C: not longer than anybody can stand there")
    within_min: int = Field(default=10, ge=1, le=240)


class BackOff(Wire):
    """After `tries` bad tries in a row a wait of `first_s`, after as many again `factor` times as long, to `max_s`."""

    tries: int = Field(default=5, ge=3, le=100)
    first_s: float = Field(default=30.0, ge=1, le=3600)
    factor: float = Field(default=2.0, ge=1, le=10)
    max_s: float = Field(default=900.0, ge=1, le=86_400)

    @model_validator(mode="after")
    def _grows(self) -> Self:
        if self.max_s < self.first_s:
            raise ValueError(f"max_s {self.max_s:g} is below first_s {self.first_s:g}")
        return self


class LockOut(Wire):
    """Who waits after bad tries: never the door. A code whose signature fits opens while its reader waits: nobody can
    guess one, and nobody shall keep members out by holding rubbish to the reader."""

    credential: BackOff = BackOff()
    reader: BackOff = BackOff(max_s=3600.0)


class ColdOpen(Wire):
    """Extreme cold: the button at the door, and any attempt whatever, opens. It is told as such."""

    until: UtcTime
    ordered_by: Text
    reason: Text = ""


class Lockdown(Wire):
    """Nobody enters but the exempt roles, within their hours, and who is let in by remote order. It is above extreme
    cold, and binds no exit."""

    until: UtcTime | None = Field(default=None, description="null: until rules without it come")
    ordered_by: Text
    reason: Text = ""
    exempt: tuple[Name, ...] = Field(default=(), max_length=32)


class SecondPerson(StrEnum):
    NEVER = "never"
    LOCKDOWN = "lockdown"  # only while it lasts
    ALWAYS = "always"


class RemoteOpen(Wire):
    """The hub asks a second person; the station refuses an order that names none where one is needed."""

    second_person: SecondPerson = SecondPerson.NEVER


class Hashing(Wire):
    """scrypt with r = 8, p = 1. `n` 16384 costs 16 MB and some 50 ms, once a try and never on the loop."""

    salt: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
    n: Literal[4096, 8192, 16384, 32768, 65536] = 16384


class Pin(Wire):
    """A staff person's code for a keypad. Valid from `not_before` on, until `not_after`."""

    hash: SecretHash
    staff: PersonId
    role: Name
    not_before: UtcTime | None = None
    not_after: UtcTime | None = None


class Card(Wire):
    """A card of a member (role: theirs in the roster unless given) or of a staff person (role needed)."""

    hash: SecretHash
    member: MemberId | None = None
    staff: PersonId | None = None
    role: Name | None = None
    not_before: UtcTime | None = None
    not_after: UtcTime | None = None

    @model_validator(mode="after")
    def _of_one_person(self) -> Self:
        if (self.member is None) == (self.staff is None):
            raise ValueError("a card belongs either to a member or to a staff person")
        if self.staff is not None and self.role is None:
            raise ValueError("a staff person's card names a role")
        return self


class Guest(Wire):
    """A code for `uses` entries, given to somebody who is no member."""

    hash: SecretHash
    id: PersonId
    role: Name = "guest"
    not_before: UtcTime
    not_after: UtcTime
    uses: int = Field(default=1, ge=1, le=100)
    occupation: Annotated[str, StringConstraints(max_length=40)] = ""


class Rules(Wire):
    v: Literal[1] = 1
    kind: Literal["rules"] = "rules"
    station: StationId
    version: int = Field(ge=1)
    issued_at: UtcTime
    schedules: dict[Name, Schedule] = Field(default_factory=dict, max_length=32)
    opening: Name | None = None
    roles: dict[Name, Role] = Field(default_factory=dict, max_length=32)
    capacity: Capacity | None = None
    passback: Passback = Passback()
    lock_out: LockOut | None = None
    cold: ColdOpen | None = None
    lockdown: Lockdown | None = None
    remote: RemoteOpen = RemoteOpen()
    hold_s: dict[MemberId, HoldS] = Field(
        default_factory=dict,
        max_length=HOLDS_MAX,
        exclude_if=_absent,
        description="who needs longer than others, by whatever credential: members, staff, guests",
    )
    hashing: Hashing | None = None
    pins: tuple[Pin, ...] = Field(default=(), max_length=500)
    cards: tuple[Card, ...] = Field(default=(), max_length=CARDS_MAX)
    guests: tuple[Guest, ...] = Field(default=(), max_length=1000)

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        named = [self.opening, *(role.schedule for role in self.roles.values())]
        for schedule in named:
            if schedule is not None and schedule not in self.schedules:
                raise ValueError(f"the schedule {schedule!r} is named and not given")
        roles = {pin.role for pin in self.pins} | {guest.role for guest in self.guests}
        roles |= {card.role for card in self.cards if card.role is not None}
        roles |= set(self.lockdown.exempt if self.lockdown else ())
        for role in sorted(roles - {MEMBER_ROLE}):
            if role not in self.roles:
                raise ValueError(f"the role {role!r} is named and not given")
        typed = [pin.hash for pin in self.pins] + [guest.hash for guest in self.guests]
        for hashes, what in ((typed, "PINs or guest codes"), ([card.hash for card in self.cards], "cards")):
            if len(set(hashes)) != len(hashes):
                raise ValueError(f"two {what} have one hash: give one of them another")
        if (self.pins or self.cards or self.guests) and self.hashing is None:
            raise ValueError("hashes need `hashing`, their salt")
        if len({guest.id for guest in self.guests}) != len(self.guests):
            raise ValueError("two guests have one id")
        return self


def typed_hash(digits: str, hashing: Hashing) -> str:
    """The hash of a PIN or of a guest code's digits. Takes tens of milliseconds. ValueError for what is neither."""
    if not (digits.isascii() and digits.isdigit() and TYPED_DIGITS_MIN <= len(digits) <= TYPED_DIGITS_MAX):
        raise ValueError(f"a PIN or guest code is {TYPED_DIGITS_MIN} to {TYPED_DIGITS_MAX} digits")
    return _scrypt(b"yizhan-typed-v1\0" + digits.encode(), hashing)


def card_hash(bits: int, data: bytes, hashing: Hashing) -> str:
    """The hash of a card's raw bits, as the reader gives them: the first is the top bit of data[0]."""
    return _scrypt(b"yizhan-card-v1\0" + bits.to_bytes(2) + data, hashing)


def _scrypt(secret: bytes, hashing: Hashing) -> str:
    salt = bytes.fromhex(hashing.salt)
    return hashlib.scrypt(secret, salt=salt, n=hashing.n, r=8, p=1, maxmem=160 * 8 * hashing.n, dklen=32).hex()
