"""The hub's two authorities: what they sign is for one purpose, one name and a bounded time."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from cloud_hub.broker import BrokerTls, BrokerUser, Ports, config_text
from cloud_hub.enrolment.authority import (
    STATION_LIFETIME,
    Authorities,
    BadRequest,
    issue_station,
    load_authorities,
    read_request,
    server_certificate,
    station_user,
)
from cloud_hub.settings import BadSettings
from station_agent.identity.files import signing_request

NOW = datetime(2026, 12, 1, 8, tzinfo=UTC)


@pytest.fixture(scope="module")
def authorities() -> Authorities:
    return Authorities.generated(NOW)


def usages(certificate: x509.Certificate) -> list[x509.ObjectIdentifier]:
    return list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)


def test_they_are_made_once_and_are_the_owners_only(tmp_path: Path) -> None:
    first, second = load_authorities(tmp_path, NOW), load_authorities(tmp_path, NOW + timedelta(days=9))
    assert (first.hub.fingerprint, first.station.fingerprint) == (second.hub.fingerprint, second.station.fingerprint)
    assert first.hub.fingerprint != first.station.fingerprint
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_a_damaged_one_is_named(tmp_path: Path) -> None:
    load_authorities(tmp_path, NOW)
    (tmp_path / "hub-ca.pem").write_bytes((tmp_path / "station-ca.pem").read_bytes()[:200])
    with pytest.raises(BadSettings, match=r"hub-ca\.pem is no authority's key and certificate"):
        load_authorities(tmp_path, NOW)


def test_one_authority_signs_clients_and_the_other_servers_and_neither_an_authority(authorities: Authorities) -> None:
    assert usages(authorities.station.certificate) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert usages(authorities.hub.certificate) == [ExtendedKeyUsageOID.SERVER_AUTH]
    for authority in (authorities.station, authorities.hub):
        basic = authority.certificate.extensions.get_extension_for_class(x509.BasicConstraints)
        assert (basic.critical, basic.value.ca, basic.value.path_length) == (True, True, 0)


def test_a_stations_certificate_names_it_and_itself(authorities: Authorities) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    made = issue_station(authorities.station, "demo-01", read_request(signing_request(key)), NOW)
    certificate = x509.load_pem_x509_certificate(made.pem.encode())
    certificate.verify_directly_issued_by(authorities.station.certificate)
    assert certificate.public_key() == key.public_key()
    (name,) = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert name.value == "demo-01"
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(general.value) for general in names] == [made.user] == [station_user("demo-01", made.serial)]
    assert f"{certificate.serial_number:x}" == made.serial
    assert usages(certificate) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert certificate.not_valid_before_utc < NOW
    assert certificate.not_valid_after_utc == made.not_after == NOW + STATION_LIFETIME
    again = issue_station(authorities.station, "demo-01", key.public_key(), NOW)
    assert again.user != made.user  # so one can end and the other go on


def test_a_request_that_does_not_prove_its_key_is_refused() -> None:
    with pytest.raises(BadRequest, match="not a PEM"):
        read_request("-----BEGIN CERTIFICATE REQUEST-----\nnothing\n-----END CERTIFICATE REQUEST-----\n")
    stolen = signing_request(ec.generate_private_key(ec.SECP256R1()))
    lines = stolen.splitlines()
    lines[-2] = ("A" if lines[-2][0] != "A" else "B") + lines[-2][1:]  # inside the signature
    with pytest.raises(BadRequest):
        read_request("\n".join(lines))
    nobody = x509.Name([])
    for weak in (ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP384R1())):
        algorithm = None if isinstance(weak, ed25519.Ed25519PrivateKey) else hashes.SHA256()
        request = x509.CertificateSigningRequestBuilder().subject_name(nobody).sign(weak, algorithm)
        with pytest.raises(BadRequest, match="P-256"):
            read_request(request.public_bytes(Encoding.PEM).decode())


def test_a_servers_certificate_is_made_anew_in_time_and_for_other_names(
    tmp_path: Path, authorities: Authorities
) -> None:
    path, names = tmp_path / "server.pem", ["hub.example", "127.0.0.1"]
    assert server_certificate(path, authorities.hub, names, NOW)
    assert path.stat().st_mode & 0o777 == 0o600
    assert not server_certificate(path, authorities.hub, names, NOW + timedelta(days=200))
    assert server_certificate(path, authorities.hub, names, NOW + timedelta(days=300))
    assert server_certificate(path, authorities.hub, [*names, "mqtt.example"], NOW + timedelta(days=300))
    assert server_certificate(path, Authorities.generated(NOW).hub, [*names, "mqtt.example"], NOW + timedelta(days=300))
    path.write_text("damaged")
    assert server_certificate(path, authorities.hub, names, NOW)
    assert usages(x509.load_pem_x509_certificate(path.read_bytes())) == [ExtendedKeyUsageOID.SERVER_AUTH]


def test_a_thousand_stations_get_a_thousand_users_each_with_its_own_topics() -> None:
    users = [BrokerUser(station_user(f"s-{number}", "1f"), f"s-{number}") for number in range(1000)]
    tls = BrokerTls(Path("/data/broker/server.pem"), Path("/data/broker/station-ca.pem"))
    config = json.loads(config_text(Path("/data/broker"), Ports(4222, 8883), "hub-secret", users, "0.0.0.0", tls))
    rows = config["authorization"]["users"][1:]
    assert len({row["user"] for row in rows}) == 1000
    for row in rows:
        station = row["user"].split(":")[3]
        subjects = row["permissions"]["publish"]["allow"] + row["permissions"]["subscribe"]["allow"]
        assert all(subject.startswith(f"yizhan.v1.{station}.") for subject in subjects)
        assert not any(wildcard in subject for subject in subjects for wildcard in "*>")
