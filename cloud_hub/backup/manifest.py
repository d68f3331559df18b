"""What a backup is: a folder, and in it manifest.json, which says what belongs there and proves it.

    manifest.json         what is in it, of which schema and when, the SHA-256 of every file, a proof over all of that
    tables/NAME.jsonl.gz  one table: the names of its columns, then its rows, as one JSON list a line
    keys.enc              DATA/keys and the broker's ports, if a passphrase was given (backup/secrets.py)

The same files come from SQLite and from PostgreSQL, and go into either. Who has not the hub's keys cannot make a
backup that the hub would take for its own (proofs.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cloud_hub.proofs import proof, proves
from cloud_hub.storage.files import digest, on_disk

MANIFEST = "manifest.json"
KEYS = "keys.enc"
TABLES = "tables"


class BadBackup(Exception):
    """The folder is no whole backup, or not this hub's; the message says what is wrong and what to do."""


class TableFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    rows: int
    sha256: str


class Manifest(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    made_at: datetime
    schema_revision: str = Field(description="of the migrations that made the tables")
    database: str = Field(description="sqlite or postgresql: where the rows came from")
    tables: dict[str, TableFile]
    keys_sha256: str | None = Field(description="none: the hub's keys are not in it")
    proof: str = Field(default="", description="over all of this but itself; empty when the hub had no keys yet")

    def proven(self, key: bytes) -> Manifest:
        return self.model_copy(update={"proof": proof(key, self._said())})

    def is_proven(self, key: bytes) -> bool:
        return proves(key, self._said(), self.proof)

    def _said(self) -> str:
        return self.model_copy(update={"proof": ""}).model_dump_json()


def read_manifest(folder: Path) -> Manifest:
    """Raises BadBackup."""
    try:
        return Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except FileNotFoundError:
        raise BadBackup(f"{folder} is no backup: it has no {MANIFEST}") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise BadBackup(f"{folder / MANIFEST}: {where}: {first['msg']}: use a hub as new as the backup") from None


def check_files(folder: Path, manifest: Manifest) -> None:
    """Every file is there and is what the manifest says. Raises BadBackup that names the first one that is not."""
    wanted = {table_file(name): file.sha256 for name, file in manifest.tables.items()}
    if manifest.keys_sha256 is not None:
        wanted[Path(KEYS)] = manifest.keys_sha256
    for name, sha256 in sorted(wanted.items()):
        try:
            found = digest(folder / name)
        except FileNotFoundError:
            raise BadBackup(f"{folder / name} is missing: use another backup") from None
        if found != sha256:
            raise BadBackup(f"{folder / name} is not as it was written (its SHA-256 differs): use another backup")


def table_file(name: str) -> Path:
    return Path(TABLES) / f"{name}.jsonl.gz"


@contextmanager
def whole_or_nothing(folder: Path) -> Iterator[Path]:
    """A private folder beside `folder`, which takes its name when all is written and on disk.

    Raises BadBackup when there is something of that name. What a crash left half made is made anew.
    """
    if folder.exists():
        raise BadBackup(f"{folder} is there already: name another folder, or remove it")
    part = folder.with_name(folder.name + ".part")
    _remove(part)
    folder.parent.mkdir(parents=True, exist_ok=True)
    part.mkdir(mode=0o700)
    try:
        (part / TABLES).mkdir(mode=0o700)
        yield part
        for path in (*sorted(part.rglob("*")), part):
            on_disk(path)
        part.rename(folder)
        on_disk(folder.parent)
    except BaseException:
        _remove(part)
        raise


def _remove(folder: Path) -> None:
    if not folder.exists():
        return
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    folder.rmdir()
