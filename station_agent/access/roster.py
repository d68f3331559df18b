"""PURE: the roster (名册), the members that this station knows, as decisions use it; roster_store.py keeps it.

A new one comes as a signed document. It is taken whole or not at all, and only when its version is above the
version held: an old one that somebody replays changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import ValidationError

from station_agent.access.members import Members, split
from station_agent.wire.documents import MEMBERS_MAX, IssuerKey, Roster, RosterMember
from station_agent.wire.signed import open_signed


class RosterRefused(Exception):
    """A roster that is not for here or not newer; the message says which."""


class RosterHeld(Exception):
    """The very version that is held came again, as it does when the hub was not sure: nobody's mistake."""


@dataclass(frozen=True, slots=True)
class HeldRoster:
    """The roster as decisions use it."""

    version: int
    issued_at: datetime
    issuers: Mapping[int, IssuerKey]
    members: Mapping[str, RosterMember]
    revoked: frozenset[str] = frozenset()

    @classmethod
    def of(cls, roster: Roster) -> HeldRoster:
        return cls(
            version=roster.version,
            issued_at=roster.issued_at,
            issuers={issuer.kid: issuer for issuer in roster.issuers},
            members=Members.of(roster.members),
            revoked=frozenset(key.sha256 for key in roster.revoked),
        )


def read_signed(payload: bytes, keys: Mapping[str, Ed25519PublicKey], station: str, held: int) -> HeldRoster:
    """A roster that may be applied over version `held` (0: none). Raises Forged, RosterRefused, RosterHeld."""
    return read(open_signed("document", payload, keys), station, held)


def read(body: str, station: str, held: int) -> HeldRoster:
    """As read_signed(), of a body whose signature was checked. Lets other threads have their turns."""
    try:
        rest, members = split(body, MEMBERS_MAX)
        roster = Roster.model_validate_json(json.dumps({**rest, "members": []}))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RosterRefused(f"no roster: {where}: {first['msg']}") from error
    except (ValueError, RecursionError) as error:
        raise RosterRefused(f"no roster: {error}"[:200]) from error
    if roster.station != station:
        raise RosterRefused(f"a roster of station {roster.station}")
    if roster.version < held:
        raise RosterRefused(f"roster version {roster.version}, version {held} is held")
    if roster.version == held:
        raise RosterHeld(f"roster version {held} came again")
    return replace(HeldRoster.of(roster), members=members)
