"""The roster: taken whole or not at all, only forwards, and there again after a restart."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from station_agent.access import roster_store
from station_agent.access.roster import HeldRoster, RosterHeld, RosterRefused, read_signed
from station_agent.telemetry.store import Store
from station_agent.wire.documents import Algorithm, IssuerKey, PhoneKey, Roster, RosterMember
from station_agent.wire.signed import UNPACKED_MAX, Forged, key_id, packed, sign, unpacked

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
    assert read_signed(sealed(make()), KEYS, "demo-01", 3) == HeldRoster.of(make())


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
    with pytest.raises(RosterRefused, match="members"):
        read_signed(sign("document", '{"members": 1}', HUB), KEYS, "demo-01", 0)


async def test_what_is_kept_is_what_was_taken(store: Store) -> None:
    await store.submit(roster_store.prepare)
    assert await store.submit(roster_store.load) is None
    await store.submit(lambda db: roster_store.keep(db, HeldRoster.of(make(members=(RosterMember(id="ff" * 8),)))))
    await store.submit(lambda db: roster_store.keep(db, HeldRoster.of(make())))
    assert await store.submit(roster_store.load) == HeldRoster.of(make())


async def test_a_roster_that_could_not_be_kept_whole_leaves_the_last_good_one(store: Store) -> None:
    await store.submit(roster_store.prepare)
    await store.submit(lambda db: roster_store.keep(db, HeldRoster.of(make())))

    def torn(db: Any) -> None:
        roster_store.keep(db, HeldRoster.of(make(version=5, members=())))
        raise KeyError("in the middle")

    with pytest.raises(KeyError):
        await store.submit(torn)
    assert await store.submit(roster_store.load) == HeldRoster.of(make())


def test_members_are_models_only_while_they_are_asked_about() -> None:
    rows = [RosterMember(id=f"{number:016x}", active=number % 2 == 0) for number in range(300)]
    held = read_signed(sealed(make(members=tuple(rows))), KEYS, "demo-01", 3)
    assert len(held.members) == 300
    assert held.members["0" * 15 + "1"] == rows[1]
    assert "ff" * 8 not in held.members
    assert held.members.get("ff" * 8) is None
    assert list(held.members.values()) == rows


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: text.replace('"active":true', '"active":1.5'), "active"),
        (lambda text: text.replace('"members":[', '"members":[{},'), "id"),
        (lambda text: text.replace('"members":[', '"members":[],"members":['), "twice"),
        (lambda text: text.replace('"v":1', '"v":1,"v":1'), "twice"),
        (lambda text: text.replace('"v":1', '"v":1,"more":1'), "more"),
        (lambda text: text.replace('"members":', '"people":'), "missing"),
        (lambda text: text + "x", "follows"),
        (lambda text: text[:-1], "expected"),
        (lambda text: text[:-40], "no roster"),
        (lambda text: "[" + text + "]", "expected"),
        (lambda text: "", "expected"),
        (lambda text: "[" * 100_000, "expected"),
        (lambda text: text.replace('"members":[', '"members":[' + "[" * 100_000), "no roster"),
    ],
)
def test_a_roster_whose_text_is_not_a_roster_is_refused_by_name(change: Callable[[str], str], says: str) -> None:
    text = change(make(members=(RosterMember(id="ff" * 8),)).model_dump_json())
    with pytest.raises(RosterRefused, match=says):
        read_signed(sign("document", text, HUB), KEYS, "demo-01", 0)


def test_the_same_member_twice_is_no_roster() -> None:
    twice = make(members=(RosterMember(id="ff" * 8), RosterMember(id="ff" * 8, active=False)))
    with pytest.raises(RosterRefused, match="twice"):
        read_signed(sealed(twice), KEYS, "demo-01", 0)


def test_a_large_document_travels_packed_and_comes_out_as_it_was_signed() -> None:
    large = sealed(make(members=tuple(RosterMember(id=f"{number:016x}") for number in range(5000))))
    travels = packed(large)
    assert len(travels) < len(large) / 4
    assert unpacked(travels) == large
    assert packed(b"small") == unpacked(b"small") == b"small"
    for broken in (travels[:-1], travels + b"x", travels[:2] + b"\xff" * 50):
        with pytest.raises(Forged):
            unpacked(broken)
    with pytest.raises(Forged, match="more than"):
        unpacked(gzip.compress(bytes(UNPACKED_MAX + 1), 1))
