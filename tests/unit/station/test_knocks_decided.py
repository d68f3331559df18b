"""Who may enter by answering the door code: what is asked, in which order, and what follows from the answer."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from station_agent.access.attempts import Deny, FaceAttempt, Grant, KnockAttempt, Now
from station_agent.access.decide import decide
from station_agent.access.door_codes import ANSWERS_MAX, KEPT_MAX, DoorCodes
from station_agent.access.memory import BadTries, UsedCodes
from station_agent.access.policy import Policy
from station_agent.access.roster import HeldRoster
from station_agent.access.rules import HeldRules
from station_agent.wire import membership_code as codes
from station_agent.wire.documents import IssuerKey, PhoneKey, RosterMember
from station_agent.wire.door_code import ACCEPTED_S, DoorCode, make_knock
from station_agent.wire.kinds import Credential, Reason
from station_agent.wire.reasoning import ORDER
from station_agent.wire.rules import ColdOpen, Role

NOW = datetime(2026, 12, 1, 8, 0, tzinfo=UTC)
DAY = (NOW - datetime(1970, 1, 1, tzinfo=UTC)).days
MEMBER, OTHER = "00112233445566aa", "00112233445566bb"
PHONE: codes.PrivateKey = ec.derive_private_key(0xB0B, ec.SECP256R1())
OTHERS_PHONE: codes.PrivateKey = Ed25519PrivateKey.from_private_bytes(b"o" * 32)
ISSUER: codes.PrivateKey = Ed25519PrivateKey.from_private_bytes(b"i" * 32)
STRANGER: codes.PrivateKey = Ed25519PrivateKey.from_private_bytes(b"s" * 32)
HERE = DoorCode(b"challenge-12", "demo-01")
READER = "code_panel"


def phone_key(key: codes.PrivateKey) -> PhoneKey:
    public = codes.public_bytes(key)
    return PhoneKey(
        kid=codes.public_kid(public),
        algorithm=codes.algorithm_of(key),
        public=public.hex(),
        not_after=NOW + timedelta(days=9),
    )


def certificate(key: codes.PrivateKey, issuer: codes.PrivateKey = ISSUER, day: int = DAY + 3) -> codes.Certificate:
    return codes.certify(issuer, 7, MEMBER, codes.public_bytes(key), day)


class Door:
    """A station that shows `HERE` from monotonic second 0 on, and remembers what its desk would."""

    def __init__(self, *, known: bool = True, member: RosterMember | None = None, **roster: Any) -> None:
        issuer = IssuerKey(
            kid=7,
            algorithm=codes.algorithm_of(ISSUER),
            public=codes.public_bytes(ISSUER).hex(),
            not_after=NOW + timedelta(days=300),
        )
        row = member or RosterMember(id=MEMBER)
        rows = (
            row.model_copy(update={"keys": (phone_key(PHONE),) if known else ()}),
            RosterMember(id=OTHER, keys=(phone_key(OTHERS_PHONE),)),
        )
        self.roster = HeldRoster(3, roster.pop("issued_at", NOW), {7: issuer}, {row.id: row for row in rows}, **roster)
        self.policy = Policy(timedelta(days=30), UsedCodes(), BadTries(tries_max=3, lock_out_s=60))
        self.policy.door_codes.show(HERE.challenge, 0.0)

    def knocked(self, raw: bytes, mono_s: float = 1.0, *, utc: datetime = NOW, trusted: bool = True) -> Grant | Deny:
        attempt = KnockAttempt(UUID(int=1), READER, "demo-01", raw)
        verdict = decide(attempt, self.roster, self.policy, Now(utc, mono_s, trusted))
        if verdict.answered is not None:
            if isinstance(verdict, Grant):
                self.policy.door_codes.use(verdict.answered.challenge)
            else:
                self.policy.door_codes.answer(verdict.answered.challenge, verdict.answered.key)
        if isinstance(verdict, Deny):
            for name in verdict.tried:
                self.policy.tries.failed(name, mono_s)
            if verdict.half is not None:
                self.policy.halves.add(verdict.half, mono_s)
        return verdict

    def with_rules(self, **rules: Any) -> None:
        self.policy = replace(self.policy, rules=HeldRules(version=1, **rules))


def knock(key: codes.PrivateKey = PHONE, code: DoorCode = HERE, certificate: codes.Certificate | None = None) -> bytes:
    return make_knock(key, MEMBER, code, certificate)


def test_a_member_s_phone_that_answers_the_door_code_opens() -> None:
    verdict = Door().knocked(knock())
    assert isinstance(verdict, Grant)
    assert (verdict.reason, verdict.member) == (Reason.MEMBER, MEMBER)
    assert verdict.key == codes.public_sha256(codes.public_bytes(PHONE))


def test_a_phone_that_the_roster_does_not_know_yet_opens_by_its_certificate() -> None:
    assert isinstance(Door(known=False).knocked(knock(certificate=certificate(PHONE))), Grant)
    assert Door(known=False).knocked(knock()).reason is Reason.KEY_UNKNOWN


@pytest.mark.parametrize(
    ("after_s", "reason"),
    [(0.0, Reason.MEMBER), (ACCEPTED_S, Reason.MEMBER), (ACCEPTED_S + 0.1, Reason.DOOR_CODE_EXPIRED)],
)
def test_a_door_code_is_good_for_45_seconds(after_s: float, reason: Reason) -> None:
    assert Door().knocked(knock(), after_s).reason is reason


def test_no_clock_that_is_set_makes_a_door_code_live_longer() -> None:
    door = Door()
    for utc in (NOW - timedelta(hours=1), NOW, NOW + timedelta(hours=1)):
        assert door.knocked(knock(), ACCEPTED_S + 1, utc=utc).reason is Reason.DOOR_CODE_EXPIRED


def test_a_door_code_lets_one_in_and_the_next_one_scans_the_next() -> None:
    door = Door()
    other = make_knock(OTHERS_PHONE, OTHER, HERE)
    assert isinstance(door.knocked(knock()), Grant)
    assert door.knocked(knock()).reason is Reason.DOOR_CODE_USED
    assert door.knocked(other).reason is Reason.DOOR_CODE_USED
    following = DoorCode(b"challenge-13", "demo-01")
    door.policy.door_codes.show(following.challenge, 1.0)
    assert isinstance(door.knocked(make_knock(OTHERS_PHONE, OTHER, following)), Grant)


def test_who_was_denied_has_answered_and_nobody_keeps_the_answer_for_later() -> None:
    """The hub cannot hold back a genuine knock and bring it again when the reason of the denial is over."""
    door = Door(member=RosterMember(id=MEMBER, active=False))
    assert door.knocked(knock()).reason is Reason.MEMBER_SUSPENDED
    restored = door.roster.members[MEMBER].model_copy(update={"active": True})
    door.roster = replace(door.roster, members={**door.roster.members, MEMBER: restored})
    assert door.knocked(knock()).reason is Reason.DOOR_CODE_USED
    assert isinstance(door.knocked(make_knock(OTHERS_PHONE, OTHER, HERE)), Grant), "it let nobody in yet"


def test_bad_knocks_use_nothing_up_and_lock_no_member_out() -> None:
    door = Door()
    for _ in range(3):
        assert door.knocked(make_knock(STRANGER, MEMBER, HERE)).reason is Reason.KEY_UNKNOWN
    assert door.knocked(make_knock(STRANGER, MEMBER, HERE)).reason is Reason.READER_LOCKED_OUT
    assert isinstance(door.knocked(knock()), Grant), "a signature that fits opens while its reader waits"


def test_the_code_of_another_station_is_unknown_here() -> None:
    door = Door()
    there = DoorCode(b"challenge-99", "demo-02")
    assert door.knocked(knock(code=there)).reason is Reason.DOOR_CODE_UNKNOWN
    door.policy.door_codes.show(there.challenge, 0.0)  # even if both drew the same challenge
    assert door.knocked(knock(code=there)).reason is Reason.SIGNATURE_WRONG


def test_after_a_restart_no_code_of_before_it_is_good() -> None:
    door = Door()
    door.policy = replace(door.policy, door_codes=DoorCodes())
    assert door.knocked(knock()).reason is Reason.DOOR_CODE_UNKNOWN


def test_who_may_enter_by_code_may_by_the_door_code_and_a_role_can_ask_for_nothing_weaker() -> None:
    door = Door()
    door.with_rules(roles={"member": Role(credentials=(Credential.CODE,))})
    assert isinstance(door.knocked(knock()), Grant)
    door = Door()
    door.with_rules(roles={"member": Role(credentials=(Credential.DOOR_CODE,))})
    assert isinstance(door.knocked(knock()), Grant)
    door = Door()
    door.with_rules(roles={"member": Role(credentials=(Credential.CARD,))})
    assert door.knocked(knock()).reason is Reason.CREDENTIAL_NOT_ALLOWED


def test_where_code_and_face_are_needed_the_knock_is_the_code() -> None:
    door = Door()
    door.with_rules(roles={"member": Role(code_and_face=True)})
    assert door.knocked(knock()).reason is Reason.FACE_NEEDED
    face = FaceAttempt(UUID(int=2), "entrance", MEMBER, Reason.MEMBER, "", MEMBER)
    assert isinstance(decide(face, door.roster, door.policy, Now(NOW, 5.0, True)), Grant)


def test_extreme_cold_opens_to_who_is_at_the_door_and_not_to_who_knocks_from_afar() -> None:
    cold = ColdOpen(until=NOW + timedelta(hours=1), ordered_by="operator")
    door = Door(member=RosterMember(id=MEMBER, active=False))
    door.with_rules(cold=cold)
    assert isinstance(door.knocked(knock(code=DoorCode(b"x" * 12, "demo-01"))), Deny)
    assert isinstance(door.knocked(b"rubbish"), Deny)
    assert isinstance(door.knocked(make_knock(STRANGER, MEMBER, HERE)), Deny)
    assert door.knocked(knock()).reason is Reason.COLD_OPEN
    assert isinstance(door.knocked(knock()), Deny), "the same answer opens once in the cold as well"


def test_the_memory_is_bounded() -> None:
    codes_shown = DoorCodes()
    for number in range(KEPT_MAX + 10):
        codes_shown.show(number.to_bytes(12), float(number))
    assert codes_shown.age_s((0).to_bytes(12), 100.0) is None
    newest = (KEPT_MAX + 9).to_bytes(12)
    for number in range(ANSWERS_MAX):
        assert not codes_shown.used(newest, f"phone {number}")
        codes_shown.answer(newest, f"phone {number}")
    assert codes_shown.used(newest, "one more")


# What is wrong with a knock, by the reason that it alone gives.
WRONGS: dict[Reason, dict[str, Any]] = {
    Reason.NOT_A_CODE: {"raw": b"\1"},
    Reason.CLOCK_UNTRUSTED: {"trusted": False},
    Reason.ROSTER_TOO_OLD: {"issued_at": NOW - timedelta(days=31)},
    Reason.MEMBER_UNKNOWN: {"known": False},
    Reason.DOOR_CODE_EXPIRED: {"mono_s": 60.0},
    Reason.KEY_UNKNOWN: {"key": STRANGER},
    Reason.KEY_REVOKED: {"revoked": True},
    Reason.DOOR_CODE_USED: {"used": True},
    Reason.MEMBER_SUSPENDED: {"active": False},
    Reason.MEMBERSHIP_EXPIRED: {"valid_until": NOW - timedelta(days=1)},
}


def knocked_with(**wrong: Any) -> Reason:
    """The station's reason for a knock with these things wrong."""
    revoked = frozenset({codes.public_sha256(codes.public_bytes(PHONE))} if wrong.get("revoked") else ())
    row = RosterMember(id=MEMBER, active=wrong.get("active", True), valid_until=wrong.get("valid_until"))
    door = Door(member=row, revoked=revoked, issued_at=wrong.get("issued_at", NOW))
    if not wrong.get("known", True):
        door.roster = replace(door.roster, members={})
    if wrong.get("used"):
        door.policy.door_codes.use(HERE.challenge)
    raw = wrong.get("raw", make_knock(wrong.get("key", PHONE), MEMBER, HERE))
    return door.knocked(raw, wrong.get("mono_s", 1.0), trusted=wrong.get("trusted", True)).reason


def test_nothing_wrong_is_a_grant() -> None:
    assert knocked_with() is Reason.MEMBER


@pytest.mark.parametrize("pair", list(combinations(WRONGS, 2)), ids=lambda pair: f"{pair[0]} and {pair[1]}")
def test_of_two_things_wrong_the_one_that_is_asked_first_is_told(pair: tuple[Reason, Reason]) -> None:
    place = {reason: index for index, (_, reasons) in enumerate(ORDER[Credential.DOOR_CODE]) for reason in reasons}
    first = min(pair, key=place.__getitem__)
    assert [knocked_with(**WRONGS[reason]) for reason in pair] == list(pair)
    assert knocked_with(**WRONGS[pair[0]], **WRONGS[pair[1]]) is first
