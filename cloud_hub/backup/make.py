"""Makes a backup of a hub that runs: every table as it was at one moment, and the keys if there is a passphrase.

Everything is read in one transaction that sees one moment (a snapshot of SQLite's write-ahead log; REPEATABLE READ),
so the hub goes on taking in, and what it takes in meanwhile is not in the backup. Log-ins are left out: whoever finds
an old backup must not come in by a session of then.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from cloud_hub.backup.manifest import KEYS, MANIFEST, Manifest, TableFile, table_file, whole_or_nothing
from cloud_hub.backup.secrets import proving_key, sealed
from cloud_hub.secret_files import write_secret
from cloud_hub.storage.files import digest
from cloud_hub.storage.migrate import newest
from cloud_hub.storage.raw import ROWS_AT_ONCE, encode_row, raw_columns
from cloud_hub.storage.schema import metadata, phone_tickets, sessions

LEFT_OUT = frozenset({sessions.name, phone_tickets.name})
_LEVEL = 1  # of gzip: the disk is slower than this, the next levels are not


def make(
    connection: sa.Connection, folder: Path, now: datetime, keys: Mapping[str, bytes], passphrase: str
) -> Manifest:
    """Writes the backup to `folder`, which must not be there. `keys`: backup/secrets.py's; no passphrase, no keys.

    Raises BadBackup, and then nothing is left of it.
    """
    with whole_or_nothing(folder) as part:
        tables = {
            table.name: _write_table(connection, table, part / table_file(table.name))
            for table in metadata.sorted_tables
            if table.name not in LEFT_OUT
        }
        if passphrase:
            write_secret(part / KEYS, sealed(dict(keys), passphrase))
        manifest = Manifest(
            made_at=now,
            schema_revision=newest(),
            database=connection.dialect.name,
            tables=tables,
            keys_sha256=digest(part / KEYS) if passphrase else None,
        )
        key = proving_key(dict(keys))
        if key is not None:
            manifest = manifest.proven(key)
        write_secret(part / MANIFEST, manifest.model_dump_json(indent=1).encode())
    return manifest


def _write_table(connection: sa.Connection, table: sa.Table, path: Path) -> TableFile:
    query = sa.select(*raw_columns(table)).execution_options(yield_per=ROWS_AT_ONCE)
    rows = 0
    path.touch(0o600)
    with gzip.GzipFile(path, "wb", _LEVEL, mtime=0) as packed, io.TextIOWrapper(packed, "ascii") as text:
        text.write(encode_row([column.name for column in table.columns]) + "\n")
        for part in connection.execute(query).partitions():
            text.write("".join(encode_row(list(row)) + "\n" for row in part))
            rows += len(part)
    return TableFile(rows=rows, sha256=digest(path))
