"""Files that hold a secret: the owner's only, written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from cloud_hub.settings import BadSettings


def new_ed25519(path: Path) -> None:
    write_secret(path, Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def read_ed25519(path: Path) -> Ed25519PrivateKey:
    """Raises BadSettings for a file that is no such key."""
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except FileNotFoundError as error:
        raise BadSettings(f"{path} is missing: restore it from the backup") from error
    except ValueError as error:
        raise BadSettings(f"{path} is not a PEM key: restore it from the backup") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise BadSettings(f"{path} is not an Ed25519 key: restore it from the backup")
    return key


def write_secret(path: Path, content: bytes) -> None:
    """Whole or not at all, readable by the owner only, safe from a power cut."""
    part = path.with_name(path.name + ".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
