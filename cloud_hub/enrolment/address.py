"""What others on this machine need to know of a hub: where it was last served (DATA/address), for command lines, and
its authority (DATA/hub-ca.pem), for a proxy in front that has to believe --tls-own.
"""

from __future__ import annotations

from pathlib import Path

from cloud_hub.keys import Keys
from cloud_hub.secret_files import write_secret
from cloud_hub.settings import Settings


def tell_address(settings: Settings, keys: Keys) -> None:
    if known_address(settings.data) != settings.url:
        write_secret(settings.data / "address", settings.url.encode())
    authority = settings.data / "hub-ca.pem"
    pem = keys.authorities.hub.pem.encode()
    if not authority.exists() or authority.read_bytes() != pem:
        write_secret(authority, pem)


def known_address(data: Path) -> str | None:
    try:
        return (data / "address").read_text("utf-8")
    except FileNotFoundError:
        return None
