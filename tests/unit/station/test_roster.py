"""The roster: taken whole or not at all, only forwards, and there again after a restart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from station_agent.access import roster_store
from station_agent.access.roster import HeldRoster, RosterHeld, RosterRefused, read_signed
from station_agent.telemetry.store import Store
from station_agent.wire.documents import Algorithm, IssuerKey, PhoneKey, Roster, RosterMember
from station_agent.wire.signed import Forged, key_id, sign

NOW = datetime(2026, 12, 1, 8, 0, tzinfo=UTC)
HUB = Ed25519PrivateKey.from_private_bytes(b"h" * 32)
KEYS = {key_id(HUB.public_key()): HUB.public_key()}
PHONE = PhoneKey(kid=1, algorithm=Algorithm.ES256, public="02" + "ab" * 32, not_after=NOW)
ISSUER = IssuerKey(kid=7, algorithm=Algorithm.ED25519, public="cd" * 32, not_after=NOW + timedelta(days=1))


def make(**changes: Any) -> Roster:
    members = (
        RosterMember(id="00" * 8, keys=(PHONE,)),
        RosterMember(id="01" * 8, active=False, valid_until=NOW),
    )
    given = {"station": "demo-01", "version": 4, "issued_at": NOW, "issuers": (ISSUER,), "members": members}
    return Roster(**{**given, **changes})


def sealed(roster: Roster, domain: Any = "document", key: Ed25519PrivateKey = HUB) -> bytes:
    return sign(domain, roster.model_dump_json(), key)


def test_a_newer_roster_of_the_hub_is_read() -> None:
    assert read_signed(sealed(make()), KEYS, "demo-01", 3) == make()


def test_an_older_roster_is_refused() -> None:
    with pytest.raises(RosterRefused, match="version 5 is held"):
        read_signed(sealed(make()), KEYS, "demo-01", 5)


def test_the_roster_that_is_held_may_come_again() -> None:
    with pytest.raises(RosterHeld, match="version 4 came again"):
        read_signed(sealed(make()), KEYS, "demo-01", 4)


def test_a_roster_for_elsewhere_or_of_somebody_else_is_refused() -> None:
    with pytest.raises(RosterRefused, match="demo-02"):
        read_signed(sealed(make(station="demo-02")), KEYS, "demo-01", 0)
    with pytest.raises(Forged):
        read_signed(sealed(make(), "command"), KEYS, "demo-01", 0)
    with pytest.raises(Forged):
        read_signed(sealed(make(), key=Ed25519PrivateKey.generate()), KEYS, "demo-01", 0)
    with pytest.raises(RosterRefused, match="station"):
        read_signed(sign("document", '{"members": 1}', HUB), KEYS, "demo-01", 0)


async def test_what_is_kept_is_what_was_taken(store: Store) -> None:
    await store.submit(roster_store.prepare)
    assert await store.submit(roster_store.load) is None
    await store.submit(lambda db: roster_store.keep(db, make(members=(RosterMember(id="ff" * 8),))))
    await store.submit(lambda db: roster_store.keep(db, make()))
    assert await store.submit(roster_store.load) == HeldRoster.of(make())


async def test_a_roster_that_could_not_be_kept_whole_leaves_the_last_good_one(store: Store) -> None:
    await store.submit(roster_store.prepare)
    await store.submit(lambda db: roster_store.keep(db, make()))

    def torn(db: Any) -> None:
        roster_store.keep(db, make(version=5, members=()))
        raise KeyError("in the middle")

    with pytest.raises(KeyError):
        await store.submit(torn)
    assert await store.submit(roster_store.load) == HeldRoster.of(make())
