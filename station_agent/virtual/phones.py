"""Virtual phones: keys of demo members that sign membership codes as a real phone's page does."""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import Field, TypeAdapter

from station_agent.wire.membership_code import Certificate, PrivateKey, make_code
from station_agent.wire.model import MemberId, Wire


class PhoneRow(Wire):
    """One phone, as the demo hub writes it. `certificate_hex` are the 100 bytes that a long code appends."""

    member: MemberId
    name: str
    occupation: str
    private_pem: str = Field(repr=False)
    certificate_hex: str | None = Field(default=None, pattern=r"^[0-9a-f]{200}$")


_ROWS = TypeAdapter(list[PhoneRow])


class Phones:
    """Read once; a key is opened when it is first used."""

    def __init__(self, rows: list[PhoneRow]) -> None:
        self.rows = {row.member: row for row in rows}
        self._keys: dict[str, PrivateKey] = {}

    @classmethod
    def read(cls, path: Path | None) -> Phones:
        """Raises OSError, ValueError."""
        if path is None:
            return cls([])
        return cls(_ROWS.validate_python(json.loads(path.read_bytes())))

    def code(self, member: str, now: datetime) -> str:
        """A code of this moment. Raises KeyError for a member without a phone here."""
        row = self.rows[member]
        key = self._keys.get(member)
        if key is None:
            loaded = load_pem_private_key(row.private_pem.encode(), None)
            if not isinstance(loaded, EllipticCurvePrivateKey | Ed25519PrivateKey):
                raise ValueError(f"the phone of {member} has a key of an unknown kind")
            key = self._keys[member] = loaded
        certificate = _certificate(bytes.fromhex(row.certificate_hex)) if row.certificate_hex else None
        return make_code(key, member, now, os.urandom(2), certificate)


def _certificate(raw: bytes) -> Certificate:
    """Fields as in membership_code's certificate: pub 33, not_after 2, issuer kid 1, signature 64."""
    return Certificate(raw[:33], int.from_bytes(raw[33:35]), raw[35], raw[36:])
