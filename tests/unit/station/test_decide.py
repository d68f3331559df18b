"""Who may enter: every reason once, as a sentence."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from station_agent.access.attempts import CodeAttempt, Deny, FaceAttempt, Grant, Now, RemoteAttempt
from station_agent.access.decide import decide
from station_agent.access.memory import USED_MAX, BadTries, UsedCodes, used_until
from station_agent.access.policy import Policy
from station_agent.access.roster import HeldRoster
from station_agent.access.sentences import SENTENCES
from station_agent.signs.render import pages
from station_agent.wire import membership_code as codes
from station_agent.wire.documents import Algorithm, IssuerKey, PhoneKey, RosterMember
from station_agent.wire.kinds import Reason

NOW = datetime(2026, 12, 1, 8, 0, tzinfo=UTC)
MEMBER = "00112233445566aa"
PHONE = Ed25519PrivateKey.from_private_bytes(b"p" * 32)
ISSUER = ec.derive_private_key(0x1551E, ec.SECP256R1())
DAY = (NOW - datetime(1970, 1, 1, tzinfo=UTC)).days


def phone_key(key: codes.PrivateKey) -> PhoneKey:
    public = codes.public_bytes(key)
    return PhoneKey(
        kid=codes.public_kid(public),
        algorithm=codes.algorithm_of(key),
        public=public.hex(),
        not_after=NOW + timedelta(days=10),
    )


def roster(member: RosterMember | None = None, issued_at: datetime = NOW) -> HeldRoster:
    row = member or RosterMember(id=MEMBER, keys=(phone_key(PHONE),))
    issuer = IssuerKey(
        kid=7,
        algorithm=Algorithm.ES256,
        public=codes.public_bytes(ISSUER).hex(),
        not_after=NOW + timedelta(days=300),
    )
    return HeldRoster(3, issued_at, {7: issuer}, {row.id: row})


@pytest.fixture
def policy() -> Policy:
    return Policy(timedelta(days=30), UsedCodes(), BadTries(tries_max=3, lock_out_s=60))


def code(key: codes.PrivateKey = PHONE, at: datetime = NOW, nonce: bytes = b"\1\2", **kept: Any) -> str:
    return codes.make_code(key, MEMBER, at, nonce, **kept)


def shown(
    text: str,
    policy: Policy,
    held: HeldRoster | None = None,
    now: datetime = NOW,
    *,
    mono_s: float = 0.0,
    trusted: bool = True,
) -> Grant | Deny:
    """The answer, with what the desk remembers after it."""
    verdict = decide(CodeAttempt(UUID(int=1), "scanner", text), held or roster(), policy, Now(now, mono_s, trusted))
    if isinstance(verdict, Grant) and verdict.code:
        policy.used.add(verdict.code.head, verdict.code.made_at, now)
    if isinstance(verdict, Deny):
        for name in verdict.tried:
            policy.tries.failed(name, mono_s)
    return verdict


def test_a_fresh_code_of_a_member_opens(policy: Policy) -> None:
    verdict = shown(code(), policy)
    assert isinstance(verdict, Grant)
    assert (verdict.reason, verdict.member) == (Reason.MEMBER, MEMBER)


def test_a_code_shown_twice_opens_once(policy: Policy) -> None:
    text = code()
    assert isinstance(shown(text, policy), Grant)
    assert shown(text, policy).reason is Reason.CODE_REPLAYED


def test_the_next_code_of_the_same_second_opens_again(policy: Policy) -> None:
    assert isinstance(shown(code(nonce=b"\0\0"), policy), Grant)
    assert isinstance(shown(code(nonce=b"\0\1"), policy), Grant)


def test_a_second_signature_of_the_same_code_is_the_same_code(policy: Policy) -> None:
    """ECDSA has many signatures for one text, and none of them makes a new code."""
    key = ec.derive_private_key(0xABC, ec.SECP256R1())
    held = roster(RosterMember(id=MEMBER, keys=(phone_key(key),)))
    first, second = code(key), code(key)
    assert first != second
    assert isinstance(shown(first, policy, held), Grant)
    assert shown(second, policy, held).reason is Reason.CODE_REPLAYED


@pytest.mark.parametrize(
    ("age_s", "reason"),
    [(-31, Reason.CODE_FROM_FUTURE), (-30, None), (0, None), (30, None), (31, Reason.CODE_EXPIRED)],
)
def test_a_code_lives_half_a_minute_either_way(policy: Policy, age_s: int, reason: Reason | None) -> None:
    verdict = shown(code(at=NOW - timedelta(seconds=age_s)), policy)
    assert (verdict.reason if isinstance(verdict, Deny) else None) is reason


def test_what_is_no_code_says_so(policy: Policy) -> None:
    for text in ("", "https://example.org", "U1:", "U1:%%%", code() + "A", code().lower()):
        assert shown(text, policy).reason in (Reason.NOT_A_CODE, Reason.CODE_VERSION), text


def test_a_phone_that_only_a_certificate_knows_opens(policy: Policy) -> None:
    held = roster(RosterMember(id=MEMBER))
    public = codes.public_bytes(PHONE)
    good = codes.certify(ISSUER, 7, MEMBER, public, DAY + 3)
    assert isinstance(shown(code(certificate=good), policy, held), Grant)
    old = codes.certify(ISSUER, 7, MEMBER, public, DAY - 1)
    assert shown(code(nonce=b"22", certificate=old), policy, held).reason is Reason.CERTIFICATE_EXPIRED
    forged = codes.certify(PHONE, 7, MEMBER, public, DAY + 3)
    assert shown(code(nonce=b"33", certificate=forged), policy, held).reason is Reason.CERTIFICATE_WRONG
    assert shown(code(nonce=b"44"), policy, held).reason is Reason.KEY_UNKNOWN


def test_another_phone_with_the_same_key_id_does_not_open(policy: Policy) -> None:
    kid = codes.public_kid(codes.public_bytes(PHONE))
    twin = next(
        key
        for key in (Ed25519PrivateKey.from_private_bytes(n.to_bytes(32)) for n in range(1, 5000))
        if codes.public_kid(codes.public_bytes(key)) == kid
    )
    assert shown(code(twin), policy).reason is Reason.SIGNATURE_WRONG


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        ({"id": "ff" * 8}, Reason.MEMBER_UNKNOWN),
        ({"id": MEMBER, "active": False}, Reason.MEMBER_SUSPENDED),
        ({"id": MEMBER, "valid_until": NOW}, Reason.MEMBERSHIP_EXPIRED),
    ],
)
def test_a_code_or_face_of_somebody_who_may_not_enter(policy: Policy, member: dict[str, Any], reason: Reason) -> None:
    held = roster(RosterMember(keys=(phone_key(PHONE),), **member))
    assert shown(code(), policy, held).reason is reason
    face = FaceAttempt(UUID(int=2), "entrance", MEMBER, Reason.MEMBER, "distance 0.2")
    assert decide(face, held, policy, Now(NOW, 0, True)).reason is reason


def test_a_clock_that_cannot_be_believed_denies_codes_and_not_faces(policy: Policy) -> None:
    assert shown(code(), policy, trusted=False).reason is Reason.CLOCK_UNTRUSTED
    face = FaceAttempt(UUID(int=2), "entrance", MEMBER, Reason.MEMBER, "distance 0.2")
    assert isinstance(decide(face, roster(), policy, Now(NOW, 0, False)), Grant)


def test_a_roster_of_before_the_limit_is_too_old_and_none_at_all_as_well(policy: Policy) -> None:
    held = roster(issued_at=NOW - timedelta(days=30, seconds=1))
    assert shown(code(), policy, held).reason is Reason.ROSTER_TOO_OLD
    attempt = CodeAttempt(UUID(int=1), "scanner", code())
    assert decide(attempt, None, policy, Now(NOW, 0, True)).reason is Reason.ROSTER_TOO_OLD


def test_who_has_photographed_a_code_locks_nobody_out(policy: Policy) -> None:
    """What anybody can show counts against the reader; the member's phone opens all the while."""
    text = code()
    assert isinstance(shown(text, policy), Grant)
    for _ in range(3):
        assert shown(text, policy, mono_s=10).reason is Reason.CODE_REPLAYED
    assert shown(text, policy, mono_s=11).reason is Reason.READER_LOCKED_OUT
    forged = code(Ed25519PrivateKey.from_private_bytes(b"o" * 32))
    assert shown(forged, policy, mono_s=11).reason is Reason.READER_LOCKED_OUT
    assert isinstance(shown(code(nonce=b"99"), policy, mono_s=11), Grant), "the real phone"
    assert shown(text, policy, mono_s=72).reason is Reason.CODE_REPLAYED, "after the wait"


def test_a_revoked_phone_opens_nothing_also_with_a_certificate(policy: Policy) -> None:
    public = codes.public_bytes(PHONE)
    for member in (RosterMember(id=MEMBER), RosterMember(id=MEMBER, keys=(phone_key(PHONE),))):
        held = replace(roster(member), revoked=frozenset({codes.public_sha256(public)}))
        text = code(certificate=codes.certify(ISSUER, 7, MEMBER, public, DAY + 3))
        assert shown(text, policy, held).reason is Reason.KEY_REVOKED
    other = Ed25519PrivateKey.from_private_bytes(b"o" * 32)
    both = roster(RosterMember(id=MEMBER, keys=(phone_key(PHONE), phone_key(other))))
    held = replace(both, revoked=frozenset({codes.public_sha256(public)}))
    assert isinstance(shown(code(other), policy, held), Grant), "the member's other phone"


def test_an_expired_code_is_no_bad_try(policy: Policy) -> None:
    for _ in range(10):
        assert shown(code(at=NOW - timedelta(minutes=5)), policy).reason is Reason.CODE_EXPIRED
    assert isinstance(shown(code(), policy), Grant)


def test_what_the_face_engine_could_not_tell_is_the_reason(policy: Policy) -> None:
    face = FaceAttempt(UUID(int=2), "entrance", None, Reason.SEVERAL_FACES, "2 faces")
    assert decide(face, roster(), policy, Now(NOW, 0, True)) == Deny(Reason.SEVERAL_FACES, "2 faces")


def test_a_verified_order_opens_whatever_the_roster_says(policy: Policy) -> None:
    remote = RemoteAttempt(UUID(int=2), "operator", "let the doctor in")
    verdict = decide(remote, None, policy, Now(NOW, 0, True))
    assert verdict == Grant(Reason.REMOTE_ORDER, None, "let the doctor in")


def test_a_used_code_is_remembered_until_it_is_expired_anyway() -> None:
    made_at = NOW + timedelta(seconds=29)  # the phone's clock is ahead
    until = used_until(made_at)
    with pytest.raises(codes.CodeRefused, match="made at"):
        codes.verify(codes.parse(code(at=made_at)), [phone_key(PHONE)], {}, until)


def test_memory_is_bounded(policy: Policy) -> None:
    used = UsedCodes()
    for number in range(9000):
        used.add(number.to_bytes(17), NOW, NOW + timedelta(seconds=number))
    assert (8999).to_bytes(17) in used
    assert (0).to_bytes(17) not in used
    tries = BadTries(3, 60)
    for number in range(5000):
        tries.failed(f"code:{number}", 0)
    assert tries.locked_for("code:4999", 0) == 0


def test_when_no_code_can_be_remembered_none_is_accepted(policy: Policy) -> None:
    for number in range(2 * USED_MAX):
        policy.used._until[number.to_bytes(17)] = NOW + timedelta(minutes=1)
    assert shown(code(), policy).reason is Reason.CODE_REPLAYED


@given(text=st.one_of(st.text(max_size=300), st.binary(max_size=200).map(lambda raw: "U1:" + raw.hex().upper())))
def test_no_text_that_nobody_signed_opens(text: str) -> None:
    policy = Policy(timedelta(days=30), UsedCodes(), BadTries(3, 60))
    assert isinstance(shown(text, policy), Deny)


@given(position=st.integers(0, 80), change=st.integers(1, 255))
def test_no_code_with_a_changed_byte_opens(position: int, change: int) -> None:
    import base45

    raw = bytearray(base45.b45decode(code()[3:]))
    raw[position] ^= change
    policy = Policy(timedelta(days=30), UsedCodes(), BadTries(3, 60))
    assert isinstance(shown("U1:" + base45.b45encode(bytes(raw)).decode(), policy), Deny)


def test_every_reason_has_its_sentence() -> None:
    assert set(SENTENCES) == set(Reason)
    for sentence in SENTENCES.values():
        assert sentence.zh
        assert sentence.en
        assert len(pages(sentence.zh, (128, 16), 4)) == 1, f"{sentence.zh} does not fit one page"


def test_deciding_changes_nothing(policy: Policy) -> None:
    attempt = CodeAttempt(UUID(int=1), "scanner", code())
    now = Now(NOW, 0, True)
    assert decide(attempt, roster(), policy, now) == decide(attempt, roster(), policy, now)
