"""PURE: what a model pack says about itself, and the signature over it.

    manifest.toml    who made the pack, each file with its SHA-256, licence and source, how its input is prepared
    manifest.sig     {"kid": key id, "sig": base64 of Ed25519 over "yizhan-model-pack-v1" || 0 || canonical manifest}

Canonical is the parsed manifest as JSON: keys sorted, no white space, UTF-8. So comments and line ends may change, and
no value can.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import tomllib
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import Field, StringConstraints, ValidationError

from station_agent.wire.model import Name, Wire
from station_agent.wire.signed import key_id

MANIFEST_BYTES_MAX = 65_536
DOMAIN = b"yizhan-model-pack-v1\0"

FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,60}\.onnx$")]
Version = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,4}(\.[0-9]{1,4}){0,3}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Said = Annotated[str, StringConstraints(strip_whitespace=True, min_length=2, max_length=200)]
Three = tuple[float, float, float]
Spread = tuple[
    Annotated[float, Field(gt=0)],
    Annotated[float, Field(gt=0)],
    Annotated[float, Field(gt=0)],
]


class PackRefused(Exception):
    """The pack is not used; the sentence says which one, what is wrong and what to do."""


class Model(Wire):
    """One file. Its input is float, (1, 3, side, side): (byte - mean) / std for each channel."""

    file: FileName
    sha256: Sha256
    licence: Said
    source: Said
    channels: Literal["rgb", "bgr"]
    mean: Three
    std: Spread


class Detector(Model):
    kind: Literal["yunet"]
    score_min: float = Field(gt=0, lt=1)
    overlap_max: float = Field(gt=0, lt=1)


class Embedder(Model):
    """`template`: where the landmarks (align.py) lie in its picture of `side_px` squared."""

    side_px: int = Field(ge=32, le=512)
    template: Annotated[tuple[tuple[float, float], ...], Field(min_length=5, max_length=5)]


class Liveness(Model):
    """Looks at `crop` times the face box, drawn at `side_px`; `live` is the output that means a live face."""

    side_px: int = Field(ge=32, le=512)
    crop: float = Field(ge=1, le=10)
    live: int = Field(ge=0, le=9)


class Threshold(Wire):
    """Cosine scores. `floor` and `verify_floor`: no calibration goes below them, for 1:N and for 1:1. `start`: what
    holds at a station with too few people to calibrate.
    """

    floor: float = Field(gt=0, lt=1)
    start: float = Field(gt=0, lt=1)
    verify_floor: float = Field(gt=0, lt=1)


class Manifest(Wire):
    name: Name
    version: Version
    engine: Literal["onnx"]
    licence: Said
    source: Said
    threshold: Threshold
    detector: Detector
    embedder: Embedder
    liveness: Annotated[tuple[Liveness, ...], Field(max_length=4)] = ()

    @property
    def models(self) -> tuple[Model, ...]:
        return (self.detector, self.embedder, *self.liveness)

    @property
    def space(self) -> str:
        """Names the embeddings that this pack makes: those of two packs compare when this is the same."""
        said = self.embedder.model_dump(mode="json", exclude={"licence", "source", "file"})
        return f"onnx-{hashlib.sha256(_json(said)).hexdigest()[:16]}"


def parse(text: bytes, where: str) -> tuple[Manifest, bytes]:
    """The manifest, and its canonical form. `where` names it in the sentence of PackRefused."""
    if len(text) > MANIFEST_BYTES_MAX:
        raise PackRefused(f"{where}: longer than {MANIFEST_BYTES_MAX} bytes")
    try:
        raw: dict[str, Any] = tomllib.loads(text.decode())
        canonical = _json(raw)
    except (ValueError, TypeError, RecursionError) as error:
        raise PackRefused(f"{where}: no TOML of text, numbers and tables: {error}") from error
    try:
        manifest = Manifest.model_validate_json(canonical)
    except ValidationError as error:
        rows = "; ".join(
            f"{'.'.join(map(str, row['loc']))}: {row['msg']}" for row in error.errors(include_url=False)[:5]
        )
        raise PackRefused(f"{where}: {rows}") from error
    if manifest.threshold.start < manifest.threshold.floor:
        raise PackRefused(f"{where}: threshold.start is below threshold.floor")
    if manifest.threshold.verify_floor > manifest.threshold.floor:
        raise PackRefused(f"{where}: threshold.verify_floor is above threshold.floor, yet 1:1 may not be the stricter")
    files = [model.file for model in manifest.models]
    if len(set(files)) < len(files):
        raise PackRefused(f"{where}: two models name the same file")
    return manifest, canonical


def sign(canonical: bytes, key: Ed25519PrivateKey) -> bytes:
    """Content of manifest.sig."""
    sealed = {"kid": key_id(key.public_key()), "sig": base64.b64encode(key.sign(DOMAIN + canonical)).decode()}
    return json.dumps(sealed).encode() + b"\n"


def check_signature(canonical: bytes, signature: bytes, keys: Mapping[str, Ed25519PublicKey], where: str) -> str:
    """The id of the key (of `keys`, by id) that signed. Raises PackRefused."""
    try:
        told = json.loads(signature[:1024])
        kid, sig = str(told["kid"]), base64.b64decode(told["sig"], validate=True)
    except (ValueError, TypeError, KeyError, binascii.Error) as error:
        raise PackRefused(f"{where}: manifest.sig is no signature: fetch the pack again") from error
    key = keys.get(kid)
    if key is None:
        raise PackRefused(f"{where}: signed by the key {kid!r}, which is not trusted here")
    try:
        key.verify(sig, DOMAIN + canonical)
    except InvalidSignature as error:
        raise PackRefused(f"{where}: the signature does not fit the manifest: fetch the pack again") from error
    return kid


def toml(raw: Mapping[str, Any]) -> str:
    """A manifest as a file: plain values first, then tables and lists of tables. JSON's strings are TOML's."""
    plain = [f"{key} = {json.dumps(value)}" for key, value in raw.items() if not _is_table(value)]
    parts = ["\n".join(plain)]
    for key, value in raw.items():
        if isinstance(value, Mapping):
            parts.append(f"[{key}]\n{toml(value)}")
        elif _is_table(value):
            parts += [f"[[{key}]]\n{toml(row)}" for row in value]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _is_table(value: object) -> bool:
    return isinstance(value, Mapping) or (isinstance(value, list) and bool(value) and isinstance(value[0], Mapping))


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
