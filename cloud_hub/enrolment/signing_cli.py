"""`yizhan-hub signing-key`: the keys by which the hub signs commands and documents. A hub that runs follows at once."""

from __future__ import annotations

import asyncio
import getpass
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from cloud_hub.cli_options import DatabaseOption, DataOption, chosen, fail

if TYPE_CHECKING:
    from cloud_hub.signing_keys import SigningKeys

app = typer.Typer(help="The keys by which the hub signs commands and documents.", no_args_is_help=True)

T = TypeVar("T")

AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]


@app.command()
def rotate(
    data: DataOption,
    database: DatabaseOption = "",
    lead_hours: Annotated[
        int, typer.Option(min=1, max=24 * 30, help="Stations learn the new key this long before it signs.")
    ] = 24,
    at_once: Annotated[bool, typer.Option("--at-once", help="It signs now; for a key that was stolen.")] = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Makes a new signing key. The key of now announces it to every station, and signs until its time has come."""
    keys, now = _opened(data)
    if dry_run:
        when = "now" if at_once else f"{now + timedelta(hours=lead_hours):%Y-%m-%d %H:%M} UTC"
        _say(f"Nothing was changed. A new key would sign from {when} on.", as_json, version=keys.version + 1)
        return
    row = _changed(lambda: keys.rotate(now, timedelta(0) if at_once else timedelta(hours=lead_hours)))
    detail = {"key": row.id, "version": keys.version, "signs_from": row.signs_from.isoformat()}
    _record(data, database, now, "signing-key.rotate", detail)
    text = f"Signing key {row.id} signs from {row.signs_from:%Y-%m-%d %H:%M} UTC on. Make a backup with the keys now."
    _say(text, as_json, **detail)


@app.command()
def withdraw(
    key: Annotated[str, typer.Argument(help="Which key; see `list`.")],
    data: DataOption,
    database: DatabaseOption = "",
    as_json: AsJson = False,
) -> None:
    """Tells stations to trust an old key no longer. A stolen one: `rotate --at-once` first."""
    keys, now = _opened(data)
    _changed(lambda: keys.withdraw(key, now))
    detail: dict[str, object] = {"key": key, "version": keys.version}
    _record(data, database, now, "signing-key.withdraw", detail)
    _say(f"Signing key {key} is withdrawn; stations learn it with their next heartbeat.", as_json, **detail)


@app.command("list")
def list_keys(data: DataOption, as_json: AsJson = False) -> None:
    """Lists the signing keys that stations trust: which one signs, which was announced, which is of before."""
    keys, now = _opened(data)
    rows = keys.states(now)
    if as_json:
        listed = [{"key": row.id, "state": row.state, "signs_from": row.signs_from.isoformat()} for row in rows]
        typer.echo(json.dumps({"version": keys.version, "keys": listed}))
        return
    table = Table("key", "state", "signs from", title=f"version {keys.version}")
    for row in rows:
        table.add_row(row.id, row.state, f"{row.signs_from:%Y-%m-%d %H:%M}")
    Console().print(table)


def _opened(data: Path) -> tuple[SigningKeys, datetime]:
    from cloud_hub.clock import SystemClock
    from cloud_hub.settings import BadSettings
    from cloud_hub.signing_keys import SigningKeys

    folder = data / "keys"
    if not folder.is_dir():
        raise fail(f"There is no hub in {data}: name its folder with --data.")
    keys = SigningKeys(folder)
    try:
        keys.trusted()
    except BadSettings as error:
        raise fail(str(error)) from None
    return keys, SystemClock().now()


def _changed(change: Callable[[], T]) -> T:
    from cloud_hub.signing_keys import CannotRotate

    try:
        return change()
    except CannotRotate as error:
        raise fail(str(error)) from None


def _record(data: Path, database: str, at: datetime, action: str, detail: dict[str, object]) -> None:
    from cloud_hub import audit
    from cloud_hub.storage.database import Database

    async def write() -> None:
        async with Database.open(chosen(data, database)) as opened:
            actor = f"command line: {getpass.getuser()}"
            await opened.write(lambda c: audit.record(c, at, actor, action, "hub", detail))

    asyncio.run(write())


def _say(text: str, as_json: bool, **fields: object) -> None:
    if as_json:
        typer.echo(json.dumps(fields))
    else:
        typer.echo(text, err=True)
