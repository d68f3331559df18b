"""The hub's own keys, in DATA/keys, mode 0600: made at the first start, never sent anywhere.

hub.pem      Ed25519, signs commands and documents; stations hold its public half
issuer*.pem  Ed25519, certify members' phone keys; their public halves are in every roster (codes/issuers.py)
secret       32 random bytes, from which keys for tickets are derived
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloud_hub.codes.issuers import Issuers
from cloud_hub.secret_files import new_ed25519, read_ed25519, write_secret
from cloud_hub.settings import BadSettings


@dataclass(frozen=True, slots=True)
class Keys:
    hub: Ed25519PrivateKey
    issuers: Issuers
    secret: bytes

    @classmethod
    def generated(cls) -> Keys:
        """New ones, kept nowhere."""
        return cls(Ed25519PrivateKey.generate(), Issuers(None), secrets.token_bytes(32))

    def derived(self, purpose: str) -> bytes:
        """32 bytes for one purpose, such as the HMAC of video tickets; one purpose's key tells nothing of another's."""
        return hmac.digest(self.secret, b"yizhan-" + purpose.encode(), "sha256")


def load_keys(data: Path) -> Keys:
    """Makes what is missing. Raises BadSettings for a file that is no key."""
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = data / "keys"
    folder.mkdir(mode=0o700, exist_ok=True)
    issuers = Issuers(folder)
    issuers.rows()  # makes the first one, and finds a damaged one now and not when a phone comes
    return Keys(_ed25519(folder / "hub.pem"), issuers, _secret(folder / "secret"))


def _ed25519(path: Path) -> Ed25519PrivateKey:
    if not path.exists():
        new_ed25519(path)
    return read_ed25519(path)


def _secret(path: Path) -> bytes:
    if not path.exists():
        write_secret(path, secrets.token_bytes(32))
    content = path.read_bytes()
    if len(content) != 32:
        raise BadSettings(f"{path} must hold 32 bytes: restore it from the backup")
    return content
