"""Owns model packs on disk: making, checking and installing them.

    models/NAME/VERSION-DIGEST/manifest.toml, manifest.sig, *.onnx
    models/NAME/current -> VERSION-DIGEST      what runs; a symlink, so that changing it is one rename
    models/NAME/previous -> VERSION-DIGEST     the last good one: it runs when the current one turns out damaged

A pack is copied, checked where it was copied to, and named `current` last: a power cut or a bad pack leaves what was
there. Nothing but the files that the manifest names is taken over.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from station_agent.faces.manifest import (
    MANIFEST_BYTES_MAX,
    Manifest,
    Model,
    PackRefused,
    check_signature,
    parse,
    sign,
    toml,
)
from station_agent.wire.signed import key_id

MODELS_DIR, TRUST_FILE = "models", "model-keys.pem"
"""At a station: the packs in its state folder, the keys that may sign them in its key folder."""

MANIFEST, SIGNATURE = "manifest.toml", "manifest.sig"
CURRENT, PREVIOUS, INCOMING = "current", "previous", ".incoming-"
MODEL_BYTES_MAX = 256 << 20
PEM_END = b"-----END PUBLIC KEY-----"

Keys = Mapping[str, Ed25519PublicKey]


@dataclass(frozen=True)
class Pack:
    """A checked pack. `digest` is the SHA-256 of its canonical manifest, and by that of everything in it."""

    folder: Path
    manifest: Manifest
    digest: str
    signed_by: str

    @property
    def title(self) -> str:
        return f"{self.manifest.name} {self.manifest.version}"


def trusted_keys(path: Path) -> Keys:
    """By key id. The file holds one or more Ed25519 public keys as PEM. Raises PackRefused."""
    try:
        blocks = path.read_bytes().split(PEM_END)[:-1]
        keys = [load_pem_public_key(block.strip() + b"\n" + PEM_END + b"\n") for block in blocks]
    except OSError as error:
        raise PackRefused(f"the keys that sign model packs are expected in {path}: {error.strerror}") from error
    except ValueError as error:
        raise PackRefused(f"{path}: no PEM of public keys: {error}") from error
    trusted = {key_id(key): key for key in keys if isinstance(key, Ed25519PublicKey)}
    if not trusted or len(trusted) < len(keys):
        raise PackRefused(f"{path}: every key in it must be an Ed25519 public key (openssl pkey -pubout)")
    return trusted


def signing_key(path: Path) -> Ed25519PrivateKey:
    """Raises PackRefused."""
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise PackRefused(f"{path}: no private key: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise PackRefused(f"{path}: not an Ed25519 key (openssl genpkey -algorithm ed25519)")
    return key


def verify(folder: Path, keys: Keys) -> Pack:
    """Every byte of the pack in `folder`, checked. Raises PackRefused."""
    manifest, canonical = parse(_read(folder / MANIFEST, MANIFEST_BYTES_MAX + 1), str(folder))
    signed_by = check_signature(canonical, _read(folder / SIGNATURE, 4096), keys, str(folder))
    for model in manifest.models:
        model_bytes(folder, model)
    return Pack(folder, manifest, hashlib.sha256(canonical).hexdigest(), signed_by)


def model_bytes(folder: Path, model: Model) -> bytes:
    """The file of `model`, if it is the one that the manifest means. Raises PackRefused."""
    content = _read(folder / model.file, MODEL_BYTES_MAX + 1)
    if len(content) > MODEL_BYTES_MAX:
        raise PackRefused(f"{folder / model.file}: larger than {MODEL_BYTES_MAX >> 20} MiB")
    if hashlib.sha256(content).hexdigest() != model.sha256:
        raise PackRefused(f"{folder / model.file}: not the file that the manifest names: fetch the pack again")
    return content


def opened(folder: Path, digest: str) -> Manifest:
    """The manifest of a pack that verify() found to have `digest`. Raises PackRefused when it was changed since."""
    manifest, canonical = parse(_read(folder / MANIFEST, MANIFEST_BYTES_MAX + 1), str(folder))
    if hashlib.sha256(canonical).hexdigest() != digest:
        raise PackRefused(f"{folder}: the manifest was changed after it had been checked")
    return manifest


def make(draft: Path, weights: Path, key: Ed25519PrivateKey, out: Path) -> Pack:
    """A signed pack in the new folder `out` from a manifest whose SHA-256 may be missing, and a folder of weights.
    Where the draft has a SHA-256, the weights must have it too. Raises PackRefused.
    """
    try:
        raw = tomllib.loads(_read(draft, MANIFEST_BYTES_MAX).decode())
    except ValueError as error:
        raise PackRefused(f"{draft}: no TOML: {error}") from error
    rows = [raw.get("detector"), raw.get("embedder"), *(raw.get("liveness") or [])]
    for row in rows:
        if isinstance(row, dict) and isinstance(row.get("file"), str) and "sha256" not in row:
            content = _read(weights / Path(row["file"]).name, MODEL_BYTES_MAX)
            row["sha256"] = hashlib.sha256(content).hexdigest()
    text = toml(raw)
    manifest, canonical = parse(text.encode(), str(draft))
    files = {model.file: model_bytes(weights, model) for model in manifest.models}
    files |= {MANIFEST: text.encode(), SIGNATURE: sign(canonical, key)}
    try:
        out.mkdir(parents=True)
        for name, content in files.items():
            (out / name).write_bytes(content)
    except OSError as error:
        raise PackRefused(f"{out}: a pack is written to a new folder: {error.strerror}") from error
    return verify(out, {key_id(key.public_key()): key.public_key()})


def add(folder: Path, models: Path, keys: Keys) -> Pack:
    """Installs the pack in `folder` as the current one of its name. Raises PackRefused; then nothing has changed."""
    offered = verify(folder, keys)
    home = models / offered.manifest.name
    name = f"{offered.manifest.version}-{offered.digest[:12]}"
    try:
        home.mkdir(parents=True, exist_ok=True)
        for left in home.glob(f"{INCOMING}*"):  # of an installation that was cut off
            shutil.rmtree(left)
        if not _sound(home / name, keys):
            with _incoming(home) as incoming:
                for file in (MANIFEST, SIGNATURE, *(model.file for model in offered.manifest.models)):
                    shutil.copyfile(folder / file, incoming / file)
                    _sync(incoming / file)
                if verify(incoming, keys).digest != offered.digest:
                    raise PackRefused(f"{folder}: changed while it was copied")
                if (home / name).exists():
                    shutil.rmtree(home / name)
                incoming.chmod(0o755)
                incoming.rename(home / name)
        before = _target(home / CURRENT)
        if before is not None and before != name and _sound(home / before, keys):
            _point(home / PREVIOUS, before)
        _point(home / CURRENT, name)
        _forget(home)
    except OSError as error:
        raise PackRefused(f"{home}: the pack cannot be installed: {error}") from error
    return verify(home / name, keys)


def installed(models: Path, name: str, keys: Keys) -> tuple[Pack, str | None]:
    """The pack `name` that runs: the current one or, if that is damaged, the last good one; then with a sentence that
    says so. Raises PackRefused when neither is sound.
    """
    home = models / name
    if _target(home / CURRENT) is None:
        raise PackRefused(f"no model pack {name!r} is installed in {models}: yizhan-station models add FOLDER")
    try:
        return _of(home, CURRENT, keys), None
    except PackRefused as refused:
        if _target(home / PREVIOUS) is None:
            raise
        pack = _of(home, PREVIOUS, keys)
        return pack, f"{refused}; the pack before it, {pack.title}, runs instead"


def names(models: Path) -> list[str]:
    """Of every installed pack."""
    return sorted(path.parent.name for path in models.glob(f"*/{CURRENT}"))


def _of(home: Path, link: str, keys: Keys) -> Pack:
    pack = verify(home / str(_target(home / link)), keys)
    if pack.manifest.name != home.name:
        raise PackRefused(f"{home}: holds a pack of the name {pack.manifest.name!r}")
    return pack


def _sound(folder: Path, keys: Keys) -> bool:
    try:
        verify(folder, keys)
    except PackRefused:
        return False
    return True


def _read(path: Path, bytes_max: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(bytes_max)
    except OSError as error:
        raise PackRefused(f"{path}: cannot be read: {error.strerror}") from error


@contextmanager
def _incoming(home: Path) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix=INCOMING, dir=home))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # renamed when all went well


def _target(link: Path) -> str | None:
    """Name of the folder beside `link` that it points to."""
    try:
        return Path(os.readlink(link)).name
    except OSError:
        return None


def _point(link: Path, name: str) -> None:
    fresh = link.with_name(f"{link.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(name)
    fresh.rename(link)
    _sync(link.parent)


def _forget(home: Path) -> None:
    """Deletes versions that are neither current nor the last good one."""
    kept = {_target(home / CURRENT), _target(home / PREVIOUS)}
    for folder in home.iterdir():
        if folder.is_dir() and not folder.is_symlink() and folder.name not in kept:
            shutil.rmtree(folder)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
