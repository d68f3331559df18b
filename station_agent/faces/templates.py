"""Owns the face templates at rest: a SQLite file of encrypted rows, each with its consent, and the key in a file apart.

    row     id | member | engine | created_at | consent given_at, purpose, expires_at, stations | nonce | sealed
    sealed  AES-256-GCM of the embedding (float32, little endian); bound to every other column, so that a row moved to
            another member, or whose consent was prolonged by hand, does not open

Deleting overwrites (`secure_delete`); what a flash chip keeps of it is ciphertext. No picture is ever stored, no
template ever logged. Calls block for milliseconds and hold nothing open between them: call them in a thread.
"""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlite_utils import Database
from sqlite_utils.db import Table

from station_agent.faces.engine import Embedding
from station_agent.wire.commands import Consent
from station_agent.wire.documents import Erasure

KEY_BYTES = 32
NONCE_BYTES = 12
BUSY_S = 5.0  # a backup that reads the file is waited for this long

COLUMNS: dict[str, Any] = {
    "id": str,
    "member": str,
    "engine": str,
    "created_at": str,
    "given_at": str,
    "purpose": str,
    "expires_at": str,
    "stations": str,  # JSON; none in rows of the first version
    "nonce": bytes,
    "sealed": bytes,
}
BOUND = ("id", "member", "engine", "created_at", "given_at", "purpose", "expires_at")


ERASURES: dict[str, Any] = {"id": str, "member": str, "asked_at": str, "templates": int}
"""Erasures that were asked for and done: asked again, they give the same receipt, and a consent from before is over."""

ERASURES_KEPT = 10_000  # the oldest go; a hub has long heard of those


class ConsentWithdrawn(Exception):
    """The member has asked for an erasure since this consent was given."""


class TemplatesUnusable(Exception):
    """The store as a whole cannot be used; the sentence says which file and what to do."""


@dataclass(frozen=True)
class Template:
    id: str
    member: str
    engine: str
    expires_at: datetime
    embedding: Embedding = field(repr=False)


@dataclass(frozen=True)
class Loaded:
    """`damaged` has one sentence for each row that did not open; those rows match nobody."""

    templates: tuple[Template, ...]
    damaged: tuple[str, ...]


class TemplateStore:
    """`path` is the SQLite file, `key_path` the station key's. They may not share a folder: whoever copies the data
    must not get the key along with it.
    """

    def __init__(self, path: Path, key_path: Path) -> None:
        self.path = path
        self._key_path = key_path

    def add(
        self, member: str, engine: str, embeddings: Sequence[Embedding], consent: Consent, created_at: datetime
    ) -> None:
        """Puts these in the place of all templates that the member had, in one transaction. Raises ConsentWithdrawn."""
        with self._opened() as table:
            _check_consent(table, member, consent)
            key = AESGCM(self._key(make=table.count == 0))
            rows = [_sealed(key, member, engine, embedding, consent, created_at) for embedding in embeddings]
            with table.db.conn:
                table.delete_where("member = ?", [member])
                table.insert_all(rows)

    def load(self) -> Loaded:
        """Every template that opens. Raises TemplatesUnusable when there are rows and no key."""
        with self._opened() as table:
            rows = list(table.rows)
        if not rows:
            return Loaded((), ())
        key = AESGCM(self._key_that_opens(rows))
        templates, damaged = [], []
        for row in rows:
            try:
                templates.append(_opened_row(key, row))
            except InvalidTag:
                damaged.append(
                    f"face template {row['id']} of member {row['member']} was changed or sealed with another key: "
                    "erase the member's face and enrol again"
                )
            except (ValueError, TypeError) as error:
                damaged.append(f"face template {row['id']} of member {row['member']} cannot be read: {error}")
        return Loaded(tuple(templates), tuple(damaged))

    def erase(self, member: str) -> int:
        """How many templates were deleted. Needs no key."""
        with self._opened() as table, table.db.conn:
            return _deleted(table, "member = ?", [member])

    def erase_asked(self, erasure: Erasure) -> int:
        """How many templates with an older consent were deleted, now or when it was asked before. Needs no key."""
        with self._opened() as table, table.db.conn as db:
            # Not by sqlite-utils, which would commit each statement for itself.
            known = db.execute("SELECT templates FROM erasures WHERE id = ?", (str(erasure.id),)).fetchone()
            if known is not None:
                return int(known[0])
            old = (erasure.member, _stamp(erasure.asked_at))
            count = db.execute("DELETE FROM templates WHERE member = ? AND given_at <= ?", old).rowcount
            db.execute("INSERT INTO erasures VALUES (?, ?, ?, ?)", (str(erasure.id), *old, count))
            db.execute(
                "DELETE FROM erasures WHERE id NOT IN (SELECT id FROM erasures ORDER BY asked_at DESC LIMIT ?)",
                (ERASURES_KEPT,),
            )
            return int(count)

    def check_consent(self, member: str, consent: Consent) -> None:
        """Raises ConsentWithdrawn for a consent from before an erasure."""
        with self._opened() as table:
            _check_consent(table, member, consent)

    def rekey(self) -> int:
        """Seals every template with a new key and forgets the old one; how many there were. A power cut in between
        leaves the old key or the new one beside it (`.next`), and the next start goes on from there.
        """
        with self._opened() as table:
            rows = list(table.rows)
            old = AESGCM(self._key_that_opens(rows))
            fresh = self._new_key(self._next_path)
            with table.db.conn:
                for row in rows:
                    nonce = secrets.token_bytes(NONCE_BYTES)
                    try:
                        plain = old.decrypt(bytes(row["nonce"]), bytes(row["sealed"]), _bound(row))
                    except InvalidTag:
                        raise TemplatesUnusable(
                            f"face template {row['id']} of member {row['member']} does not open: erase that face; "
                            "no key was changed"
                        ) from None
                    sealed = AESGCM(fresh).encrypt(nonce, plain, _bound(row))
                    # Not by sqlite-utils, which would commit each row for itself.
                    table.db.conn.execute(
                        "UPDATE templates SET nonce = ?, sealed = ? WHERE id = ?", (nonce, sealed, row["id"])
                    )
            self._next_path.rename(self._key_path)
            _sync_folder(self._key_path.parent)
            return len(rows)

    def erase_expired(self, now: datetime) -> dict[str, int]:
        """Deletes every template whose consent has ended; members with the count of each."""
        moment = _stamp(now)
        with self._opened() as table, table.db.conn:
            expired = Counter(str(row["member"]) for row in table.rows_where("expires_at <= ?", [moment]))
            _deleted(table, "expires_at <= ?", [moment])
        return dict(expired)

    @contextmanager
    def _opened(self) -> Iterator[Table]:
        if self._key_path.resolve().parent == self.path.resolve().parent:
            raise TemplatesUnusable(f"the face key {self._key_path} must lie in another folder than {self.path.name}")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
            with closing(Database(str(self.path))) as db:
                db.conn.execute(f"PRAGMA busy_timeout = {round(BUSY_S * 1000)}")
                db.conn.execute("PRAGMA secure_delete = ON")
                table = db.table("templates")
                table.create(COLUMNS, pk="id", not_null=set(COLUMNS) - {"stations"}, if_not_exists=True)
                if "stations" not in table.columns_dict:
                    table.add_column("stations", str)
                db.table("erasures").create(ERASURES, pk="id", not_null=set(ERASURES), if_not_exists=True)
                yield table
        except (sqlite3.Error, OSError) as error:
            raise TemplatesUnusable(f"the face templates {self.path} cannot be used: {error}") from error

    def _key(self, *, make: bool) -> bytes:
        """The station key; `make` one when there is none yet, which only an empty store allows."""
        try:
            if stat.S_IMODE(self._key_path.stat().st_mode) & 0o077:
                raise TemplatesUnusable(f"others may read the face key {self._key_path}: chmod 600 it")
            key = self._key_path.read_bytes()
        except FileNotFoundError:
            if not make:
                raise TemplatesUnusable(
                    f"the face key {self._key_path} is gone: put it back, or delete {self.path} and enrol again"
                ) from None
            return self._new_key(self._key_path)
        if len(key) != KEY_BYTES:
            raise TemplatesUnusable(f"the face key {self._key_path} has {len(key)} bytes, not {KEY_BYTES}")
        return key

    @property
    def _next_path(self) -> Path:
        return self._key_path.with_name(self._key_path.name + ".next")

    def _key_that_opens(self, rows: Sequence[dict[str, Any]]) -> bytes:
        """The key; the next one where a change of keys was cut off after the rows had it."""
        key = self._key(make=False)
        if self._next_path.exists():
            fresh = self._next_path.read_bytes()
            if len(fresh) == KEY_BYTES and any(_opens(AESGCM(fresh), row) for row in rows):
                self._next_path.rename(self._key_path)
                _sync_folder(self._key_path.parent)
                return fresh
            self._next_path.unlink()  # cut off before the rows had it
        return key

    def _new_key(self, path: Path) -> bytes:
        key = secrets.token_bytes(KEY_BYTES)
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(path.name + ".new")
        fresh.unlink(missing_ok=True)  # of a start that a power cut ended here
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(key)
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(path)
        _sync_folder(path.parent)  # rows that a power cut leaves without their key would be lost
        return key


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _check_consent(table: Table, member: str, consent: Consent) -> None:
    given_at = _stamp(consent.given_at)
    if table.db.table("erasures").count_where("member = ? AND asked_at >= ?", [member, given_at]):
        raise ConsentWithdrawn("the member has asked for an erasure since this consent: ask for a new one")


def _opens(key: AESGCM, row: dict[str, Any]) -> bool:
    try:
        key.decrypt(bytes(row["nonce"]), bytes(row["sealed"]), _bound(row))
    except InvalidTag:
        return False
    return True


def _deleted(table: Table, where: str, values: list[str]) -> int:
    count = table.count_where(where, values)
    table.delete_where(where, values)
    return count


def _sealed(
    key: AESGCM, member: str, engine: str, embedding: Embedding, consent: Consent, created_at: datetime
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": uuid4().hex,
        "member": member,
        "engine": engine,
        "created_at": _stamp(created_at),
        "given_at": _stamp(consent.given_at),
        "purpose": consent.purpose,
        "expires_at": _stamp(consent.expires_at),
        "stations": json.dumps(consent.stations),
    }
    nonce = secrets.token_bytes(NONCE_BYTES)
    plain = np.asarray(embedding, dtype="<f4").tobytes()
    return row | {"nonce": nonce, "sealed": key.encrypt(nonce, plain, _bound(row))}


def _opened_row(key: AESGCM, row: dict[str, Any]) -> Template:
    plain = key.decrypt(bytes(row["nonce"]), bytes(row["sealed"]), _bound(row))
    embedding = np.frombuffer(plain, dtype="<f4").astype(np.float64)
    return Template(row["id"], row["member"], row["engine"], datetime.fromisoformat(row["expires_at"]), embedding)


def _bound(row: dict[str, Any]) -> bytes:
    """What the seal is bound to. A row that says no stations was sealed by the first version, and opens only so."""
    told = [row[name] for name in BOUND]
    if row["stations"] is None:
        return json.dumps(["yizhan face template 1", *told]).encode()
    return json.dumps(["yizhan face template 2", *told, row["stations"]]).encode()


def _stamp(moment: datetime) -> str:
    """UTC with a fixed number of digits, so that the column sorts as time does."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
