"""`yizhan-hub backup` and `yizhan-hub restore`."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated

import typer

from cloud_hub.cli_options import DatabaseOption, DataOption, chosen, existing, fail

PassphraseOption = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        help="Its first line encrypts the hub's keys in the backup. Keep it elsewhere.",
        exists=True,
    ),
]


def backup(
    folder: Annotated[Path, typer.Argument(help="The folder to make.")],
    data: DataOption,
    database: DatabaseOption = "",
    passphrase_file: PassphraseOption = None,
) -> None:
    """Makes a backup of the hub, which goes on running. Without a passphrase the hub's keys are not in it."""
    from cloud_hub.backup.manifest import BadBackup
    from cloud_hub.backup.service import make_backup
    from cloud_hub.clock import SystemClock

    where = existing(data, database)
    try:
        manifest = make_backup(data, where, folder, _passphrase(passphrase_file), SystemClock().now())
    except BadBackup as error:
        raise fail(str(error)) from None
    rows = sum(table.rows for table in manifest.tables.values())
    typer.echo(
        f"{folder}: {rows} rows of {len(manifest.tables)} tables, as of {manifest.made_at:%Y-%m-%d %H:%M:%S} UTC."
    )
    if manifest.keys_sha256 is None:
        typer.echo(
            f"The hub's keys are NOT in it, and stations obey no hub without them. Keep a copy of {data / 'keys'} in a "
            "safe place, or give --passphrase-file.",
            err=True,
        )


def restore(
    folder: Annotated[Path, typer.Argument(help="The folder that `backup` made.")],
    data: DataOption,
    database: DatabaseOption = "",
    passphrase_file: PassphraseOption = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the hub that is there.")] = False,
    new_keys: Annotated[
        bool, typer.Option("--new-keys", help="Go on without the hub's keys: every station is claimed anew.")
    ] = False,
) -> None:
    """Brings a backup back, into SQLite or PostgreSQL. Checks all of it before anything is changed."""
    from cloud_hub.backup.manifest import BadBackup
    from cloud_hub.backup.service import restore_backup
    from cloud_hub.clock import SystemClock
    from cloud_hub.settings import BadSettings

    where = chosen(data, database)
    try:
        manifest = restore_backup(
            data,
            where,
            folder,
            _passphrase(passphrase_file),
            SystemClock().now(),
            f"command line: {getpass.getuser()}",
            overwrite=overwrite,
            new_keys=new_keys,
        )
    except (BadBackup, BadSettings) as error:
        raise fail(str(error)) from None
    typer.echo(f"{data} is the hub of {manifest.made_at:%Y-%m-%d %H:%M:%S} UTC again. Start it now.")
    typer.echo(
        "What stations delivered after that moment is not in it: where events are missing, an alarm says which. "
        "What people changed after it (members, revoked phones and codes, rules) has to be entered again.",
        err=True,
    )


def _passphrase(file: Path | None) -> str:
    return "" if file is None else file.read_text(encoding="utf-8").partition("\n")[0].strip()
