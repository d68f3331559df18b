"""The keys by which the hub signs commands and documents, over time, and how stations learn of the next one.

    DATA/keys/signing.json    {"keys": [{"file", "signs_from"}], "links": [signed Trust, ...]}

    version 1          version 2 (link 2, signed by A)        version 3 (link 3, signed by B)
    {A}  -- rotate -->  {A, B}   B signs from its time on  --> {B, C}  at the next rotation, or {B} by `withdraw`

A station takes only the link after the version that it has, signed by a key that it trusts (wire/enrolment.py). Links
are signed when they are made and kept, so a station that was away over several rotations is led through all of them,
also when the keys that signed the first ones are long destroyed. A station tells its version with every heartbeat.

The file is read again when it has changed: `yizhan-hub signing-key` works beside a hub that runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import Field, ValidationError

from cloud_hub.secret_files import new_ed25519, read_ed25519, write_secret
from cloud_hub.settings import BadSettings
from station_agent.wire.enrolment import Trust
from station_agent.wire.model import UtcTime, Wire
from station_agent.wire.signed import key_id, sign

LEAD_HOURS = 24
"""A new key is announced so long before it signs. A station that learns of it later loses a heartbeat's time."""

LINKS_MAX = 60
"""Versions that can be led to. One rotation a month for five years; more are a mistake."""

_BEGINNING = datetime(2020, 1, 1, tzinfo=UTC)


class CannotRotate(Exception):
    """The message says why and what to do."""


class SigningKeyRow(Wire):
    file: str = Field(pattern=r"^hub(-[0-9]{1,20})?\.pem$")
    signs_from: UtcTime


class _File(Wire):
    keys: tuple[SigningKeyRow, ...] = Field(min_length=1, max_length=2)
    links: tuple[str, ...] = Field(default=(), max_length=LINKS_MAX)


@dataclass(frozen=True, slots=True)
class _Held:
    """One reading of the folder; `keys` by file."""

    content: _File
    keys: dict[str, Ed25519PrivateKey]
    stamp: object


@dataclass(frozen=True, slots=True)
class SigningKeyState:
    """For people: `state` is `signs`, `announced` or `trusted`, that is, of before."""

    id: str
    state: str
    signs_from: datetime


_FIRST = SigningKeyRow(file="hub.pem", signs_from=_BEGINNING)


class SigningKeys:
    """`folder` None: kept nowhere, for descriptions and tests. May be used from several threads."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._held = _Held(_File(keys=(_FIRST,)), {}, None)
        if folder is None:
            self._held = _Held(_File(keys=(_FIRST,)), {_FIRST.file: Ed25519PrivateKey.generate()}, object())

    def current(self, now: datetime) -> Ed25519PrivateKey:
        """The key that signs now. Raises BadSettings."""
        held = self._read()
        return held.keys[_signing(held.content, now).file]

    def trusted(self) -> tuple[str, ...]:
        """The public keys of the newest version, in hex."""
        held = self._read()
        return tuple(_public(held.keys[row.file]) for row in held.content.keys)

    @property
    def version(self) -> int:
        return len(self._read().content.links) + 1

    def link_to(self, version: int) -> str | None:
        """The signed document that leads to this version from the one before."""
        links = self._read().content.links
        return links[version - 2] if 2 <= version <= len(links) + 1 else None

    def links_after(self, version: int) -> tuple[str, ...]:
        return self._read().content.links[max(version - 1, 0) :]

    def states(self, now: datetime) -> list[SigningKeyState]:
        held = self._read()
        signing = _signing(held.content, now)
        return [
            SigningKeyState(
                key_id(held.keys[row.file].public_key()),
                "signs" if row is signing else "announced" if row.signs_from > now else "trusted",
                row.signs_from,
            )
            for row in held.content.keys
        ]

    def rotate(self, now: datetime, lead: timedelta) -> SigningKeyState:
        """A new key that signs from `now + lead` on. The key that signs now signs until then, and the one of before it
        is trusted no longer. Raises CannotRotate."""
        content = self._read().content
        signing = _signing(content, now)
        if any(row.signs_from > now for row in content.keys):
            waiting = max(content.keys, key=lambda row: row.signs_from)
            raise CannotRotate(f"a key is announced already and signs from {waiting.signs_from:%Y-%m-%d %H:%M} UTC on")
        row = SigningKeyRow(file=f"hub-{len(content.links) + 2}.pem", signs_from=now + lead)
        self._advance((signing, row), now, new=row.file)
        return next(state for state in self.states(now) if state.signs_from == row.signs_from)

    def withdraw(self, id: str, now: datetime) -> None:
        """The key `id` is trusted no longer: it was stolen, or has had its time. Raises CannotRotate."""
        held = self._read()
        gone = [row for row in held.content.keys if key_id(held.keys[row.file].public_key()) == id]
        if not gone:
            raise CannotRotate(f"there is no signing key {id}: see `yizhan-hub signing-key list`")
        if gone[0] is _signing(held.content, now):
            raise CannotRotate(f"{id} signs now: first `yizhan-hub signing-key rotate --at-once`")
        self._advance(tuple(row for row in held.content.keys if row is not gone[0]), now)

    def _advance(self, rows: tuple[SigningKeyRow, ...], now: datetime, new: str = "") -> None:
        """The next version: its keys, and the link that leads to it, signed by the key that signs now."""
        held = self._read()
        if len(held.content.links) >= LINKS_MAX:
            raise CannotRotate(f"{LINKS_MAX} rotations are all that stations can be led through: claim them anew")
        keys = dict(held.keys)
        if new and self._folder is not None:
            new_ed25519(self._folder / new)
            keys[new] = read_ed25519(self._folder / new)
        elif new:
            keys[new] = Ed25519PrivateKey.generate()
        trust = Trust(
            version=len(held.content.links) + 2,
            issued_at=now,
            hub_keys=tuple(_public(keys[row.file]) for row in rows),
        )
        signer = held.keys[_signing(held.content, now).file]
        link = sign("document", trust.model_dump_json(), signer).decode()
        content = _File(keys=rows, links=(*held.content.links, link))
        if self._folder is None:
            self._held = _Held(content, {row.file: keys[row.file] for row in rows}, object())
            return
        write_secret(self._folder / "signing.json", content.model_dump_json(indent=1).encode())
        for file in set(keys) - {row.file for row in rows}:
            (self._folder / file).unlink(missing_ok=True)

    def _read(self) -> _Held:
        """Again when the file has changed; the first time it is made."""
        if self._folder is None:
            return self._held
        path = self._folder / "signing.json"
        if not path.exists():
            if not (self._folder / _FIRST.file).exists():
                new_ed25519(self._folder / _FIRST.file)
            write_secret(path, _File(keys=(_FIRST,)).model_dump_json(indent=1).encode())
        found = path.stat()
        stamp = (found.st_mtime_ns, found.st_ino)
        if stamp != self._held.stamp:
            try:
                content = _File.model_validate_json(path.read_bytes())
            except ValidationError as error:
                raise BadSettings(f"{path} is no list of signing keys: restore it from the backup") from error
            keys = {row.file: read_ed25519(self._folder / row.file) for row in content.keys}
            self._held = _Held(content, keys, stamp)
        return self._held


def _signing(content: _File, now: datetime) -> SigningKeyRow:
    """The last that has begun; the first one where the clock stands before all of them."""
    begun = [row for row in content.keys if row.signs_from <= now]
    return max(begun, key=lambda row: row.signs_from) if begun else content.keys[0]


def _public(key: Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes_raw().hex()
