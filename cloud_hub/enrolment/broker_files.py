"""The certificates that the broker and, with --tls-own, the pages are served with. All in DATA, made where missing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from cloud_hub.broker import BrokerTls
from cloud_hub.clock import Clock
from cloud_hub.enrolment.authority import server_certificate
from cloud_hub.keys import Keys
from cloud_hub.secret_files import write_secret
from cloud_hub.settings import Settings

LOOK_EVERY_S = 6 * 3600.0


def broker_tls(settings: Settings) -> BrokerTls | None:
    """None in the demo, whose stations come by password and from this machine only."""
    if settings.demo:
        return None
    folder = settings.data / "broker"
    return BrokerTls(server=folder / "server.pem", clients=folder / "station-ca.pem")


def write_broker_files(settings: Settings, keys: Keys, now: datetime) -> bool:
    """True when the broker has to read them again. A certificate is made anew a third of its life before its end."""
    tls = broker_tls(settings)
    if tls is None:
        return False
    tls.server.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    clients = keys.authorities.station.pem.encode()
    changed = not tls.clients.exists() or tls.clients.read_bytes() != clients
    if changed:
        write_secret(tls.clients, clients)
    return server_certificate(tls.server, keys.authorities.hub, settings.server_names, now) or changed


def own_server_file(settings: Settings, keys: Keys, now: datetime) -> tuple[Path, bool]:
    """Key and certificate of the pages for --tls-own, in one file; whether they were made just now."""
    path = settings.data / "keys" / "server.pem"
    return path, server_certificate(path, keys.authorities.hub, settings.server_names, now)


class ServerCertificates:
    """`run()` is the service: a hub that runs for years has certificates that have not ended."""

    def __init__(self, settings: Settings, keys: Keys, clock: Clock, read_again: Callable[[], None]) -> None:
        self._settings = settings
        self._keys = keys
        self._clock = clock
        self._read_again = read_again

    async def run(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(LOOK_EVERY_S)

    def look(self) -> None:
        """The broker is told of a new one."""
        if write_broker_files(self._settings, self._keys, self._clock.now()):
            self._read_again()
