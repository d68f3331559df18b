"""The issuer's keys over time: which one certifies phones now, and which ones stations still have to know.

    DATA/keys/issuers.json    [{"kid", "file", "signs_from", "signs_until"}]      file: a PEM in the same folder

            announced                      signs                    known until its last certificate ends
    |-----------------------|-----------------------------------|=====================================|
    rotate              signs_from                         signs_until     + CERTIFICATE_LIFETIME + 1 day

A new key is in the rosters before it certifies anything: a station that is offline for days must know it when the
first phone with its certificate comes. An old key stays in the rosters until the certificates that it made have
ended. A withdrawn one (it was stolen) vouches for nobody from that moment on.

The file is read again when it has changed: `yizhan-hub issuer` works beside a hub that runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import Field, TypeAdapter, ValidationError

from cloud_hub.secret_files import new_ed25519, read_ed25519, write_secret
from cloud_hub.settings import BadSettings
from station_agent.wire.documents import Algorithm, IssuerKey
from station_agent.wire.model import UtcTime, Wire

CERTIFICATE_LIFETIME = timedelta(days=14)
LEAD_DAYS = 14
"""How long a new key is announced before it signs: longer than a station is usually without the hub."""

KEYS_MAX = 8
"""In the rosters at a time; a roster holds 16. More rotations than that in a fortnight are a mistake."""

_FIRST_KID = 1
_LAST_KID = 255
_BEGINNING = datetime(2020, 1, 1, tzinfo=UTC)


class CannotRotate(Exception):
    """The message says why and what to do."""


class IssuerRow(Wire):
    """One key as issuers.json has it. `signs_until` None: until the next one begins."""

    kid: int = Field(ge=0, le=_LAST_KID)
    file: str = Field(pattern=r"^issuer(-[0-9]{1,3}-[0-9]{8,14})?\.pem$")
    signs_from: UtcTime
    signs_until: UtcTime | None = None
    withdrawn_at: UtcTime | None = None

    def known_until(self, now: datetime) -> datetime:
        """When the last certificate by this key has ended, as far as is known now."""
        if self.signs_until is not None:
            return self.signs_until + CERTIFICATE_LIFETIME + timedelta(days=1)
        return datetime(now.year + 2, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Issuer:
    kid: int
    key: Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class _Held:
    """One reading of the folder; `keys` by file."""

    rows: list[IssuerRow]
    keys: dict[str, Ed25519PrivateKey]
    stamp: object


_ROWS = TypeAdapter(list[IssuerRow])
_FIRST = IssuerRow(kid=_FIRST_KID, file="issuer.pem", signs_from=_BEGINNING)


class Issuers:
    """`folder` None: kept nowhere, for descriptions and tests. May be used from several threads."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._held = _Held([], {}, None)
        if folder is None:
            self._held = _Held([_FIRST], {_FIRST.file: Ed25519PrivateKey.generate()}, 0)

    def current(self, now: datetime) -> Issuer:
        """The key that certifies phones now. Raises BadSettings."""
        held = self._read()
        signing = [row for row in held.rows if _signs(row, now)]
        if not signing:
            raise BadSettings("no issuer key certifies phones at this time: run `yizhan-hub issuer rotate --at-once`")
        row = max(signing, key=lambda row: row.signs_from)
        return Issuer(row.kid, held.keys[row.file])

    def known(self, now: datetime) -> tuple[IssuerKey, ...]:
        """What rosters say: every key whose certificates may still be shown. A withdrawn one has ended already, and is
        told only so that stations recognise its certificates as certificates."""
        held = self._read()
        return tuple(
            IssuerKey(
                kid=row.kid,
                algorithm=Algorithm.ED25519,
                public=held.keys[row.file].public_key().public_bytes_raw().hex(),
                not_after=row.withdrawn_at or row.known_until(now),
            )
            for row in sorted(held.rows, key=lambda row: row.kid)
            if row.known_until(now) > now
        )

    @property
    def stamp(self) -> object:
        """Differs once something has changed since."""
        return self._read().stamp

    def rows(self) -> list[IssuerRow]:
        return list(self._read().rows)

    def rotate(self, now: datetime, lead: timedelta) -> IssuerRow:
        """Make a new key that signs from `now + lead` on; the one that signs now does so until then. Without a lead, a
        key that is announced already begins at once.

        Raises CannotRotate.
        """
        rows = self._read().rows
        waiting = next((row for row in rows if row.signs_from > now and row.withdrawn_at is None), None)
        if waiting is not None and lead:
            raise CannotRotate(
                f"issuer key {waiting.kid} is announced already and signs from {waiting.signs_from:%Y-%m-%d} on"
            )
        if waiting is not None:
            begun = waiting.model_copy(update={"signs_from": now})
            others = [
                row.model_copy(update={"signs_until": now}) if row.signs_until == waiting.signs_from else row
                for row in rows
                if row is not waiting
            ]
            self._write([*others, begun])
            return begun
        kept = [row for row in rows if row.known_until(now) > now]
        if len(kept) >= KEYS_MAX:
            raise CannotRotate(f"{len(kept)} issuer keys are still known to stations: wait until one has ended")
        signs_from = now + lead
        kid = _free_kid(rows, kept)
        row = IssuerRow(kid=kid, file=f"issuer-{kid}-{now:%Y%m%d%H%M%S}.pem", signs_from=signs_from)
        ended = [
            old if old.signs_until is not None else old.model_copy(update={"signs_until": signs_from}) for old in kept
        ]
        self._write([*ended, row], new=row.file)
        return row

    def withdraw(self, kid: int, now: datetime) -> None:
        """The key was stolen: from now on it vouches for nobody. Raises CannotRotate."""
        rows = self._read().rows
        row = next((row for row in rows if row.kid == kid and row.known_until(now) > now), None)
        if row is None:
            raise CannotRotate(f"there is no issuer key {kid}: see `yizhan-hub issuer list`")
        if not any(other.kid != kid and _signs(other, now) for other in rows):
            raise CannotRotate(
                f"issuer key {kid} is the only one that signs: first `yizhan-hub issuer rotate --at-once`"
            )
        until = min(row.signs_until or now, now)
        changed = row.model_copy(update={"withdrawn_at": row.withdrawn_at or now, "signs_until": until})
        self._write([changed if other is row else other for other in rows])

    def _read(self) -> _Held:
        """Again when the file has changed; the first time it is made."""
        if self._folder is None:
            return self._held
        path = self._folder / "issuers.json"
        if not path.exists():
            self._write([_FIRST], new="" if (self._folder / _FIRST.file).exists() else _FIRST.file)
        found = path.stat()
        stamp = (found.st_mtime_ns, found.st_ino)
        if stamp != self._held.stamp:
            try:
                rows = _ROWS.validate_json(path.read_bytes())
            except ValidationError as error:
                raise BadSettings(f"{path} is no list of issuer keys: restore it from the backup") from error
            self._held = _Held(rows, {row.file: read_ed25519(self._folder / row.file) for row in rows}, stamp)
        return self._held

    def _write(self, rows: list[IssuerRow], new: str = "") -> None:
        """The list, after the `new` key that it names; a key that it names no longer is destroyed."""
        if self._folder is None:
            keys = {file: key for file, key in self._held.keys.items() if any(row.file == file for row in rows)}
            self._held = _Held(rows, keys | ({new: Ed25519PrivateKey.generate()} if new else {}), object())
            return
        if new:
            new_ed25519(self._folder / new)
        write_secret(self._folder / "issuers.json", _ROWS.dump_json(rows, indent=1))
        for file in set(self._held.keys) - {row.file for row in rows}:
            (self._folder / file).unlink(missing_ok=True)


def _signs(row: IssuerRow, now: datetime) -> bool:
    return row.withdrawn_at is None and row.signs_from <= now and (row.signs_until is None or now < row.signs_until)


def _free_kid(rows: list[IssuerRow], kept: list[IssuerRow]) -> int:
    """The one after the newest; after the last one it begins again with those that are free."""
    taken = {row.kid for row in kept}
    newest = max((row.signs_from, row.kid) for row in rows)[1] if rows else 0
    candidates: list[int] = [*range(newest + 1, _LAST_KID + 1), *range(_FIRST_KID, newest + 1)]
    return next(kid for kid in candidates if kid not in taken)
