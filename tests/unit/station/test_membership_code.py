"""The code's parser: one spelling, and nothing of what a phone put in is lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import base45
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from station_agent.wire import membership_code as codes
from station_agent.wire.kinds import Reason

KEYS: tuple[codes.PrivateKey, ...] = (
    ec.derive_private_key(0xB0B, ec.SECP256R1()),
    Ed25519PrivateKey.from_private_bytes(b"p" * 32),
)
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"


@given(
    key=st.sampled_from(KEYS),
    member=st.binary(min_size=8, max_size=8),
    seconds=st.integers(0, 2**32 - 1),
    nonce=st.binary(min_size=2, max_size=2),
    days=st.none() | st.integers(0, 2**16 - 1),
    issuer_kid=st.integers(0, 255),
)
def test_what_a_phone_makes_is_read_back_whole(
    key: codes.PrivateKey, member: bytes, seconds: int, nonce: bytes, days: int | None, issuer_kid: int
) -> None:
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    certificate = None
    if days is not None:
        certificate = codes.certify(KEYS[1], issuer_kid, member.hex(), codes.public_bytes(key), days)
    code = codes.parse(codes.make_code(key, member.hex(), at, nonce, certificate))
    assert (code.member, code.made_at, code.nonce, code.certificate) == (member.hex(), at, nonce, certificate)
    assert code.kid == codes.public_kid(codes.public_bytes(key))


@given(st.text(ALPHABET, max_size=290) | st.binary(max_size=200).map(lambda raw: base45.b45encode(raw).decode()))
def test_a_text_that_is_read_is_the_one_spelling_of_its_bytes(rest: str) -> None:
    try:
        code = codes.parse(codes.PREFIX + rest)
    except codes.CodeRefused:
        return
    raw = code.head + code.signature
    if code.certificate is not None:
        raw += codes.certificate_bytes(code.certificate)
    assert base45.b45encode(raw).decode() == rest


@pytest.mark.parametrize("algorithm", [0, 3, 4, 255])
def test_an_algorithm_that_is_not_supported_is_named(algorithm: int) -> None:
    raw = bytearray(base45.b45decode(codes.make_code(KEYS[0], "00" * 8, datetime.now(UTC), b"12")[3:]))
    raw[1] = algorithm
    with pytest.raises(codes.CodeRefused, match="SM2" if algorithm == 3 else str(algorithm)) as refused:
        codes.parse(codes.PREFIX + base45.b45encode(bytes(raw)).decode())
    assert refused.value.reason is Reason.CODE_ALGORITHM
