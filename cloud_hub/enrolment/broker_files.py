"""The certificates that the broker and, with --tls-own, the pages are served with. All in DATA, made where missing."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from cloud_hub.broker import BrokerTls
from cloud_hub.enrolment.authority import server_certificate
from cloud_hub.keys import Keys
from cloud_hub.secret_files import write_secret
from cloud_hub.settings import Settings


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


def own_server_file(settings: Settings, keys: Keys, now: datetime) -> Path:
    """Key and certificate of the pages for --tls-own, in one file."""
    path = settings.data / "keys" / "server.pem"
    server_certificate(path, keys.authorities.hub, settings.server_names, now)
    return path
