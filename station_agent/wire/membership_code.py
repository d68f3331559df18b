"""The membership code (会员码): the QR that a member's phone makes and a station verifies with both offline.

    text = "U1:" + base45(bytes)                                  base45: RFC 9285

    head 17 B                                            sig 64 B
    ver | alg | kid | member 8 | time 4 | nonce 2     || signature of the phone's key                      81 B
    certificate, appended where a station may not hold the phone's key yet
    pub 33 | not_after 2 | issuer kid 1               || signature of the issuer's key                   +100 B

Numbers are big-endian. `time` is Unix seconds; `not_after` is days since 1970-01-01, valid to the end of that
day; `kid` is the first byte of the SHA-256 of the phone's public key. Public keys are 33 bytes: a compressed P-256
point, or 0x00 and 32 bytes Ed25519. ES256 signatures are r || s. Signed texts are domain-separated:
    phone:  "yizhan-code-v1" 0 head                issuer: "yizhan-cert-v1" 0 member pub not_after kid

docs/membership-code.md is the same for another implementation, with test vectors.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum

import base45
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from station_agent.wire.documents import Algorithm, IssuerKey, PhoneKey
from station_agent.wire.kinds import Reason

PREFIX = "U1:"
VERSION = 1
PERIOD_S = 15
WINDOW = timedelta(seconds=30)
_HEAD = 17
_SHORT = _HEAD + 64
_LONG = _SHORT + 33 + 2 + 1 + 64
TEXT_LENGTH_MAX = len(PREFIX) + (_LONG * 3 + 1) // 2
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CODE_TEXT = b"yizhan-code-v1\0"


class Alg(IntEnum):
    """The `alg` byte."""

    ES256 = 1
    ED25519 = 2
    SM2 = 3  # reserved


class CodeRefused(Exception):
    """The text is no valid code. `reason` is what the door answers, the message is for the log."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


PrivateKey = ec.EllipticCurvePrivateKey | Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class Certificate:
    """The issuer's word that `public` belongs to the member whose code carries it."""

    public: bytes  # 33
    not_after_day: int
    issuer_kid: int
    signature: bytes  # 64

    @property
    def not_after(self) -> datetime:
        return _EPOCH + timedelta(days=self.not_after_day + 1)


@dataclass(frozen=True, slots=True)
class Proof:
    """What the key of a member's phone has signed: `text`, with its domain. Nothing in it is to be believed before
    `signer_of`.
    """

    alg: Alg
    kid: int
    member: str  # 16 hex digits
    text: bytes
    signature: bytes  # 64
    certificate: Certificate | None


@dataclass(frozen=True, slots=True)
class MembershipCode:
    """A code whose shape is right. Nothing in it is to be believed before `verify`."""

    alg: Alg
    kid: int
    member: str  # 16 hex digits
    made_at: datetime
    nonce: bytes  # 2
    signature: bytes  # 64
    certificate: Certificate | None
    head: bytes


def parse(text: str) -> MembershipCode:
    """Strict: one spelling per code, nothing before or after it. Raises CodeRefused."""
    if not text.startswith(PREFIX) or len(text) > TEXT_LENGTH_MAX:
        raise CodeRefused(Reason.NOT_A_CODE, f"no {PREFIX} code of at most {TEXT_LENGTH_MAX} characters")
    try:
        raw: bytes = base45.b45decode(text[len(PREFIX) :])
    except ValueError as error:
        raise CodeRefused(Reason.NOT_A_CODE, "not base45") from error
    if PREFIX + base45.b45encode(raw).decode() != text:
        raise CodeRefused(Reason.NOT_A_CODE, "not the one base45 spelling of its bytes")
    if not raw or raw[0] != VERSION:
        raise CodeRefused(Reason.CODE_VERSION, f"code version {raw[0] if raw else 'none'}, expected {VERSION}")
    if len(raw) not in (_SHORT, _LONG):
        raise CodeRefused(Reason.NOT_A_CODE, f"{len(raw)} bytes, expected {_SHORT} or {_LONG}")
    return MembershipCode(
        alg=alg_of(raw[1]),
        kid=raw[2],
        member=raw[3:11].hex(),
        made_at=_EPOCH + timedelta(seconds=int.from_bytes(raw[11:15])),
        nonce=raw[15:17],
        signature=raw[_HEAD:_SHORT],
        certificate=certificate_of(raw[_SHORT:]),
        head=raw[:_HEAD],
    )


def alg_of(byte: int) -> Alg:
    """Raises CodeRefused for what no station can verify."""
    if byte not in (Alg.ES256, Alg.ED25519):
        name = "SM2 (reserved)" if byte == Alg.SM2 else f"algorithm {byte}"
        raise CodeRefused(Reason.CODE_ALGORITHM, f"{name} is not supported by this station")
    return Alg(byte)


def certificate_of(tail: bytes) -> Certificate | None:
    """The 100 bytes that a phone appends; None for no bytes."""
    if not tail:
        return None
    return Certificate(
        public=tail[:33], not_after_day=int.from_bytes(tail[33:35]), issuer_kid=tail[35], signature=tail[36:]
    )


def verify(code: MembershipCode, keys: Sequence[PhoneKey], issuers: Mapping[int, IssuerKey], now: datetime) -> bytes:
    """Check that a phone of the member made this code just now; the 33 bytes of its key. Raises CodeRefused, as
    `signer_of` does.

    Whether the key is revoked (`public_sha256`) and whether the code is replayed are the caller's to check.
    """
    if code.made_at > now + WINDOW:
        raise CodeRefused(Reason.CODE_FROM_FUTURE, f"made at {code.made_at:%H:%M:%S}, now {now:%H:%M:%S} UTC")
    if code.made_at < now - WINDOW:
        raise CodeRefused(Reason.CODE_EXPIRED, f"made at {code.made_at:%H:%M:%S}, now {now:%H:%M:%S} UTC")
    text = _CODE_TEXT + code.head
    return signer_of(Proof(code.alg, code.kid, code.member, text, code.signature, code.certificate), keys, issuers, now)


def signer_of(proof: Proof, keys: Sequence[PhoneKey], issuers: Mapping[int, IssuerKey], now: datetime) -> bytes:
    """Check that a phone of the member has signed; the 33 bytes of its key. Raises CodeRefused.

    `keys` are the phone keys that the roster holds for `proof.member`; where none fits, the certificate must bind one
    to the member. `issuers` holds ended issuer keys too.

    A certificate must be the issuer's own even where the roster knows the phone's key, so that no changed byte of a
    code passes. Its end, and the issuer's, matter only where nothing but the certificate vouches for the key.
    """
    fitting = [k for k in keys if k.kid == proof.kid and _ALG[k.algorithm] is proof.alg and now < k.not_after]
    candidates = [_padded(bytes.fromhex(k.public)) for k in fitting]
    certificate = proof.certificate
    if certificate is not None:
        issuer = _issuer_of(proof, certificate, issuers)
        if not candidates:
            _check_dates(certificate, issuer, now)
        if not candidates or certificate.public in candidates:
            candidates = [certificate.public]
        else:
            raise CodeRefused(Reason.CERTIFICATE_WRONG, "the certificate is for another key")
    if not candidates:
        raise CodeRefused(Reason.KEY_UNKNOWN, f"no key {proof.kid:02x} of member {proof.member} in the roster")
    signer = next((key for key in candidates if _verifies(proof.alg, key, proof.text, proof.signature)), None)
    if signer is None:
        raise CodeRefused(Reason.SIGNATURE_WRONG, "the phone's signature does not fit the code")
    return signer


def _issuer_of(proof: Proof, certificate: Certificate, issuers: Mapping[int, IssuerKey]) -> IssuerKey:
    """Whose word the certificate is."""
    issuer = issuers.get(certificate.issuer_kid)
    if issuer is None:
        raise CodeRefused(Reason.CERTIFICATE_WRONG, f"issuer key {certificate.issuer_kid} is not known here")
    if public_kid(certificate.public) != proof.kid:
        raise CodeRefused(Reason.CERTIFICATE_WRONG, "the certificate is for another key")
    text = _certificate_text(
        bytes.fromhex(proof.member), certificate.public, certificate.not_after_day, certificate.issuer_kid
    )
    issuer_public = _padded(bytes.fromhex(issuer.public))
    if not _verifies(_ALG[issuer.algorithm], issuer_public, text, certificate.signature):
        raise CodeRefused(Reason.CERTIFICATE_WRONG, "the issuer's signature does not fit the certificate")
    return issuer


def _check_dates(certificate: Certificate, issuer: IssuerKey, now: datetime) -> None:
    if now >= certificate.not_after:
        raise CodeRefused(Reason.CERTIFICATE_EXPIRED, f"certificate ended {certificate.not_after:%Y-%m-%d}")
    if now >= issuer.not_after:
        raise CodeRefused(Reason.CERTIFICATE_WRONG, f"issuer key {issuer.kid} ended {issuer.not_after:%Y-%m-%d}")


# --- making codes: the hub issues certificates; virtual phones and test vectors sign ---


def make_code(key: PrivateKey, member: str, at: datetime, nonce: bytes, certificate: Certificate | None = None) -> str:
    """The text of a code, as a phone with `key` shows it. `nonce` is 2 random bytes."""
    if len(nonce) != 2:
        raise ValueError("the nonce is 2 bytes")
    public = public_bytes(key)
    stamp = int(at.timestamp()).to_bytes(4)
    head = bytes([VERSION, alg_byte(key), public_kid(public)]) + bytes.fromhex(member) + stamp + nonce
    raw = head + signed(key, _CODE_TEXT + head)
    if certificate is not None:
        raw += certificate_bytes(certificate)
    return PREFIX + str(base45.b45encode(raw).decode())


def certify(issuer: PrivateKey, issuer_kid: int, member: str, public: bytes, not_after_day: int) -> Certificate:
    """The issuer's certificate of a phone's `public` key (33 bytes, see the module) for `member`."""
    text = _certificate_text(bytes.fromhex(member), public, not_after_day, issuer_kid)
    return Certificate(public, not_after_day, issuer_kid, signed(issuer, text))


def certificate_bytes(certificate: Certificate) -> bytes:
    """The 100 bytes that a phone appends to what it signed."""
    day = certificate.not_after_day.to_bytes(2)
    return certificate.public + day + bytes([certificate.issuer_kid]) + certificate.signature


def public_bytes(key: PrivateKey) -> bytes:
    """33 bytes, as they stand in a certificate."""
    if isinstance(key, Ed25519PrivateKey):
        return _padded(key.public_key().public_bytes_raw())
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)


def public_kid(public: bytes) -> int:
    return hashlib.sha256(_padded(public)).digest()[0]


def public_sha256(public: bytes) -> str:
    """How a roster names a revoked key."""
    return hashlib.sha256(_padded(public)).hexdigest()


def algorithm_of(key: PrivateKey) -> Algorithm:
    return Algorithm.ED25519 if isinstance(key, Ed25519PrivateKey) else Algorithm.ES256


def alg_byte(key: PrivateKey) -> Alg:
    return _ALG[algorithm_of(key)]


_ALG = {Algorithm.ES256: Alg.ES256, Algorithm.ED25519: Alg.ED25519}


def _padded(public: bytes) -> bytes:
    return public.rjust(33, b"\0")


def _certificate_text(member: bytes, public: bytes, not_after_day: int, issuer_kid: int) -> bytes:
    return b"yizhan-cert-v1\0" + member + public + not_after_day.to_bytes(2) + bytes([issuer_kid])


def signed(key: PrivateKey, text: bytes) -> bytes:
    """64 bytes: ES256 as r || s, Ed25519 as RFC 8032 says."""
    if isinstance(key, Ed25519PrivateKey):
        return key.sign(text)
    r, s = decode_dss_signature(key.sign(text, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32) + s.to_bytes(32)


def _verifies(alg: Alg, public: bytes, text: bytes, signature: bytes) -> bool:
    try:
        if alg is Alg.ED25519:
            if public[0] != 0:
                return False
            Ed25519PublicKey.from_public_bytes(public[1:]).verify(signature, text)
        else:
            point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public)
            der = encode_dss_signature(int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))
            point.verify(der, text, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True
