"""Where the hub takes pictures and video. Anything but TLS is refused beyond this machine."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit


@dataclass(frozen=True)
class HubAddress:
    """`base` such as https://hub.example:8443, without a path."""

    base: str

    @classmethod
    def of(cls, hub_url: str) -> HubAddress:
        """Raises ValueError for an address that would send pictures in the clear."""
        parts = urlsplit(hub_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/"):
            raise ValueError(f"the hub's address {hub_url!r} must look like https://hub.example")
        address = cls(hub_url.rstrip("/"))
        if parts.scheme == "http" and not address.on_this_machine:
            raise ValueError(f"the hub's address {hub_url!r} must begin with https:// as it is not on this machine")
        return address

    @property
    def on_this_machine(self) -> bool:
        """Then no proxy of the environment may stand between."""
        host = urlsplit(self.base).hostname or ""
        try:
            return host == "localhost" or ipaddress.ip_address(host).is_loopback
        except ValueError:
            return False

    def context(self, ca_file: Path | None) -> ssl.SSLContext | None:
        """For TLS: what the machine believes, and the hub's own authority. None where there is no TLS."""
        if not self.base.startswith("https://"):
            return None
        context = ssl.create_default_context()
        if ca_file is not None:
            context.load_verify_locations(cafile=ca_file)
        return context

    @property
    def websocket(self) -> str:
        return "ws" + self.base.removeprefix("http")
