"""Tickets for media: who may do what with which camera until when, proved by HMAC-SHA-256. PURE.

    base64url(JSON claims) . base64url(HMAC-SHA-256 over the first part)

A browser cannot send a header with a WebSocket, and a station's media socket must not carry its broker password,
so both show a ticket that is worth one camera for one purpose and a short time.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import asdict, dataclass
from enum import StrEnum

KEY_BYTES_MIN = 32


class Purpose(StrEnum):
    VIEW = "view"  # a user's browser watches
    PUSH = "push"  # the station sends its video
    PICTURE = "picture"  # the station uploads one picture


class BadTicket(Exception):
    """Not ours, altered, over, or for something else; the message says which."""


@dataclass(frozen=True)
class Ticket:
    """`holder` is a user's name or the station's id; `id` makes it one of its kind; `expires_at` in Unix seconds."""

    purpose: Purpose
    holder: str
    station: str
    camera: str
    id: str
    expires_at: int


class Tickets:
    """Signs and checks with one secret key."""

    def __init__(self, key: bytes) -> None:
        if len(key) < KEY_BYTES_MIN:
            raise ValueError(f"the key for tickets has {len(key)} bytes; at least {KEY_BYTES_MIN} are needed")
        self._key = key

    def signed(self, ticket: Ticket) -> str:
        claims = _encoded(json.dumps(asdict(ticket), separators=(",", ":")).encode())
        return f"{claims}.{_encoded(self._seal(claims))}"

    def check(self, text: str, purpose: Purpose, station: str, camera: str, now_s: float) -> Ticket:
        """The ticket, when it is good for this. Raises BadTicket."""
        claims, _, seal = text.partition(".")
        if not hmac.compare_digest(_decoded(seal), self._seal(claims)):
            raise BadTicket("The ticket is not signed by this hub.")
        fields = json.loads(_decoded(claims))
        ticket = Ticket(**{**fields, "purpose": Purpose(fields["purpose"])})
        if ticket.expires_at <= now_s:
            raise BadTicket("The ticket is over; ask for a new one.")
        if (ticket.purpose, ticket.station, ticket.camera) != (purpose, station, camera):
            raise BadTicket(f"The ticket is for something else than to {purpose} camera {camera} of {station}.")
        return ticket

    def _seal(self, claims: str) -> bytes:
        return hmac.digest(self._key, claims.encode(), hashlib.sha256)


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise BadTicket("The ticket is unreadable.") from None
