"""Secrets of devices: reader keys, passwords. Options name one; they never hold one.

A secret is a file of its own in the station's key directory, readable by its owner only. What is written
replaces the old one whole, and is on the disk before `write` returns: a reader that was given a new key must
find it again after a power cut.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Protocol

from pydantic import Field

NAME_PATTERN = r"^[a-z0-9][a-z0-9_.-]{0,63}$"
# A key has 16 or 32 bytes, a password some dozens; a file beyond this is no secret.
SECRET_BYTES_MAX = 4096

SecretName = Annotated[str, Field(pattern=NAME_PATTERN, description="Name of a file in the station's key directory")]


class SecretError(ValueError):
    """A secret that cannot be had: which, and what to do. Never what it holds."""


class Secrets(Protocol):
    """Where drivers find and keep secrets."""

    def read(self, name: str) -> bytes | None:
        """The secret, None when there is none. Raises SecretError for one that cannot be read."""
        ...

    def write(self, name: str, data: bytes) -> None:
        """Keep a secret; it is on the disk when this returns. Raises SecretError when it cannot be kept."""
        ...

    def where(self, name: str) -> str:
        """Where a person finds it, for a message."""
        ...


class SecretDirectory:
    """Secrets as files of one directory, mode 0600."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def read(self, name: str) -> bytes | None:
        path = self._path(name)
        try:
            with path.open("rb") as file:
                data = file.read(SECRET_BYTES_MAX + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SecretError(f"secret {name!r} cannot be read: {error.strerror}; check {path}") from None
        if len(data) > SECRET_BYTES_MAX:
            raise SecretError(f"secret {name!r} has more than {SECRET_BYTES_MAX} bytes; check {path}")
        return data

    def write(self, name: str, data: bytes) -> None:
        path = self._path(name)
        fresh = path.with_name(f".{path.name}.new")
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                os.fchmod(descriptor, 0o600)
                with os.fdopen(os.dup(descriptor), "wb") as file:
                    file.write(data)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            fresh.replace(path)
            folder = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise SecretError(f"secret {name!r} cannot be kept: {error.strerror}; check {self._directory}") from None

    def where(self, name: str) -> str:
        return str(self._path(name))

    def _path(self, name: str) -> Path:
        if not re.fullmatch(NAME_PATTERN, name):
            raise SecretError(f"{name!r} names no secret: small letters, digits, '.', '_' and '-'")
        return self._directory / name


class NoSecrets:
    """For a bridge that was given no key directory."""

    def read(self, name: str) -> bytes | None:
        return None

    def write(self, name: str, data: bytes) -> None:
        raise SecretError(f"secret {name!r} cannot be kept: no key directory was given")

    def where(self, name: str) -> str:
        return f"{name} (no key directory was given)"
