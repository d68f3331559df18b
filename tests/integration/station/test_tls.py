"""The link with TLS: a broker with a certificate of a private authority, and one with a stranger's."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.harness.mini_hub import MiniHub, Phone
from tests.harness.virtual_station import VirtualStationProcess

pytestmark = pytest.mark.integration
HERE = "demo-01"


def authority(folder: Path, name: str) -> tuple[Path, Path, Path]:
    """Files of a new authority and of a server certificate for 127.0.0.1 from it: ca, certificate, key."""
    now = datetime.now(UTC)
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])

    def builder(subject: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(ca_name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + timedelta(days=1))
        )

    basic = x509.BasicConstraints(ca=True, path_length=0)
    ca = builder(ca_name, ca_key.public_key()).add_extension(basic, critical=True).sign(ca_key, hashes.SHA256())
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    server_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "broker")])
    server = builder(server_name, key.public_key()).add_extension(here, critical=False).sign(ca_key, hashes.SHA256())
    paths = folder / f"{name}-ca.pem", folder / f"{name}.pem", folder / f"{name}.key"
    paths[0].write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(server.public_bytes(serialization.Encoding.PEM))
    paths[2].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


def with_ca(hub: MiniHub, ca: Path) -> dict[str, object]:
    link = hub.link(HERE)
    return {**link, "broker": {**link["broker"], "ca_file": str(ca)}}


async def test_a_station_works_over_tls_and_large_documents_pass(quiet_profile: Path, tmp_path: Path) -> None:
    ca, certificate, key = authority(tmp_path, "ours")
    async with (
        MiniHub(tmp_path / "hub", tls=(certificate, key)) as hub,
        VirtualStationProcess(quiet_profile, with_ca(hub, ca), tmp_path / "station") as station,
    ):
        phone = Phone()
        crowd = [phone.row(), *(phone.row().model_copy(update={"id": f"{number:016x}"}) for number in range(2000))]
        version = await hub.send_roster(HERE, crowd)
        await hub.event("roster.applied", version=version, members=2001)
        await station.scan(phone.code())
        await hub.event("visit.counted", member=phone.member)
        command = hub.order(HERE)
        await station.until(door_open=False, door_state="secured")
        await hub.send(HERE, command)
        await hub.event("command.progress", command=str(command.id), status="done")


async def test_a_broker_of_another_authority_is_not_spoken_to(quiet_profile: Path, tmp_path: Path) -> None:
    _, certificate, key = authority(tmp_path, "stranger")
    ours, _, _ = authority(tmp_path, "ours")
    async with MiniHub(tmp_path / "hub", tls=(certificate, key)) as hub:
        station = VirtualStationProcess(quiet_profile, with_ca(hub, ours), tmp_path / "station", until_ready=False)
        async with station:
            await station.until(agent_running=True, door_state="secured")
            await station.until_log("certificate verify failed")
            assert hub.states == {}
            assert hub.rows == []
