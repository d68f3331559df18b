"""The hub's own keys, in DATA/keys, mode 0600: made at the first start, never sent anywhere.

hub*.pem     Ed25519, sign commands and documents; stations hold their public halves (signing_keys.py)
*-ca.pem     the authorities of stations' and of the hub's own certificates (enrolment/authority.py)
issuer*.pem  Ed25519, certify members' phone keys; their public halves are in every roster (codes/issuers.py)
secret       32 random bytes, from which keys for tickets are derived
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cloud_hub.codes.issuers import Issuers
from cloud_hub.enrolment.authority import Authorities, load_authorities
from cloud_hub.secret_files import write_secret
from cloud_hub.settings import BadSettings
from cloud_hub.signing_keys import SigningKeys
from station_agent.wire.signed import SuccessiveKey


@dataclass(frozen=True, slots=True)
class Keys:
    signing: SigningKeys
    issuers: Issuers
    authorities: Authorities
    secret: bytes

    @classmethod
    def generated(cls) -> Keys:
        """New ones, kept nowhere."""
        return cls(SigningKeys(None), Issuers(None), Authorities.generated(datetime.now(UTC)), secrets.token_bytes(32))

    @property
    def hub(self) -> Ed25519PrivateKey:
        """The key that signs commands and documents, whichever it is when it does."""
        return SuccessiveKey(lambda: self.signing.current(datetime.now(UTC)))

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
    signing = SigningKeys(folder)
    signing.trusted()  # as well
    return Keys(signing, issuers, load_authorities(folder, datetime.now(UTC)), _secret(folder / "secret"))


def _secret(path: Path) -> bytes:
    if not path.exists():
        write_secret(path, secrets.token_bytes(32))
    content = path.read_bytes()
    if len(content) != 32:
        raise BadSettings(f"{path} must hold 32 bytes: restore it from the backup")
    return content
