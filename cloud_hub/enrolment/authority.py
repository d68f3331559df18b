"""The hub's two authorities and what they sign. Each is one file in DATA/keys, key and certificate, mode 0600.

    station-ca.pem   ECDSA P-256, clients only    stations' certificates; the broker believes no other
    hub-ca.pem       ECDSA P-256, servers only    the certificates of broker and hub; stations believe no other

Two, so that neither can stand in for the other: a station's certificate is no server's, and who takes the key that must
be at hand for every renewal cannot answer stations in the hub's place. Both may sign no authority (path length 0).

A station is named once in the subject, for people, and once in the URI that the broker maps to a user:
urn:yizhan:station:<id>:<serial>. The serial makes it the name of one certificate, so that a user can be taken away
from one box and stay with another (replacement, overlap of a renewal), without a revocation list.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from cloud_hub.secret_files import write_secret
from cloud_hub.settings import BadSettings

STATION_LIFETIME = timedelta(days=90)
SERVER_LIFETIME = timedelta(days=365)
SERVER_RENEWED_BEFORE = timedelta(days=120)
_AUTHORITY_LIFETIME = timedelta(days=365 * 25)  # longer than a container stands; changing it means new claims
_BEFORE = timedelta(days=1)  # a station's clock may be behind ours
_NAME = "urn:yizhan:station:"


class BadRequest(Exception):
    """A certificate request that is not accepted; the message says why."""


@dataclass(frozen=True, slots=True)
class StationCertificate:
    """As issued. `user` is its name at the broker, `key` the SHA-256 of its public key."""

    serial: str
    station: str
    user: str
    key: str
    pem: str
    not_after: datetime
    issued_at: datetime


@dataclass(frozen=True, slots=True)
class Authority:
    certificate: x509.Certificate
    _key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate, 64 hex digits."""
        return self.certificate.fingerprint(hashes.SHA256()).hex()

    def sign(self, builder: x509.CertificateBuilder) -> x509.Certificate:
        key_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        named = builder.issuer_name(self.certificate.subject).add_extension(key_id, critical=False)
        return named.sign(self._key, hashes.SHA256())


@dataclass(frozen=True, slots=True)
class Authorities:
    """`station` signs stations, `hub` signs the hub's servers."""

    station: Authority
    hub: Authority

    @classmethod
    def generated(cls, now: datetime) -> Authorities:
        """New ones, kept nowhere."""
        return cls(*(_new(*row, now)[0] for row in _ROWS.values()))


_ROWS = {
    "station-ca.pem": ("Yizhan stations", ExtendedKeyUsageOID.CLIENT_AUTH),
    "hub-ca.pem": ("Yizhan hub", ExtendedKeyUsageOID.SERVER_AUTH),
}


def load_authorities(folder: Path, now: datetime) -> Authorities:
    """Makes what is missing in `folder` (DATA/keys). Raises BadSettings for a damaged file."""
    for name, row in _ROWS.items():
        if not (folder / name).exists():
            write_secret(folder / name, _new(*row, now)[1])
    return Authorities(*(_read(folder / name) for name in _ROWS))


def read_request(csr: str) -> ec.EllipticCurvePublicKey:
    """The key that the request proves. What names it holds does not matter. Raises BadRequest."""
    try:
        request = x509.load_pem_x509_csr(csr.encode())
        key = request.public_key()
        proved = request.is_signature_valid
    except (ValueError, TypeError, InvalidSignature) as error:
        raise BadRequest("the certificate request is not a PEM certificate request") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise BadRequest("the certificate request must be for an ECDSA key on P-256")
    if not proved:
        raise BadRequest("the certificate request is not signed by its own key")
    return key


def key_hash(key: ec.EllipticCurvePublicKey) -> str:
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def station_user(station: str, serial: str) -> str:
    """The broker's name for one certificate."""
    return f"{_NAME}{station}:{serial}"


def issue_station(
    authority: Authority, station: str, key: ec.EllipticCurvePublicKey, now: datetime
) -> StationCertificate:
    """A certificate of STATION_LIFETIME for a key that was proved."""
    number = x509.random_serial_number()
    serial = f"{number:x}"
    user = station_user(station, serial)
    certificate = authority.sign(
        _builder(station, key, number, now, now + STATION_LIFETIME)
        .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(user)]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(_usage(leaf=True), critical=True)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    )
    return StationCertificate(
        serial=serial,
        station=station,
        user=user,
        key=key_hash(key),
        pem=certificate.public_bytes(Encoding.PEM).decode(),
        not_after=certificate.not_valid_after_utc,
        issued_at=issued_at(certificate),
    )


def issued_at(certificate: x509.Certificate) -> datetime:
    return certificate.not_valid_before_utc + _BEFORE


def read_station(authority: Authority, pem: str) -> StationCertificate | None:
    """What `issue_station` made once; None for anything else."""
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
        certificate.verify_directly_issued_by(authority.certificate)
        (name,) = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return None
    key = certificate.public_key()
    station, _, serial = str(name.value).removeprefix(_NAME).partition(":")
    if not isinstance(key, ec.EllipticCurvePublicKey) or serial != f"{certificate.serial_number:x}":
        return None
    clean = certificate.public_bytes(Encoding.PEM).decode()
    return StationCertificate(
        serial, station, str(name.value), key_hash(key), clean, certificate.not_valid_after_utc, issued_at(certificate)
    )


def server_certificate(path: Path, authority: Authority, names: Iterable[str], now: datetime) -> bool:
    """Key and certificate of a server of the hub in one file at `path`, made anew when they end soon, are for other
    names or from another authority. True when they were made. `names`: DNS names and addresses."""
    wanted = frozenset(names)
    if _is_good(path, authority, wanted, now):
        return False
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = authority.sign(
        _builder("Yizhan hub", key.public_key(), x509.random_serial_number(), now, now + SERVER_LIFETIME)
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in sorted(wanted)]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(_usage(leaf=True), critical=True)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    )
    write_secret(path, _private_pem(key) + certificate.public_bytes(Encoding.PEM))
    return True


def _is_good(path: Path, authority: Authority, names: frozenset[str], now: datetime) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        certificate.verify_directly_issued_by(authority.certificate)
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (FileNotFoundError, ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    told = {str(general.value) for general in found}
    return told == names and certificate.not_valid_after_utc - now > SERVER_RENEWED_BEFORE


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _new(name: str, usage: x509.ObjectIdentifier, now: datetime) -> tuple[Authority, bytes]:
    """A new authority, and its file."""
    key = ec.generate_private_key(ec.SECP256R1())
    mark = key_hash(key.public_key())[:8]  # two hubs' authorities are told apart by people, too
    builder = _builder(f"{name} {mark}", key.public_key(), x509.random_serial_number(), now, now + _AUTHORITY_LIFETIME)
    certificate = (
        builder.issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name} {mark}")]))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(_usage(leaf=False), critical=True)
        .sign(key, hashes.SHA256())
    )
    return Authority(certificate, key), _private_pem(key) + certificate.public_bytes(Encoding.PEM)


def _read(path: Path) -> Authority:
    content = path.read_bytes()
    try:
        key = load_pem_private_key(content, None)
        certificate = x509.load_pem_x509_certificate(content)
    except ValueError as error:
        raise BadSettings(f"{path} is no authority's key and certificate: restore it from the backup") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or certificate.public_key() != key.public_key():
        raise BadSettings(f"{path}: the certificate is not of the key beside it: restore it from the backup")
    return Authority(certificate, key)


def _builder(
    name: str, key: ec.EllipticCurvePublicKey, serial: int, now: datetime, until: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .public_key(key)
        .serial_number(serial)
        .not_valid_before(now - _BEFORE)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, leaf: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=leaf,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=not leaf,
        crl_sign=not leaf,
        encipher_only=False,
        decipher_only=False,
    )


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
