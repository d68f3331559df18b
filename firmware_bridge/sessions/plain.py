"""Whether a line may go without encryption: on this machine, or where a person has said so."""

from __future__ import annotations

import ipaddress


def is_this_machine(host: str) -> bool:
    """PURE: nobody else can listen."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
