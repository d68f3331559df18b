"""The other way round: the station shows a rotating door code (门码), and a member's phone that scans it knocks (敲门).

    door code, a QR at the door:      <hub>/m#d=<base64url>         of    ver | challenge 12 | station 1..32 (ASCII)

    knock, what the phone answers:    head 23 B                                     sig 64 B
                                      ver | alg | kid | member 8 | challenge 12  || signature of the phone's key    87 B
                                      certificate, as in a membership code                                       +100 B

    the phone signs    "yizhan-knock-v1" 0 head station

The challenge is random, lives in the station's memory alone and is never told to the hub before a phone has read it.
So whoever carries a knock (the hub, the broker) can lose it, and can neither make one nor keep one for later. `alg`,
`kid`, keys, signatures and certificates are those of membership_code.py. docs/membership-code.md is the same for
another implementation, with test vectors.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from station_agent.wire.documents import IssuerKey, PhoneKey
from station_agent.wire.kinds import Reason
from station_agent.wire.membership_code import (
    Alg,
    Certificate,
    CodeRefused,
    PrivateKey,
    Proof,
    alg_byte,
    alg_of,
    certificate_bytes,
    certificate_of,
    public_bytes,
    public_kid,
    signed,
    signer_of,
)

VERSION = 1
CHALLENGE_BYTES = 12
"""96 bits: nobody guesses one that lives for less than a minute."""

PERIOD_S = 15.0
ACCEPTED_S = 45.0
"""A door code stands for a period and is good for two more: who has just scanned it may have to look for the button."""

LINK_PATH = "/m#d="
_STATION = re.compile(rb"[a-z0-9][a-z0-9-]{0,31}")
_HEAD = 11 + CHALLENGE_BYTES
_SHORT = _HEAD + 64
_LONG = _SHORT + 100
DOOR_CODE_CHARACTERS_MAX = 60  # base64url of 45 bytes
KNOCK_BYTES_MAX = _LONG
_KNOCK_TEXT = b"yizhan-knock-v1\0"


@dataclass(frozen=True, slots=True)
class DoorCode:
    """What a station shows."""

    challenge: bytes  # 12
    station: str

    def text(self) -> str:
        """The one spelling, as it stands behind `#d=`."""
        return _spelled(bytes([VERSION]) + self.challenge + self.station.encode())

    def link(self, hub: str) -> str:
        """What the QR holds. `hub` is where phones find its pages: "https://hub.example.org"."""
        return f"{hub}{LINK_PATH}{self.text()}"


@dataclass(frozen=True, slots=True)
class Knock:
    """A knock whose shape is right. Nothing in it is to be believed before `verify`."""

    alg: Alg
    kid: int
    member: str  # 16 hex digits
    challenge: bytes  # 12
    signature: bytes  # 64
    certificate: Certificate | None
    head: bytes


def parse_door_code(text: str) -> DoorCode:
    """What stands behind `#d=` in the link. Strict: one spelling per code. Raises CodeRefused."""
    if len(text) > DOOR_CODE_CHARACTERS_MAX:
        raise CodeRefused(Reason.NOT_A_CODE, f"no door code of at most {DOOR_CODE_CHARACTERS_MAX} characters")
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise CodeRefused(Reason.NOT_A_CODE, "not base64url") from error
    if _spelled(raw) != text:
        raise CodeRefused(Reason.NOT_A_CODE, "not the one base64url spelling of its bytes")
    _check_version(raw)
    challenge, station = raw[1 : 1 + CHALLENGE_BYTES], raw[1 + CHALLENGE_BYTES :]
    if not _STATION.fullmatch(station):
        raise CodeRefused(Reason.NOT_A_CODE, "it names no station")
    return DoorCode(challenge, station.decode())


def parse_knock(raw: bytes) -> Knock:
    """Raises CodeRefused."""
    _check_version(raw)
    if len(raw) not in (_SHORT, _LONG):
        raise CodeRefused(Reason.NOT_A_CODE, f"a knock of {len(raw)} bytes, expected {_SHORT} or {_LONG}")
    return Knock(
        alg=alg_of(raw[1]),
        kid=raw[2],
        member=raw[3:11].hex(),
        challenge=raw[11:_HEAD],
        signature=raw[_HEAD:_SHORT],
        certificate=certificate_of(raw[_SHORT:]),
        head=raw[:_HEAD],
    )


def verify(
    knock: Knock, station: str, keys: Sequence[PhoneKey], issuers: Mapping[int, IssuerKey], now: datetime
) -> bytes:
    """Check that a phone of the member has signed this knock for `station`; the 33 bytes of its key. Raises
    CodeRefused.

    As membership_code.signer_of says of keys and certificates. Whether the challenge is one that stands at the door
    now is the caller's to check, and whether it was used.
    """
    text = _signed_text(knock.head, station)
    proof = Proof(knock.alg, knock.kid, knock.member, text, knock.signature, knock.certificate)
    return signer_of(proof, keys, issuers, now)


def make_knock(key: PrivateKey, member: str, code: DoorCode, certificate: Certificate | None = None) -> bytes:
    """What a phone with `key` answers to a door code."""
    kid = public_kid(public_bytes(key))
    head = bytes([VERSION, alg_byte(key), kid]) + bytes.fromhex(member) + code.challenge
    raw = head + signed(key, _signed_text(head, code.station))
    return raw if certificate is None else raw + certificate_bytes(certificate)


def _check_version(raw: bytes) -> None:
    if not raw or raw[0] != VERSION:
        raise CodeRefused(Reason.CODE_VERSION, f"door code version {raw[0] if raw else 'none'}, expected {VERSION}")


def _signed_text(head: bytes, station: str) -> bytes:
    return _KNOCK_TEXT + head + station.encode()


def _spelled(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
