"""The hub's own keys, in DATA/keys, mode 0600: made at the first start, never sent anywhere.

hub.pem      Ed25519, signs commands and documents; stations hold its public half
issuer.pem   Ed25519, certifies members' phone keys; its public half is in every roster
secret       32 random bytes, from which keys for tickets are derived
"""

from __future__ import annotations

import hmac
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from cloud_hub.settings import BadSettings

ISSUER_KID = 1


@dataclass(frozen=True, slots=True)
class Keys:
    hub: Ed25519PrivateKey
    issuer: Ed25519PrivateKey
    secret: bytes

    @classmethod
    def generated(cls) -> Keys:
        """New ones, kept nowhere."""
        return cls(Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate(), secrets.token_bytes(32))

    def derived(self, purpose: str) -> bytes:
        """32 bytes for one purpose, such as the HMAC of video tickets; one purpose's key tells nothing of another's."""
        return hmac.digest(self.secret, b"yizhan-" + purpose.encode(), "sha256")


def load_keys(data: Path) -> Keys:
    """Makes what is missing. Raises BadSettings for a file that is no key."""
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = data / "keys"
    folder.mkdir(mode=0o700, exist_ok=True)
    return Keys(_ed25519(folder / "hub.pem"), _ed25519(folder / "issuer.pem"), _secret(folder / "secret"))


def _ed25519(path: Path) -> Ed25519PrivateKey:
    if not path.exists():
        pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_secret(path, pem)
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except ValueError as error:
        raise BadSettings(f"{path} is not a PEM key: restore it from the backup") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise BadSettings(f"{path} is not an Ed25519 key: restore it from the backup")
    return key


def _secret(path: Path) -> bytes:
    if not path.exists():
        write_secret(path, secrets.token_bytes(32))
    content = path.read_bytes()
    if len(content) != 32:
        raise BadSettings(f"{path} must hold 32 bytes: restore it from the backup")
    return content


def write_secret(path: Path, content: bytes) -> None:
    """Whole or not at all, readable by the owner only, safe from a power cut."""
    part = path.with_name(path.name + ".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
