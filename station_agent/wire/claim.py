"""The claim code, by which a new station and its hub prove themselves to each other, once. PURE.

    K7Q2M-8ZC4T-0VWXY-3HJ6N        20 characters of Crockford's base 32, whatever their case; O is 0, I and L are 1
    id    secret (70 bits)   check

The code never travels. Both sides know the key that is made from it, and each proves it about the certificate request
(CSR) of this claim: who listens, or answers in the hub's place, learns nothing that opens anything.

    station -> hub    id, CSR, HMAC(key, "request" 0 SHA-256(CSR))
    hub -> station    body,    HMAC(key, "answer"  0 SHA-256(CSR) || body)

The last character is a check over GF(32) with different weights: one wrong character, or two that changed places, are
always found before anything is asked of the hub. A QR code carries the same as an address whose fragment no browser
sends:  https://hub.example/claim#code=K7Q2M-8ZC4T-0VWXY-3HJ6N&ca=<SHA-256 of the hub's authority>
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
ID_LENGTH = 5
SECRET_LENGTH = 14
SECRET_BITS = 5 * SECRET_LENGTH
_GROUP = 5
_LOOKALIKES = str.maketrans({"O": "0", "I": "1", "L": "1", "-": None, " ": None})
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")


class BadCode(ValueError):
    """No claim code; the message says what is wrong with it, and never repeats it."""


@dataclass(frozen=True, slots=True)
class ClaimCode:
    """`id` names the claim and is no secret; `key` is what both sides prove."""

    id: str
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ClaimTicket:
    """What a technician was given. `fingerprint`: SHA-256 of the hub's authority, 64 hex digits, if it was told."""

    hub_url: str
    code: str = field(repr=False)
    fingerprint: str | None = None


def make_code(id: str, secret: bytes) -> str:
    """As it is shown. `id` has ID_LENGTH characters of ALPHABET; of `secret` the first SECRET_BITS are taken."""
    number = int.from_bytes(secret, "big") >> (len(secret) * 8 - SECRET_BITS)
    values = [ALPHABET.index(character) for character in id]
    values += [number >> (5 * place) & 31 for place in reversed(range(SECRET_LENGTH))]
    text = "".join(ALPHABET[value] for value in (*values, _check(values)))
    return "-".join(text[start : start + _GROUP] for start in range(0, len(text), _GROUP))


def read_code(text: str) -> ClaimCode:
    """Raises BadCode."""
    characters = text.strip().upper().translate(_LOOKALIKES)
    length = ID_LENGTH + SECRET_LENGTH + 1
    if len(characters) != length:
        raise BadCode(f"a claim code has {length} characters, this has {len(characters)}")
    if strange := sorted(set(characters) - set(ALPHABET)):
        raise BadCode(f"a claim code holds no {' '.join(strange)}")
    values = [ALPHABET.index(character) for character in characters]
    if _check(values[:-1]) != values[-1]:
        raise BadCode("a character of the claim code is wrong, or two changed places: compare it with the original")
    return ClaimCode(characters[:ID_LENGTH], hashlib.sha256(b"yizhan-claim-v1\0" + characters[:-1].encode()).digest())


def request_mac(code: ClaimCode, csr: str) -> str:
    """By which the station proves the code: 64 hex digits."""
    return hmac.digest(code.key, b"request\0" + hashlib.sha256(csr.encode()).digest(), "sha256").hex()


def answer_mac(code: ClaimCode, csr: str, body: str) -> str:
    """By which the hub proves the code: 64 hex digits."""
    return hmac.digest(code.key, b"answer\0" + hashlib.sha256(csr.encode()).digest() + body.encode(), "sha256").hex()


def same(mac: str, other: str) -> bool:
    """In a time that tells nothing."""
    return hmac.compare_digest(mac.encode(), other.encode())


def ticket_text(ticket: ClaimTicket) -> str:
    """What the QR code holds."""
    pin = f"&ca={ticket.fingerprint}" if ticket.fingerprint else ""
    return f"{ticket.hub_url}/claim#code={ticket.code}{pin}"


def read_ticket(text: str) -> ClaimTicket:
    """What a QR code said. Raises BadCode."""
    parts = urlsplit(text.strip())
    fields = parse_qs(parts.fragment)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.path != "/claim" or "code" not in fields:
        raise BadCode("this is no claim of a station: it looks like https://hub.example/claim#code=...")
    fingerprint = fields.get("ca", [None])[0]
    if fingerprint is not None and not _FINGERPRINT.fullmatch(fingerprint):
        raise BadCode("the claim's fingerprint (ca) must be 64 hex digits")
    read_code(fields["code"][0])
    return ClaimTicket(f"{parts.scheme}://{parts.netloc}", fields["code"][0], fingerprint)


def _check(values: list[int]) -> int:
    """The sum of the values, each times another power of x, in GF(2)[x] / (x^5 + x^2 + 1)."""
    total, weight = 0, 2
    for value in values:
        total ^= _times(value, weight)
        weight = _times(weight, 2)
    return total


def _times(a: int, b: int) -> int:
    product = 0
    while b:
        product ^= a if b & 1 else 0
        a = (a << 1) ^ (0b100101 if a & 16 else 0)
        b >>= 1
    return product
