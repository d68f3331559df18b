"""How a station gets its identity and keeps it: claim, renewal, and the keys of the hub that it trusts.

    claim      a code (claim.py) and a CSR             -> Enrolment: certificate, authority, hub's keys, profile
    renewal    a CSR, signed by the key of before      -> Renewed, signed by the hub
    trust      a signed document, one version after the other: the hub's signing keys

The station's private key never leaves it. Every request may be repeated: the same CSR gets the same certificate.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from station_agent.wire.model import HexKey, StationId, UtcTime, Wire
from station_agent.wire.profile import StationProfile

Pem = Annotated[str, StringConstraints(pattern=r"^-----BEGIN ", max_length=8000)]
Mac = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Serial = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{1,40}$")]

HUB_KEYS_MAX = 8

CLAIM_PATH = "/api/v1/enrolment/claims"
RENEWAL_PATH = "/api/v1/enrolment/renewals"
AUTHORITY_PATH = "/api/v1/enrolment/authority"


class ClaimRequest(Wire):
    v: Literal[1] = 1
    claim: str = Field(pattern=r"^[0-9A-HJKMNP-TV-Z]{5}$", description="the first group of the claim code")
    csr: Pem
    mac: Mac


class ClaimAnswer(Wire):
    """`body` is the JSON of an Enrolment, exactly as `mac` vouches for it."""

    v: Literal[1] = 1
    body: str
    mac: Mac


class BrokerAddress(Wire):
    host: str = Field(min_length=1, max_length=253)
    port: int = Field(ge=1, le=65535)


class Enrolment(Wire):
    """Everything a station needs to begin. `authority` signs the hub's own certificates, not the stations'."""

    v: Literal[1] = 1
    station: StationId
    issued_at: UtcTime
    certificate: Pem
    authority: Pem
    hub_url: str = Field(pattern=r"^https?://[^/]+$")
    broker: BrokerAddress
    hub_keys: tuple[HexKey, ...] = Field(min_length=1, max_length=HUB_KEYS_MAX)
    trust_version: int = Field(ge=1)
    profile: StationProfile


class RenewalRequest(Wire):
    """`proof`: base64 signature (ECDSA, SHA-256) over `renewal_text(csr)` by the key of certificate `serial`.

    `certificate` is that one, for a hub that has lost it: it was restored from a backup that is older.
    """

    v: Literal[1] = 1
    station: StationId
    serial: Serial
    certificate: Pem | None = None
    csr: Pem
    proof: str = Field(max_length=200)
    trust_version: int = Field(default=1, ge=1)


class Renewed(Wire):
    """What the hub signs (domain document) about a renewal."""

    v: Literal[1] = 1
    kind: Literal["certificate"] = "certificate"
    station: StationId
    issued_at: UtcTime
    certificate: Pem
    authority: Pem
    hub_url: str = Field(pattern=r"^https?://[^/]+$")
    broker: BrokerAddress


class RenewalAnswer(Wire):
    """`trust`: signed Trust documents, one after the other, from the version after the station's; then `renewed`."""

    v: Literal[1] = 1
    trust: tuple[str, ...] = Field(default=(), max_length=64)
    renewed: str


class Trust(Wire):
    """The hub's signing keys of one version. Signed by a key of the version before, and applied only in turn."""

    v: Literal[1] = 1
    kind: Literal["trust"] = "trust"
    version: int = Field(ge=2)
    issued_at: UtcTime
    hub_keys: tuple[HexKey, ...] = Field(min_length=1, max_length=HUB_KEYS_MAX)


def renewal_text(csr: str) -> bytes:
    """What the key of before signs."""
    return b"yizhan-renewal-v1\0" + csr.encode()
