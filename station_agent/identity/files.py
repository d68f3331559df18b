"""Where a station's identity is kept: one folder, readable by the agent's user only.

    claim-key.pem   the key of a claim that is under way; a claim that was interrupted goes on with it
    station.pem     key and certificate in one file, so that they change together
    hub-ca.pem      the authority of the hub's certificates
    profile.json    the profile that the hub gave
    claim           the id of the claim that was used last
    link.json       the link file (wire/link.py); written last, it makes the identity whole
    renewal-key.pem the key of a renewal that is under way

Every file is written whole or not at all, so the plug may be pulled between any two steps.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import NameOID

from station_agent.wire.enrolment import Enrolment

CLAIM_KEY = "claim-key.pem"
RENEWAL_KEY = "renewal-key.pem"
STATION = "station.pem"
AUTHORITY = "hub-ca.pem"
PROFILE = "profile.json"
CLAIM = "claim"
LINK = "link.json"


class BadIdentity(Exception):
    """The folder does not hold what it should; the message names the file and says what to do."""


def write_whole(path: Path, content: bytes) -> None:
    """All of it or nothing, safe from a power cut, readable by its owner only."""
    part = path.with_name(path.name + ".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
    _keep_names(path.parent)


def remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    _keep_names(path.parent)


def _keep_names(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Raises OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)


def pending_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """The key at `path`, or a new one that is kept there. Raises BadIdentity for a damaged one."""
    if not path.exists():
        write_whole(path, private_pem(ec.generate_private_key(ec.SECP256R1())))
    return read_key(path)


def read_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Raises BadIdentity."""
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError) as error:
        raise BadIdentity(f"{path} is no key ({error}): claim the station anew") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise BadIdentity(f"{path} is no ECDSA key: claim the station anew")
    return key


def read_certificate(path: Path) -> x509.Certificate:
    """Raises BadIdentity."""
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise BadIdentity(f"{path} is no certificate ({error}): claim the station anew") from error


def private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def signing_request(key: ec.EllipticCurvePrivateKey) -> str:
    """A CSR that proves the key and names nobody: the hub gives the name."""
    nobody = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "yizhan station")])
    request = x509.CertificateSigningRequestBuilder().subject_name(nobody).sign(key, hashes.SHA256())
    return request.public_bytes(Encoding.PEM).decode()


def is_of(certificate: str, key: ec.EllipticCurvePrivateKey) -> bool:
    """Whether the certificate (PEM) is for this key."""
    try:
        return x509.load_pem_x509_certificate(certificate.encode()).public_key() == key.public_key()
    except ValueError:
        return False


def save(folder: Path, claim: str, key: ec.EllipticCurvePrivateKey, enrolment: Enrolment) -> None:
    """The identity, the link file last; then the claim is over."""
    write_whole(folder / STATION, private_pem(key) + enrolment.certificate.encode())
    write_whole(folder / AUTHORITY, enrolment.authority.encode())
    profile = enrolment.profile.model_dump(mode="json", exclude_none=True)
    write_whole(folder / PROFILE, _json(profile))
    write_whole(folder / CLAIM, claim.encode())
    write_whole(folder / LINK, _json(link(enrolment)))
    remove(folder / CLAIM_KEY)


def link(enrolment: Enrolment) -> dict[str, object]:
    """The link file; its paths are relative to its own folder."""
    return {
        "v": 1,
        "station": enrolment.station,
        "hub_url": enrolment.hub_url,
        "ca_file": AUTHORITY,
        "broker": {
            "host": enrolment.broker.host,
            "port": enrolment.broker.port,
            "ca_file": AUTHORITY,
            "certificate_file": STATION,
        },
        "hub_keys": list(enrolment.hub_keys),
        "trust_version": enrolment.trust_version,
    }


def _json(content: object) -> bytes:
    return (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode()
