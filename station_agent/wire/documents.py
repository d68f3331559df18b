"""Versioned documents that a station holds and works from while offline. They travel signed (signed.py).

A station applies a document only when its version is above the one that it has, and whole or not at all.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field, ValidationError

from station_agent.wire.model import HexKey, MemberId, Name, StationId, UtcTime, Wire

MEMBERS_MAX = 50_000


class Algorithm(StrEnum):
    """How a public key signs. SM2 has its number in membership_code.py and no implementation yet."""

    ES256 = "es256"
    ED25519 = "ed25519"


class IssuerKey(Wire):
    """A key that certifies members' phone keys."""

    kid: int = Field(ge=0, le=255)
    algorithm: Algorithm
    public: HexKey
    not_after: UtcTime


class PhoneKey(Wire):
    """The key in a member's phone. `kid` is the first byte of the SHA-256 of `public`."""

    kid: int = Field(ge=0, le=255)
    algorithm: Algorithm
    public: HexKey
    not_after: UtcTime


class RosterMember(Wire):
    """`role` is a role of the station's rules (rules.py)."""

    id: MemberId
    active: bool = True
    valid_until: UtcTime | None = None
    keys: tuple[PhoneKey, ...] = Field(default=(), max_length=4)
    role: Name = "member"


class RevokedKey(Wire):
    """A phone key that certificates still vouch for and that opens nothing any more: a phone that was lost."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="of the 33 bytes that stand in a certificate")
    until: UtcTime = Field(description="when the last certificate of the key is over; then it need not be here")


class Roster(Wire):
    """The members one station knows. Pseudonyms and keys only: no name, no number, no picture, no card (rules.py)."""

    v: Literal[1] = 1
    kind: Literal["roster"] = "roster"
    station: StationId
    version: int = Field(ge=1)
    issued_at: UtcTime
    issuers: tuple[IssuerKey, ...] = Field(max_length=16)
    members: tuple[RosterMember, ...] = Field(max_length=MEMBERS_MAX)
    revoked: tuple[RevokedKey, ...] = Field(default=(), max_length=5000)


class Erasure(Wire):
    """A member's face is to be erased: every template whose consent is older than `asked_at`."""

    id: UUID
    member: MemberId
    asked_at: UtcTime


class Erasures(Wire):
    """What one station still has to erase. It has no version: the hub sends it whenever the station is there, until
    the station has answered each entry with FaceErased, and an entry that was answered changes nothing more.
    """

    v: Literal[1] = 1
    kind: Literal["erasures"] = "erasures"
    station: StationId
    erasures: tuple[Erasure, ...] = Field(min_length=1, max_length=500)


class DocumentRefused(Exception):
    """A document that is not for here, or not of a form that is known; the message says which."""


class _Headed(BaseModel):
    kind: str


def kind_of(body: str) -> str:
    """Which document a signed text is. Raises DocumentRefused."""
    try:
        return _Headed.model_validate_json(body).kind
    except ValidationError as error:
        raise DocumentRefused("a document without its kind") from error


def read_erasures(body: str, station: str) -> Erasures:
    """Raises DocumentRefused."""
    try:
        document = Erasures.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise DocumentRefused(f"no erasures: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    if document.station != station:
        raise DocumentRefused(f"erasures of station {document.station}")
    return document
