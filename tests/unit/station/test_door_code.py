"""The door code and the knock as bytes: one spelling, nothing lost, and a signature that is for one door only."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from station_agent.wire import door_code, membership_code
from station_agent.wire.documents import PhoneKey
from station_agent.wire.door_code import DoorCode, make_knock, parse_door_code, parse_knock, verify
from station_agent.wire.kinds import Reason
from station_agent.wire.membership_code import CodeRefused, PrivateKey

KEYS: tuple[PrivateKey, ...] = (
    ec.derive_private_key(0xB0B, ec.SECP256R1()),
    Ed25519PrivateKey.from_private_bytes(b"p" * 32),
)
MEMBER = "00112233445566aa"
NOW = datetime(2026, 12, 1, 8, 0, tzinfo=UTC)
HERE = DoorCode(b"challenge-12", "demo-01")
STATIONS = st.from_regex(r"[a-z0-9][a-z0-9-]{0,31}", fullmatch=True)
CHALLENGES = st.binary(min_size=12, max_size=12)


def phone_key(key: PrivateKey) -> PhoneKey:
    public = membership_code.public_bytes(key)
    return PhoneKey(
        kid=membership_code.public_kid(public),
        algorithm=membership_code.algorithm_of(key),
        public=public.hex(),
        not_after=NOW + timedelta(days=9),
    )


@given(challenge=CHALLENGES, station=STATIONS)
def test_a_door_code_is_read_back_whole_and_its_link_is_short_enough_for_a_small_qr(
    challenge: bytes, station: str
) -> None:
    code = DoorCode(challenge, station)
    assert parse_door_code(code.text()) == code
    assert len(code.text()) <= door_code.DOOR_CODE_CHARACTERS_MAX
    assert code.link("https://hub.example.org") == f"https://hub.example.org/m#d={code.text()}"


@given(st.text(max_size=70) | st.binary(max_size=50).map(lambda raw: base64.urlsafe_b64encode(raw).decode()))
def test_a_door_code_that_is_read_has_one_spelling(text: str) -> None:
    try:
        code = parse_door_code(text)
    except CodeRefused:
        return
    assert code.text() == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", Reason.CODE_VERSION),
        (HERE.text() + "=", Reason.NOT_A_CODE),
        (HERE.text() + "\n", Reason.NOT_A_CODE),
        (" " + HERE.text(), Reason.NOT_A_CODE),
        (HERE.text()[:-1] + "\u4e00", Reason.NOT_A_CODE),
        (DoorCode(b"\xfb\xff\xbe" * 4, "demo-01").text().replace("_", "/"), Reason.NOT_A_CODE),
        ("A" * 61, Reason.NOT_A_CODE),
        (base64.urlsafe_b64encode(b"\2challenge-12demo-01").decode().rstrip("="), Reason.CODE_VERSION),
        (base64.urlsafe_b64encode(b"\1challenge-12").decode().rstrip("="), Reason.NOT_A_CODE),
        (base64.urlsafe_b64encode(b"\1challenge-12Demo").decode().rstrip("="), Reason.NOT_A_CODE),
        (base64.urlsafe_b64encode(b"\1challenge-12a/b").decode().rstrip("="), Reason.NOT_A_CODE),
    ],
)
def test_what_is_no_door_code_is_refused(text: str, reason: Reason) -> None:
    with pytest.raises(CodeRefused) as refused:
        parse_door_code(text)
    assert refused.value.reason is reason


@given(
    key=st.sampled_from(KEYS),
    member=st.binary(min_size=8, max_size=8),
    challenge=CHALLENGES,
    station=STATIONS,
    days=st.none() | st.integers(0, 2**16 - 1),
)
def test_a_knock_is_read_back_whole_and_proves_its_phone_at_its_station_only(
    key: PrivateKey, member: bytes, challenge: bytes, station: str, days: int | None
) -> None:
    public = membership_code.public_bytes(key)
    certificate = None
    if days is not None:
        certificate = membership_code.certify(KEYS[1], 3, member.hex(), public, days)
    knock = parse_knock(make_knock(key, member.hex(), DoorCode(challenge, station), certificate))
    assert (knock.member, knock.challenge, knock.certificate) == (member.hex(), challenge, certificate)
    if certificate is None:
        assert verify(knock, station, [phone_key(key)], {}, NOW) == public
        with pytest.raises(CodeRefused) as refused:
            verify(knock, station + "x", [phone_key(key)], {}, NOW)
        assert refused.value.reason is Reason.SIGNATURE_WRONG


@given(st.binary(max_size=200))
def test_any_bytes_as_a_knock_are_read_or_refused(raw: bytes) -> None:
    try:
        knock = parse_knock(raw)
    except CodeRefused:
        return
    written = knock.head + knock.signature
    if knock.certificate is not None:
        written += membership_code.certificate_bytes(knock.certificate)
    assert written == raw


@pytest.mark.parametrize("length", [0, 1, 23, 86, 88, 186, 188, 1000])
def test_a_knock_of_another_length_is_refused(length: int) -> None:
    raw = (make_knock(KEYS[0], MEMBER, HERE) + bytes(1000))[:length]
    with pytest.raises(CodeRefused):
        parse_knock(raw)


def test_a_membership_code_s_signature_is_none_of_a_knock() -> None:
    """The domains differ: whoever has photographed a code has nothing that knocks."""
    raw = bytearray(make_knock(KEYS[1], MEMBER, HERE))
    raw[23:87] = membership_code.signed(KEYS[1], b"yizhan-code-v1\0" + bytes(raw[:23]) + b"demo-01")
    with pytest.raises(CodeRefused):
        verify(parse_knock(bytes(raw)), "demo-01", [phone_key(KEYS[1])], {}, NOW)
