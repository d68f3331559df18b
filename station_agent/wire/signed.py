"""Signed text: how the hub proves that a command or a document is its own, whatever carried it.

    {"kid": "<key id>", "body": "<JSON, exactly as signed>", "sig": "<base64 Ed25519 over domain || 0 || body>"}

The domain separates kinds of text, so that a document's signature can never pass for a command's. A broker that
is stolen, or lies, can lose or repeat such a text but not make one.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import hashlib
import zlib
from collections.abc import Callable, Mapping
from typing import Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import Field, ValidationError

from station_agent.wire.model import Wire

Domain = Literal["command", "document", "knock"]


class Forged(Exception):
    """The text is not what one of the hub's keys signed; the message says in what way."""


class Signed(Wire):
    kid: str = Field(max_length=32)
    body: str
    sig: str = Field(max_length=128)


class SuccessiveKey(Ed25519PrivateKey):
    """A signing key that others follow in time: `held` is the one that signs now. `sign` (below) asks once a text."""

    def __init__(self, held: Callable[[], Ed25519PrivateKey]) -> None:
        self.held = held

    def public_key(self) -> Ed25519PublicKey:
        return self.held().public_key()

    def sign(self, data: bytes | bytearray | memoryview) -> bytes:
        return self.held().sign(data)

    def private_bytes(
        self,
        encoding: serialization.Encoding,
        format: serialization.PrivateFormat,
        encryption_algorithm: serialization.KeySerializationEncryption,
    ) -> bytes:
        return self.held().private_bytes(encoding, format, encryption_algorithm)

    def private_bytes_raw(self) -> bytes:
        return self.held().private_bytes_raw()

    def __copy__(self) -> SuccessiveKey:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> SuccessiveKey:
        return self


PACKED_ABOVE = 256 * 1024
UNPACKED_MAX = 64 * 1024 * 1024
"""A roster of 50,000 members is 14 MB, and 3 MB packed; what unpacks to far more is no document of ours."""

_GZIP = b"\x1f\x8b"


def packed(payload: bytes) -> bytes:
    """As it travels: a large one is compressed, so that it fits one message of the broker."""
    return payload if len(payload) <= PACKED_ABOVE else gzip.compress(payload, 6, mtime=0)


def unpacked(payload: bytes) -> bytes:
    """As it was signed. Raises Forged."""
    if not payload.startswith(_GZIP):
        return payload
    try:
        opener = zlib.decompressobj(wbits=31)
        whole = opener.decompress(payload, UNPACKED_MAX)
    except zlib.error as error:
        raise Forged("not a packed message") from error
    if not opener.eof or opener.unused_data:
        raise Forged(f"a packed message that is cut short, or of more than {UNPACKED_MAX} bytes")
    return whole


def key_id(public: Ed25519PublicKey) -> str:
    """First eight bytes of the key's SHA-256, in hex."""
    return hashlib.sha256(public.public_bytes_raw()).hexdigest()[:16]


def sign(domain: Domain, body: str, key: Ed25519PrivateKey) -> bytes:
    """UTF-8 JSON of a Signed."""
    key = key.held() if isinstance(key, SuccessiveKey) else key
    signature = key.sign(_message(domain, body))
    sealed = Signed(kid=key_id(key.public_key()), body=body, sig=base64.b64encode(signature).decode())
    return sealed.model_dump_json().encode()


def open_signed(domain: Domain, payload: bytes, keys: Mapping[str, Ed25519PublicKey]) -> str:
    """The body, if one of `keys` (by key id) signed it for this domain. Raises Forged."""
    try:
        sealed = Signed.model_validate_json(payload)
        signature = base64.b64decode(sealed.sig, validate=True)
    except (ValidationError, binascii.Error) as error:
        raise Forged("not a signed message") from error
    key = keys.get(sealed.kid)
    if key is None:
        raise Forged(f"signed by the unknown key {sealed.kid!r}")
    try:
        key.verify(signature, _message(domain, sealed.body))
    except InvalidSignature as error:
        raise Forged("the signature does not fit the text") from error
    return sealed.body


def _message(domain: Domain, body: str) -> bytes:
    return b"yizhan-" + domain.encode() + b"-v1\0" + body.encode()
