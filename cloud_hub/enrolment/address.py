"""Where the hub of a data directory was last served (DATA/address), for command lines beside it."""

from __future__ import annotations

from pathlib import Path

from cloud_hub.secret_files import write_secret
from cloud_hub.settings import Settings


def tell_address(settings: Settings) -> None:
    path = settings.data / "address"
    if known_address(settings.data) != settings.url:
        write_secret(path, settings.url.encode())


def known_address(data: Path) -> str | None:
    try:
        return (data / "address").read_text("utf-8")
    except FileNotFoundError:
        return None
