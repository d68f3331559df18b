"""What was archived: a record of each file, and for every spool of events the place from which its chain goes on.

Records and anchors are proven by the hub's own secret (proofs.py): who can write the database cannot cut off events and
call them archived.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from cloud_hub.archive.parquet import Written
from cloud_hub.proofs import SECRET_FILE, key_for, proof, proves
from cloud_hub.settings import BadSettings
from cloud_hub.storage.bulk import upsert
from cloud_hub.storage.schema import archives, chain_anchors

FOLDER = "archive"  # in the hub's data directory


def archive_key(data: Path) -> bytes:
    """Raises BadSettings without DATA/keys/secret."""
    path = data / "keys" / SECRET_FILE
    try:
        return key_for(path.read_bytes(), "archive")
    except FileNotFoundError:
        raise BadSettings(f"{path} is missing: restore it from the backup") from None


@dataclass(frozen=True, slots=True)
class Anchor:
    """Events of the spool up to `seq` are in the archive; `chain` is that of the last one, none if it had none."""

    seq: int
    chain: str | None


BEGINNING = Anchor(0, None)


def record(connection: sa.Connection, key: bytes, table: str, file: str, written: Written, now: datetime) -> int:
    """The file's id."""
    said = _said(table, file, written.rows, written.sha256)
    row = {"table": table, "file": file, "rows": written.rows, "sha256": written.sha256, "written_at": now}
    result = connection.execute(archives.insert().values(**row, proof=proof(key, said)))
    assert result.inserted_primary_key is not None
    number: int = result.inserted_primary_key[0]
    return number


def is_proven(row: Any, key: bytes) -> bool:
    """Of a row of `archives`."""
    return proves(key, _said(row.table, row.file, row.rows, row.sha256), row.proof)


def done(connection: sa.Connection, number: int, now: datetime) -> None:
    """Nothing of the file is in the database any more."""
    connection.execute(archives.update().where(archives.c.id == number).values(deleted_at=now))


def anchor(
    connection: sa.Connection, key: bytes, spool: tuple[str, str], new: Anchor, archive: int, got_at: datetime
) -> None:
    """The chain of the spool (station, spool) goes on after `new`. `got_at`: when the first of the events came that
    are archived now; an earlier time that is known stays."""
    station, name = spool
    there = (chain_anchors.c.station == station, chain_anchors.c.spool == name)
    began_at = connection.scalar(sa.select(chain_anchors.c.began_at).where(*there))
    row = {"station": station, "spool": name, "seq": new.seq, "chain": new.chain, "archive": archive}
    said = _anchored(station, name, new.seq, new.chain)
    upsert(connection, chain_anchors, [{**row, "proof": proof(key, said), "began_at": began_at or got_at}])


def anchors(connection: sa.Connection, key: bytes | None) -> dict[tuple[str, str], Anchor]:
    """By station and spool. An anchor that `key` does not prove is left out: what it stands for is missing then."""
    return {
        (row.station, row.spool): Anchor(row.seq, row.chain)
        for row in connection.execute(chain_anchors.select())
        if key is not None and proves(key, _anchored(row.station, row.spool, row.seq, row.chain), row.proof)
    }


def _said(table: str, file: str, rows: int, sha256: str) -> str:
    return f"file {table} {file} {rows} {sha256}"


def _anchored(station: str, spool: str, seq: int, chain: str | None) -> str:
    return f"anchor {station} {spool} {seq} {chain}"
