"""Is the archive still what left the database? And what does it say?"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import sqlalchemy as sa

from cloud_hub.archive.parquet import ask, read
from cloud_hub.archive.records import FOLDER, anchors, is_proven
from cloud_hub.storage.files import digest
from cloud_hub.storage.schema import archives, audit, chain_anchors, events, moment, telemetry
from station_agent.wire import chain

TABLES = {table.name: table for table in (telemetry, events, audit)}


@dataclass(frozen=True, slots=True)
class FileReport:
    """`fault` None: the file is whole."""

    file: str
    table: str
    rows: int
    fault: str | None


def checked(connection: sa.Connection, data: Path, key: bytes) -> tuple[list[FileReport], list[str]]:
    """Every file that was ever written, and what is wrong with the chains of archived events."""
    folder = data / FOLDER
    files = [
        FileReport(row.file, row.table, row.rows, _fault(folder / row.file, row, key))
        for row in connection.execute(archives.select().order_by(archives.c.id))
    ]
    whole = [folder / file.file for file in files if file.table == events.name and file.fault is None]
    return files, list(_chain_faults(connection, whole, key))


def _fault(path: Path, row: Any, key: bytes) -> str | None:
    if not is_proven(row, key):
        return "its record was changed, or is another hub's"
    if not path.is_file():
        return "it is missing: restore it from the backup"
    return None if digest(path) == row.sha256 else "it was changed, or is damaged: restore it from the backup"


def _chain_faults(connection: sa.Connection, files: Sequence[Path], key: bytes) -> Iterator[str]:
    """Follows each spool from its first event to its anchor."""
    proven = anchors(connection, key)
    heads: dict[tuple[str, str], tuple[int, str | None]] = {}
    for row in map(_event, archived_rows(files, events)):
        name = (row.station, row.spool)
        seq, before = heads.get(name, (0, None))
        if row.seq != seq + 1:
            yield f"{row.station}: events {seq + 1} to {row.seq - 1} of spool {row.spool} are missing in the archive"
        elif row.chain is not None:
            due = chain.link(
                before or chain.beginning(row.spool),
                row.seq,
                row.reported_at,
                row.boot,
                row.mono_ms,
                row.kind,
                row.body,
            )
            if due != row.chain:
                yield f"{row.station}: event {row.seq} of spool {row.spool} was changed, or the one before it was"
        heads[name] = (row.seq, row.chain or before)
    for station, spool in connection.execute(sa.select(chain_anchors.c.station, chain_anchors.c.spool)):
        anchor = proven.get((station, spool))
        seq, head = heads.get((station, spool), (0, None))
        if anchor is None:
            yield f"{station}: the anchor of spool {spool} was changed, or is another hub's"
        elif seq < anchor.seq or (seq == anchor.seq and head != anchor.chain):
            yield f"{station}: the archive of spool {spool} ends at event {seq} and not at {anchor.seq}"


def files_of(folder: Path, table: sa.Table) -> list[Path]:
    """Those that are there, oldest first."""
    return sorted((folder / table.name).rglob("*.parquet"))


def archived_rows(files: Sequence[Path], table: sa.Table, station: str = "") -> Iterator[dict[str, Any]]:
    """Of these files of the table, as the database held them; of one station, if it is named (not of the audit).

    A row can be in two files, when the hub was killed or rows came late while it archived: it comes once.
    """
    names = [column.name for column in table.columns]
    rows = _by_time(files, station) if table is telemetry else _by_number(files, table, names, station)
    for row in rows:
        yield dict(zip(names, row, strict=True))


def _by_number(files: Sequence[Path], table: sa.Table, names: Sequence[str], station: str) -> Iterator[Sequence[Any]]:
    """Events and audit leave in the order of their numbers: a number that is not above the last one came before."""
    *group, number = (names.index(column.name) for column in table.primary_key)
    last: dict[tuple[Any, ...], int] = {}
    for file in files:
        for row in read(file):
            of = tuple(row[place] for place in group)
            if row[number] > last.get(of, 0) and (not station or station in of):
                last[of] = row[number]
                yield row


def _by_time(files: Sequence[Path], station: str) -> Iterator[Sequence[Any]]:
    """Telemetry: one station after the other, which bounds what has to be sorted at a time."""
    if not files:
        return
    one_of_each = "SELECT DISTINCT station FROM read_parquet($files) ORDER BY station"
    of_one = 'SELECT DISTINCT * FROM read_parquet($files) WHERE station = $station ORDER BY "at", spool, seq'
    paths = [str(file) for file in files]
    for (name,) in [(station,)] if station else list(ask(one_of_each, {"files": paths})):
        yield from ask(of_one, {"files": paths, "station": name})


def _event(row: dict[str, Any]) -> SimpleNamespace:
    """With its time and its body as they were chained."""
    return SimpleNamespace(**{**row, "reported_at": moment(row["reported_at"]), "body": json.loads(row["body"])})
