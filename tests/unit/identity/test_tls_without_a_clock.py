"""A station that woke in 1970 reaches its hub, and nobody else: for it, every true certificate begins in the future."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cloud_hub.enrolment.authority import Authorities, server_certificate
from station_agent.link.tls import broker_context

LATER = datetime.now(UTC) + timedelta(days=365 * 20)
"""As far ahead of this machine's clock as the truth is of a clock that stands in the past."""


def server(authorities: Authorities, folder: Path) -> ssl.SSLContext:
    """A hub of that time."""
    certificate = folder / "server.pem"
    server_certificate(certificate, authorities.hub, ["127.0.0.1"], LATER)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context


def greet(server: ssl.SSLContext, client: ssl.SSLContext) -> None:
    """A hand-shake without a network. Raises what the client finds wrong."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    here = client.wrap_bio(to_client, to_server, server_hostname="127.0.0.1")
    there = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for end in (here, there):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert here.version() == "TLSv1.3"


def authority(folder: Path, authorities: Authorities) -> Path:
    path = folder / "hub-ca.pem"
    path.write_text(authorities.hub.pem)
    return path


def test_times_are_not_held_against_the_hub_while_the_clock_cannot_be_believed(tmp_path: Path) -> None:
    authorities = Authorities.generated(LATER)
    hub, believed = server(authorities, tmp_path), authority(tmp_path, authorities)
    greet(hub, broker_context(believed, None, clock_trusted=False))
    with pytest.raises(ssl.SSLCertVerificationError, match="not yet valid"):
        greet(hub, broker_context(believed, None, clock_trusted=True))


def test_a_stranger_is_a_stranger_at_any_time(tmp_path: Path) -> None:
    believed = authority(tmp_path, Authorities.generated(LATER))
    with pytest.raises(ssl.SSLCertVerificationError):
        greet(server(Authorities.generated(LATER), tmp_path), broker_context(believed, None, clock_trusted=False))


def test_another_station_is_no_hub_at_any_time(tmp_path: Path) -> None:
    """Not even where a station believed the authority of stations."""
    authorities = Authorities.generated(LATER)
    swapped = Authorities(station=authorities.hub, hub=authorities.station)
    believed = authority(tmp_path, swapped)
    with pytest.raises(ssl.SSLCertVerificationError, match="purpose"):
        greet(server(swapped, tmp_path), broker_context(believed, None, clock_trusted=False))
