"""What a station needs to know of its hub: given at provisioning, kept beside the profile, secret."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

from station_agent.wire.model import HexKey, StationId, Wire


class BrokerLink(Wire):
    host: str = Field(min_length=1)
    port: int = Field(ge=1, le=65535)
    username: str
    password: SecretStr
    ca_file: Path | None = None  # None: no TLS, which is refused beyond loopback


class HubLink(Wire):
    v: Literal[1] = 1
    station: StationId
    hub_url: str = Field(pattern=r"^https?://[^/]+$")
    broker: BrokerLink
    hub_keys: tuple[HexKey, ...] = Field(min_length=1, description="Ed25519 keys that sign commands and documents")
