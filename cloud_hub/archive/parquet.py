"""Rows of a table as a Parquet file, read back and compared before anybody relies on it (DuckDB).

    rows --> staged JSON --> file.parquet.part --> read back: the same rows? --> file.parquet

DuckDB is an extra (`pip install yizhan[archive]`): a hub that archives nothing does without.
"""

from __future__ import annotations

import gzip
import hashlib
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator

from cloud_hub.settings import BadSettings
from cloud_hub.storage.files import digest, on_disk
from cloud_hub.storage.raw import ROWS_AT_ONCE, encode_row
from cloud_hub.supervisor import Transient

if TYPE_CHECKING:
    import duckdb

_MEMORY = "256MB"
_GROUP_ROWS = 20_000  # what a question about one station has to read at least


class ArchiveFailed(Transient):
    """What was written cannot be read, or is something else; the message names the file."""


@dataclass(frozen=True, slots=True)
class Written:
    rows: int
    sha256: str


def need_duckdb() -> None:
    """Raises BadSettings where the extra is missing."""
    try:
        import duckdb  # noqa: F401
    except ImportError:
        raise BadSettings("the archive needs DuckDB: pip install 'yizhan[archive]', or keep everything") from None


def _connect() -> duckdb.DuckDBPyConnection:
    need_duckdb()
    import duckdb

    config: dict[str, str | bool | int | float | list[str]] = {
        "threads": "1",
        "memory_limit": _MEMORY,
        "autoinstall_known_extensions": "false",
    }
    return duckdb.connect(":memory:", config=config)


def write(path: Path, table: sa.Table, rows: Iterable[Sequence[Any]]) -> Written:
    """`rows` as the database holds them (storage/raw.py). The file is whole, verified and on disk when this returns.

    Raises ArchiveFailed, and then there is no file.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    staged, part = path.with_name(path.name + ".json.gz"), path.with_name(path.name + ".part")
    try:
        wanted, count = _stage(staged, table, rows)
        with _connect() as connection:
            connection.read_json(str(staged), format="newline_delimited", columns=_types(table)).write_parquet(
                str(part), compression="zstd", row_group_size=_GROUP_ROWS
            )
        found = _digest_of(read(part))
        if found != wanted:
            raise ArchiveFailed(f"{path} does not hold what was written to it: is the disk all right?")
        part.chmod(0o600)
        on_disk(part)
        part.rename(path)
        on_disk(path.parent)
    finally:
        staged.unlink(missing_ok=True)
        part.unlink(missing_ok=True)
    return Written(count, digest(path))


def read(path: Path) -> Iterator[Sequence[Any]]:
    """The rows, in the order in which they were written."""
    return ask("SELECT * FROM read_parquet($file)", {"file": str(path)})


def ask(question: str, values: dict[str, Any]) -> Iterator[Sequence[Any]]:
    """The answer to a question in SQL about files (`read_parquet($files)`). Raises ArchiveFailed."""
    need_duckdb()
    import duckdb

    with _connect() as connection:
        try:
            connection.execute(question, values)
            while rows := connection.fetchmany(ROWS_AT_ONCE):
                yield from rows
        except duckdb.Error as error:
            raise ArchiveFailed(f"the archive cannot be read: {str(error).splitlines()[0]}") from None


def _stage(path: Path, table: sa.Table, rows: Iterable[Sequence[Any]]) -> tuple[str, int]:
    names = [column.name for column in table.columns]
    said, count = hashlib.sha256(), 0
    path.touch(0o600)
    with gzip.GzipFile(path, "wb", 1, mtime=0) as packed, io.TextIOWrapper(packed, "ascii") as text:
        for row in rows:
            said.update(encode_row(list(row)).encode("ascii"))
            text.write(encode_row(dict(zip(names, row, strict=True))) + "\n")
            count += 1
    return said.hexdigest(), count


def _digest_of(rows: Iterable[Sequence[Any]]) -> str:
    said = hashlib.sha256()
    for row in rows:
        said.update(encode_row(list(row)).encode("ascii"))
    return said.hexdigest()


def _types(table: sa.Table) -> dict[str, str]:
    return {column.name: _type(column.type) for column in table.columns}


def _type(kind: sa.types.TypeEngine[Any]) -> str:
    stored = kind.impl_instance if isinstance(kind, TypeDecorator) else kind
    if isinstance(stored, sa.Boolean):
        return "BOOLEAN"
    return "BIGINT" if isinstance(stored, sa.Integer) else "VARCHAR"
