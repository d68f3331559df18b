"""Membership codes: any bytes as the text of a QR, and as the bytes behind the prefix."""

from datetime import UTC, datetime, timedelta

import base45
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from station_agent.wire import membership_code as codes
from station_agent.wire.documents import IssuerKey, PhoneKey

AT = datetime(2026, 12, 1, 8, 0, tzinfo=UTC)
MEMBER = "00112233445566aa"
PHONES: tuple[codes.PrivateKey, ...] = (
    ec.derive_private_key(0xB0B, ec.SECP256R1()),
    Ed25519PrivateKey.from_private_bytes(b"p" * 32),
)
ISSUER = Ed25519PrivateKey.from_private_bytes(b"i" * 32)
KEYS = [
    PhoneKey(
        kid=codes.public_kid(codes.public_bytes(key)),
        algorithm=codes.algorithm_of(key),
        public=codes.public_bytes(key).hex(),
        not_after=AT + timedelta(days=9),
    )
    for key in PHONES
]
ISSUERS = {
    1: IssuerKey(
        kid=1,
        algorithm=codes.algorithm_of(ISSUER),
        public=codes.public_bytes(ISSUER).hex(),
        not_after=AT + timedelta(days=99),
    )
}


def _good() -> list[str]:
    texts = []
    for key in PHONES:
        day = (AT - datetime(1970, 1, 1, tzinfo=UTC)).days + 3
        certificate = codes.certify(ISSUER, 1, MEMBER, codes.public_bytes(key), day)
        texts += [codes.make_code(key, MEMBER, AT, b"\1\2"), codes.make_code(key, MEMBER, AT, b"\1\2", certificate)]
    return texts


GOOD = _good()
# ECDSA has a second signature for the same text, which is the same code: heads are what counts.
HEADS = {codes.parse(text).head for text in GOOD}
SEEDS = [
    *(text.encode() for text in GOOD),
    *(base45.b45decode(text[3:]) for text in GOOD),
    b"U1:",
    b"U1:%69 VD92EX0",
    b"https://example.org/?c=U1:",
]


def target(data: bytes) -> None:
    _judge(data.decode("utf-8", "surrogateescape"))
    _judge(codes.PREFIX + base45.b45encode(data).decode())


def _judge(text: str) -> None:
    try:
        code = codes.parse(text)
    except codes.CodeRefused:
        return
    raw = code.head + code.signature
    if code.certificate is not None:
        raw += codes.certificate_bytes(code.certificate)
    assert codes.PREFIX + base45.b45encode(raw).decode() == text, "one spelling"
    try:
        signer = codes.verify(code, KEYS if code.member == MEMBER else (), ISSUERS, AT)
    except codes.CodeRefused:
        return
    assert code.head in HEADS, "nobody signed this"
    assert signer in {codes.public_bytes(key) for key in PHONES}
