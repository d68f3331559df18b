"""Door codes and knocks: any text behind `#d=`, any bytes as what a phone answers."""

from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from station_agent.wire import door_code, membership_code
from station_agent.wire.documents import IssuerKey, PhoneKey
from station_agent.wire.door_code import DoorCode
from station_agent.wire.membership_code import CodeRefused

AT = datetime(2026, 12, 1, 8, 0, tzinfo=UTC)
MEMBER = "00112233445566aa"
HERE = DoorCode(b"challenge-12", "demo-01")
PHONES: tuple[membership_code.PrivateKey, ...] = (
    ec.derive_private_key(0xB0B, ec.SECP256R1()),
    Ed25519PrivateKey.from_private_bytes(b"p" * 32),
)
ISSUER = Ed25519PrivateKey.from_private_bytes(b"i" * 32)
KEYS = [
    PhoneKey(
        kid=membership_code.public_kid(membership_code.public_bytes(key)),
        algorithm=membership_code.algorithm_of(key),
        public=membership_code.public_bytes(key).hex(),
        not_after=AT + timedelta(days=9),
    )
    for key in PHONES
]
ISSUERS = {
    1: IssuerKey(
        kid=1,
        algorithm=membership_code.algorithm_of(ISSUER),
        public=membership_code.public_bytes(ISSUER).hex(),
        not_after=AT + timedelta(days=99),
    )
}


def _good() -> list[bytes]:
    knocks = []
    for key in PHONES:
        day = (AT - datetime(1970, 1, 1, tzinfo=UTC)).days + 3
        certificate = membership_code.certify(ISSUER, 1, MEMBER, membership_code.public_bytes(key), day)
        knocks += [door_code.make_knock(key, MEMBER, HERE), door_code.make_knock(key, MEMBER, HERE, certificate)]
    return knocks


GOOD = _good()
# ECDSA has a second signature for the same text, which is the same knock: heads are what counts.
HEADS = {raw[:23] for raw in GOOD}
SEEDS = [*GOOD, HERE.text().encode(), DoorCode(b"\xff" * 12, "a" * 32).text().encode(), b"AQ", b"\1", b"\1\2"]


def target(data: bytes) -> None:
    _read(data.decode("utf-8", "surrogateescape"))
    _judge(data)


def _read(text: str) -> None:
    try:
        code = door_code.parse_door_code(text)
    except CodeRefused:
        return
    assert code.text() == text, "one spelling"
    assert 1 <= len(code.station) <= 32
    assert len(code.challenge) == door_code.CHALLENGE_BYTES


def _judge(raw: bytes) -> None:
    try:
        knock = door_code.parse_knock(raw)
    except CodeRefused:
        return
    written = knock.head + knock.signature
    if knock.certificate is not None:
        written += membership_code.certificate_bytes(knock.certificate)
    assert written == raw, "nothing is lost"
    for station in ("demo-01", "demo-02"):
        try:
            signer = door_code.verify(knock, station, KEYS if knock.member == MEMBER else (), ISSUERS, AT)
        except CodeRefused:
            continue
        assert station == "demo-01", "it was signed for another door"
        assert knock.head in HEADS, "nobody signed this"
        assert signer in {membership_code.public_bytes(key) for key in PHONES}
