"""Claims and certificates as the interface shows them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from cloud_hub.model import Api

Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=2, max_length=200)]


class NewClaim(Api):
    """`revoke`: end the identity that the station has now, because its box is broken, stolen or suspected."""

    reason: Reason
    valid_hours: Annotated[int, Field(ge=1, le=24 * 30)] = 72
    revoke: bool = False


class NewStationFile(Api):
    """A station's profile as a file: `name` ends in .toml or .json."""

    name: Annotated[str, StringConstraints(pattern=r"\.(toml|json)$", max_length=200)]
    text: Annotated[str, StringConstraints(max_length=200_000)]


class Claim(Api):
    """A claim to be used once. `text` is what the QR code holds, `qr_svg` the code as a picture. Secret."""

    station: str
    code: str
    text: str
    qr_svg: str
    hub_url: str
    fingerprint: Annotated[str, Field(description="SHA-256 of the hub's authority, in hex")]
    expires_at: datetime


class ClaimState(StrEnum):
    WAITING = "waiting"
    USED = "used"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


class ClaimRow(Api):
    """A claim without its code. `id` is the code's first group."""

    id: str
    state: ClaimState
    created_at: datetime
    created_by: str
    reason: str
    expires_at: datetime
    used_at: datetime | None


class CertificateState(StrEnum):
    VALID = "valid"
    EXPIRED = "expired"
    REVOKED = "revoked"


class CertificateRow(Api):
    serial: str
    state: CertificateState
    issued_at: datetime
    not_after: datetime
    issued_by: Annotated[str, Field(description="claim:<id> or renewal:<serial of before>")]
    revoked_at: datetime | None
    revoked_by: str | None
    reason: str


class Identity(Api):
    """A station's certificates and claims, newest first."""

    station: str
    certificates: list[CertificateRow]
    claims: list[ClaimRow]


class Revocation(Api):
    reason: Reason


class Revoked(Api):
    """How many certificates and waiting claims ended."""

    station: str
    certificates: int
    claims: int


class AuthorityText(Api):
    """The authority of the hub's servers, PEM. Believe it only when its fingerprint is the one that you were given."""

    authority: str
