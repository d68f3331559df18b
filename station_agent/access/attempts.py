"""PURE: what somebody asks a door, and what the answers are.

One class a credential; `decide` (decide.py) answers each with a Grant or a Deny.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from station_agent.wire.kinds import Credential, Reason, Remark


@dataclass(frozen=True, slots=True)
class UsedCode:
    """The code that a grant consumed."""

    head: bytes
    made_at: datetime


@dataclass(frozen=True, slots=True)
class CodeAttempt:
    """A text that a reader read."""

    id: UUID
    reader: str
    text: str

    credential = Credential.CODE


@dataclass(frozen=True, slots=True)
class KnockAttempt:
    """A phone's answer to the door code, as the hub brought it."""

    id: UUID
    reader: str  # the display of the door code
    station: str  # this one
    knock: bytes

    credential = Credential.DOOR_CODE


@dataclass(frozen=True, slots=True)
class FaceAttempt:
    """What the face engine found: a member, or why nobody. `claimed` is whose face was looked for after a code."""

    id: UUID
    reader: str  # the camera
    member: str | None
    reason: Reason
    detail: str
    claimed: str | None = None

    credential = Credential.FACE


@dataclass(frozen=True, slots=True)
class CardAttempt:
    """A card was held to a reader. `hash` is that of its bits, None where the rules have no salt."""

    id: UUID
    reader: str
    hash: str | None = field(repr=False)

    credential = Credential.CARD


@dataclass(frozen=True, slots=True)
class PinAttempt:
    """Digits were typed. `hash` is that of the digits, None where the rules have no salt or it cannot be a number."""

    id: UUID
    reader: str
    hash: str | None = field(repr=False)

    credential = Credential.PIN


@dataclass(frozen=True, slots=True)
class GuestAttempt:
    """A guest's code, typed or scanned."""

    id: UUID
    reader: str
    hash: str | None = field(repr=False)

    credential = Credential.GUEST


@dataclass(frozen=True, slots=True)
class ButtonAttempt:
    """The button at the door was pressed, which opens in extreme cold."""

    id: UUID
    reader: str

    credential = Credential.BUTTON


@dataclass(frozen=True, slots=True)
class RemoteAttempt:
    """An order of the hub that the inbox has verified."""

    id: UUID
    reader: str  # the actor
    detail: str
    confirmer: str | None = None

    credential = Credential.REMOTE


@dataclass(frozen=True, slots=True)
class VerifiedAttempt:
    """A code of somebody else's making, as its verifier (verifiers/) found it: a member, or why nobody."""

    id: UUID
    reader: str
    verifier: str
    member: str | None
    reason: Reason
    detail: str
    used: UsedCode | None = None  # what must not open a second time
    counted: bool = False  # a bad try at this reader

    credential = Credential.CODE


Attempt = (
    CodeAttempt
    | KnockAttempt
    | VerifiedAttempt
    | FaceAttempt
    | CardAttempt
    | PinAttempt
    | GuestAttempt
    | ButtonAttempt
    | RemoteAttempt
)


@dataclass(frozen=True, slots=True)
class Answered:
    """The door code that a phone has proven to answer: it answers no second time."""

    challenge: bytes
    key: str


@dataclass(frozen=True, slots=True)
class Half:
    """One of the two credentials of a member whose role needs both: proven, and waiting for the other."""

    member: str
    credential: Credential
    code: UsedCode | None = None
    key: str = ""


@dataclass(frozen=True, slots=True)
class Grant:
    """`member` is of the roster, `person` a staff person or guest of the rules. `key` names the phone or card, so
    that another one of the same member is known as another."""

    reason: Reason
    member: str | None
    detail: str = ""
    code: UsedCode | None = None
    person: str | None = None
    key: str = ""
    remarks: tuple[Remark, ...] = ()
    guest: str | None = None  # whose uses it counts against
    cleared: tuple[str, ...] = ()  # whose failures are forgotten
    answered: Answered | None = None
    hold_s: float | None = None  # who needs the door released for longer

    @property
    def who(self) -> str | None:
        return self.member or self.person


@dataclass(frozen=True, slots=True)
class Deny:
    """`tried` names what failed and may be locked out: a reader, a credential; nothing for an honest mistake."""

    reason: Reason
    detail: str
    member: str | None = None
    person: str | None = None
    tried: tuple[str, ...] = ()
    half: Half | None = None
    card: str | None = None  # the hash of a card that is not known
    answered: Answered | None = None
    remarks: tuple[Remark, ...] = ()


@dataclass(frozen=True, slots=True)
class Now:
    """The moment of an attempt."""

    utc: datetime
    mono_s: float
    trusted: bool
