"""`yizhan-bridge image`: make the signed image of a board's firmware, and look into one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from firmware_bridge.cli.target import AsJson, mistakes_told
from firmware_bridge.flashing.image import Image, Version, pack, parse

HARDWARE = "0D01"


def image(
    file: Annotated[Path, typer.Argument(help="The firmware (.bin) to sign; or an image to look into")],
    version: Annotated[str | None, typer.Option(help="MAJOR.MINOR.PATCH; without it the file is an image")] = None,
    key: Annotated[Path | None, typer.Option(help="Private key (PEM, Ed25519) of whoever signs")] = None,
    hardware: Annotated[str, typer.Option(help="The board's hardware id")] = HARDWARE,
    out: Annotated[Path | None, typer.Option(help="Where the image goes; FILE with .img when not given")] = None,
    as_json: AsJson = False,
) -> None:
    """Sign a firmware into an image that `flash` brings to a board, or say what an image is."""
    with mistakes_told():
        if version is None:
            _print(parse(_read(file)), None, as_json)
            return
        if key is None:
            raise ValueError("name the private key with --key: an image that nobody signed goes to no board")
        signed = pack(_read(file), hardware=_hardware(hardware), version=_version(version), key=_private_key(key))
        target = out or file.with_suffix(".img")
        try:
            target.write_bytes(signed)
        except OSError as error:
            raise ValueError(f"{target}: {error.strerror}") from None
    _print(parse(signed), target, as_json)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None


def _hardware(text: str) -> int:
    try:
        return int(text, 16)
    except ValueError:
        raise ValueError(f"hardware: {text!r} is not four hexadecimal digits, as {HARDWARE}") from None


def _version(text: str) -> Version:
    parts = text.split(".")
    if len(parts) != 3 or not all(part.isdigit() for part in parts):
        raise ValueError(f"version: {text!r} is not MAJOR.MINOR.PATCH")
    major, minor, patch = map(int, parts)
    return major, minor, patch


def _private_key(path: Path) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(_read(path), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ValueError(f"{path}: no private key without a password: {error}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(f"{path}: not an Ed25519 key")
    return key


def _print(found: Image, target: Path | None, as_json: bool) -> None:
    version = ".".join(map(str, found.version))
    if as_json:
        row = {"hardware": found.hardware_name, "version": version, "bytes": len(found.body)}
        typer.echo(json.dumps(row | {"file": None if target is None else str(target)}))
        return
    where = "" if target is None else f"{target}: "
    typer.echo(f"{where}firmware {version} for hardware {found.hardware_name}, {len(found.body)} bytes")
