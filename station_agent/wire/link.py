"""What a station needs to know of its hub: given by a claim (enrolment.py), in the demo by the hub's file. Secret.

Paths may be relative; they are then meant from the folder of the link file.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator

from station_agent.wire.model import HexKey, StationId, Wire


class BrokerLink(Wire):
    host: str = Field(min_length=1)
    port: int = Field(ge=1, le=65535)
    username: str = ""  # in the demo; else the certificate says who it is
    password: SecretStr = SecretStr("")
    ca_file: Path | None = None  # None: no TLS, which is refused beyond loopback
    certificate_file: Path | None = None  # the station's key and certificate, PEM


class HubLink(Wire):
    v: Literal[1] = 1
    station: StationId
    hub_url: str = Field(pattern=r"^https?://[^/]+$")
    broker: BrokerLink
    hub_keys: tuple[HexKey, ...] = Field(min_length=1, description="Ed25519 keys that sign commands and documents")
    trust_version: int = Field(default=1, ge=1, description="of `hub_keys`: wire/enrolment.py, Trust")
    ca_file: Path | None = Field(default=None, description="an authority that `hub_url` may have its certificate of")
    demo: bool = Field(default=False, description="made by a demo, so for this machine only")

    @model_validator(mode="after")
    def _demo_stays_here(self) -> Self:
        hosts = (self.broker.host, urlsplit(self.hub_url).hostname or "")
        if self.demo and not all(_is_loopback(host) for host in hosts):
            raise ValueError("a demo's link file is for the demo's own machine: claim the station at its real hub")
        return self


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
