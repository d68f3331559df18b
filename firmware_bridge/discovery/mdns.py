"""Finds ESPHome nodes of a network by multicast DNS: who announces `_esphomelib._tcp`, and what its TXT record says.

`zeroconf`, which comes with the client of these nodes, asks and listens. A node is named by its host name, which
stays when the network gives it another address.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from firmware_bridge.config import DEFAULT_PORTS, LineConfig, LineKind
from firmware_bridge.discovery.datagrams import WAIT_S_MAX, check_interface
from firmware_bridge.discovery.finding import Finding

if TYPE_CHECKING:
    from zeroconf import ServiceStateChange, Zeroconf
    from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

SERVICE = "_esphomelib._tcp.local."
WAIT_S = 4.0
DETAILS_S_MAX = 2.0  # a node that announced itself says the rest at once, or not at all
NODES_MAX = 256
WORD_MAX = 64


async def search(*, interface: str = "", wait_s: float = WAIT_S) -> list[Finding]:
    """ESPHome nodes that announced themselves within `wait_s`, in the order of their names.

    `interface` is the station's own IPv4 address on the network to search; every network when it is empty. Raises
    OSError when there is no such interface or network.
    """
    from zeroconf import InterfaceChoice, IPVersion
    from zeroconf.asyncio import AsyncServiceBrowser, AsyncZeroconf

    if not 0 < wait_s <= WAIT_S_MAX:
        raise ValueError(f"a search takes more than 0 and at most {WAIT_S_MAX:g} s")
    check_interface(interface)  # zeroconf would leave a socket behind
    names: set[str] = set()

    def announced(zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:
        if len(names) < NODES_MAX:
            names.add(name)

    interfaces = [interface] if interface else InterfaceChoice.All
    ears = AsyncZeroconf(interfaces=interfaces, ip_version=IPVersion.V4Only)
    try:
        browser = AsyncServiceBrowser(ears.zeroconf, SERVICE, handlers=[announced])
        await asyncio.sleep(wait_s)
        await browser.async_cancel()
        details = await asyncio.gather(*(_details(ears, name) for name in sorted(names)))
    finally:
        await ears.async_close()
    found = [_finding(each) for each in details if each is not None]
    return [finding for finding in found if finding is not None]


async def _details(ears: AsyncZeroconf, name: str) -> AsyncServiceInfo | None:
    """None for a node that went again, or says no more than its name."""
    from zeroconf.asyncio import AsyncServiceInfo

    info = AsyncServiceInfo(SERVICE, name)
    return info if await info.async_request(ears.zeroconf, DETAILS_S_MAX * 1000) else None


def _finding(info: AsyncServiceInfo) -> Finding | None:
    """None for a node whose host name is none."""
    host = (info.server or "").rstrip(".").lower()
    name = host.removesuffix(".local")
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,56}[a-z0-9])?", name) or not info.port:
        return None
    port = f":{info.port}" if info.port != DEFAULT_PORTS[LineKind.ESPHOME] else ""
    said = {key: _word(info, key) for key in ("friendly_name", "project_name", "board", "version", "api_encryption")}
    words = [word for word in (said["friendly_name"], said["project_name"], said["board"]) if word]
    words += [f"ESPHome {said['version']}"] if said["version"] else []
    addresses = ", ".join(info.parsed_addresses()[:2])
    encrypted = bool(said["api_encryption"])
    remarks = [
        f"write the node's encryption key into the secret {name}.key"
        if encrypted
        else "it speaks in the clear: give it an encryption key, or set `allow_plain`",
        "a node with a lock is an `esphome_lock`",
    ]
    return Finding(
        f"ESPHome node {', '.join([name, *words])} at {addresses}",
        LineConfig(url=f"esphome://{host}{port}"),
        "esphome_device",
        options={"key": f"{name}.key"} if encrypted else {},
        remarks=tuple(remarks),
    )


def _word(info: AsyncServiceInfo, key: str) -> str:
    """A value of the TXT record, fit for one line; empty when there is none."""
    value = (info.properties.get(key.encode()) or b"").decode("utf-8", "replace")
    return "".join(character for character in value if character.isprintable())[:WORD_MAX]
