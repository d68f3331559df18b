"""The hub's keys in a backup: encrypted by a passphrase, or not there at all.

    keys.enc = one JSON line {"kdf": "scrypt", "n", "r", "p", "salt", "nonce"}  newline  AES-256-GCM(JSON)

Who holds hub.pem opens every door and who holds an issuer key makes anybody a member, so no backup has them in clear.
The line in front is authenticated as well.
"""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from cloud_hub.backup.manifest import BadBackup
from cloud_hub.proofs import SECRET_FILE, key_for
from cloud_hub.secret_files import write_secret

PASSPHRASE_LENGTH_MIN = 12
_N, _R, _P = 2**15, 8, 1  # 32 MiB and ~0.1 s a try
_N_MAX = 2**20  # a forged file must not take all memory
_PORTS = Path("broker") / "ports.json"  # link files name them


def key_files(data: Path) -> dict[str, bytes]:
    """What a backup of keys holds, by its path in the hub's folder."""
    paths = [path for path in sorted((data / "keys").rglob("*")) if path.is_file() and path.suffix != ".part"]
    if (data / _PORTS).is_file():
        paths.append(data / _PORTS)
    return {path.relative_to(data).as_posix(): path.read_bytes() for path in paths}


def sealed(files: dict[str, bytes], passphrase: str) -> bytes:
    salt, nonce = os.urandom(16), os.urandom(12)
    header = {"kdf": "scrypt", "n": _N, "r": _R, "p": _P, "salt": salt.hex(), "nonce": nonce.hex()}
    line = json.dumps(header).encode()
    text = json.dumps({name: base64.b64encode(content).decode() for name, content in files.items()})
    return line + b"\n" + AESGCM(_key(passphrase, salt, _N, _R, _P)).encrypt(nonce, text.encode(), line)


def opened(content: bytes, passphrase: str) -> dict[str, bytes]:
    """Raises BadBackup for another passphrase or a file that was changed."""
    line, _, secret = content.partition(b"\n")
    try:
        header = json.loads(line)
        n, r, p = int(header["n"]), int(header["r"]), int(header["p"])
        salt, nonce = bytes.fromhex(header["salt"]), bytes.fromhex(header["nonce"])
        if not 2 <= n <= _N_MAX or (r, p) != (_R, _P):
            raise ValueError("no parameters of ours")
        text = AESGCM(_key(passphrase, salt, n, r, p)).decrypt(nonce, secret, line)
    except InvalidTag:
        raise BadBackup("the keys do not open: the passphrase is another one, or the file was changed") from None
    except (ValueError, KeyError, TypeError):
        raise BadBackup("the keys in the backup are damaged: use another backup") from None
    return {name: base64.b64decode(one) for name, one in json.loads(text).items()}


def put_back(files: dict[str, bytes], data: Path) -> None:
    """Writes the files of `key_files`, each readable by its owner only. Raises BadBackup."""
    for name, content in files.items():
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise BadBackup(f"the backup names a key file {name!r}, which is outside of the hub's folder")
        path = data / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_secret(path, content)


def proving_key(files: dict[str, bytes]) -> bytes | None:
    """What proves a manifest; None where the hub's own secret is not among the files."""
    secret = files.get(f"keys/{SECRET_FILE}")
    return None if secret is None else key_for(secret, "backup")


def _key(passphrase: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return Scrypt(salt=salt, length=32, n=n, r=r, p=p).derive(passphrase.encode())
