"""What `yizhan-hub backup` and `restore` do: the folder, the keys and the database of one hub."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from cloud_hub.backup.make import make
from cloud_hub.backup.manifest import KEYS, BadBackup, Manifest, check_files, read_manifest
from cloud_hub.backup.restore import occupied, restore
from cloud_hub.backup.secrets import PASSPHRASE_LENGTH_MIN, key_files, opened, proving_key, put_back
from cloud_hub.lock import only_hub
from cloud_hub.storage.engines import Where, engine_of, reading
from cloud_hub.storage.files import on_disk
from cloud_hub.storage.migrate import newest, revision_of


def make_backup(data: Path, where: Where, folder: Path, passphrase: str, now: datetime) -> Manifest:
    """Of a hub that may run. Raises BadBackup."""
    if passphrase and len(passphrase) < PASSPHRASE_LENGTH_MIN:
        raise BadBackup(f"the passphrase needs at least {PASSPHRASE_LENGTH_MIN} characters: it guards the hub's keys")
    with _engine(where) as engine, reading(engine).connect() as connection:
        revision = revision_of(connection)
        if revision != newest():
            raise BadBackup(
                f"the database has the schema {revision}, this program knows {newest()}: make the backup with the "
                "version of the hub that runs"
            )
        return make(connection, folder, now, key_files(data), passphrase)


def restore_backup(
    data: Path,
    where: Where,
    folder: Path,
    passphrase: str,
    now: datetime,
    actor: str,
    *,
    overwrite: bool,
    new_keys: bool,
    done: Callable[[str, int], None] = lambda _table, _rows: None,
) -> Manifest:
    """Into the folder `data` and the database `where`. Checks everything before it changes anything.

    `overwrite`: what is there is put aside (a file, keys) or replaced (PostgreSQL). `new_keys`: go on without the keys
    that stations know. Raises BadBackup, and BadSettings while a hub runs there.
    """
    manifest = read_manifest(folder)
    check_files(folder, manifest)
    keys = _keys(data, folder, manifest, passphrase, overwrite=overwrite, new_keys=new_keys)
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    with only_hub(data):
        if _occupied(where) and not overwrite:
            raise BadBackup(f"{_name(where)} holds a hub already: --overwrite replaces it by the backup")
        _put_keys(data, keys, now)

        def fill(connection: sa.Connection) -> None:
            restore(connection, folder, manifest, now, actor, done)

        if isinstance(where, Path):
            _restore_file(where, fill, now)
        else:
            with _engine(where) as engine, engine.begin() as connection:
                fill(connection)
    return manifest


@contextmanager
def _engine(where: Where) -> Iterator[sa.Engine]:
    engine = engine_of(where)
    try:
        yield engine
    finally:
        engine.dispose()


def _occupied(where: Where) -> bool:
    if isinstance(where, Path) and not where.is_file():
        return False
    with _engine(where) as engine, engine.connect() as connection:
        return occupied(connection)


def _keys(
    data: Path, folder: Path, manifest: Manifest, passphrase: str, *, overwrite: bool, new_keys: bool
) -> dict[str, bytes]:
    """The key files to put in place; none when those in `data` stay. The manifest is proven by whichever it is."""
    there = key_files(data)
    if manifest.keys_sha256 is not None and passphrase:
        keys = opened((folder / KEYS).read_bytes(), passphrase)
        if there and there != keys and not overwrite:
            raise BadBackup(f"{data / 'keys'} holds other keys than the backup: --overwrite puts them aside")
    else:
        keys = {}
    key = proving_key(keys or there)
    if key is not None and not manifest.is_proven(key):
        whose = "in it" if keys else f"in {data / 'keys'}"
        raise BadBackup(f"{folder} was not made by the hub whose keys are {whose}, or it was changed since")
    if key is None and not new_keys:
        what = (
            "give its passphrase by --passphrase-file" if manifest.keys_sha256 else f"put your copy at {data / 'keys'}"
        )
        raise BadBackup(
            f"stations obey only the hub whose keys they know: {what}. --new-keys goes on without them, and then every "
            "station has to be claimed anew"
        )
    return {} if keys == there else keys


def _put_keys(data: Path, keys: dict[str, bytes], now: datetime) -> None:
    if not keys:
        return
    if (data / "keys").exists():
        (data / "keys").rename(data / f"keys.before-{now:%Y%m%dT%H%M%S}")
    put_back(keys, data)


def _restore_file(path: Path, fill: Callable[[sa.Connection], None], now: datetime) -> None:
    """The new file takes the old one's place when it is whole and on disk; the old one is put aside."""
    new = path.with_name(path.name + ".restoring")
    _delete(new)
    new.touch(0o600)
    try:
        # closing the last connection brings the log into the file
        with _engine(new) as engine, engine.execution_options(writes=True).begin() as connection:
            fill(connection)
    except BaseException:
        _delete(new)
        raise
    on_disk(new)
    for end in ("", "-wal", "-shm"):
        old = path.with_name(path.name + end)
        if old.exists():
            old.rename(path.with_name(f"{path.name}.before-{now:%Y%m%dT%H%M%S}{end}"))
    os.replace(new, path)
    on_disk(path.parent)


def _delete(path: Path) -> None:
    for end in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + end).unlink(missing_ok=True)


def _name(where: Where) -> str:
    return str(where) if isinstance(where, Path) else where.render_as_string()
