"""`yizhan-hub issuer`: the keys that certify members' phones. A hub that runs meanwhile follows in seconds."""

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
    from cloud_hub.codes.issuers import IssuerRow, Issuers
    from cloud_hub.storage.engines import Where

app = typer.Typer(help="The keys that certify members' phones.", no_args_is_help=True)

T = TypeVar("T")


@app.command()
def rotate(
    data: DataOption,
    database: DatabaseOption = "",
    lead_days: Annotated[
        int, typer.Option(min=1, max=90, help="Stations learn the new key this long before it signs.")
    ] = 14,
    at_once: Annotated[bool, typer.Option("--at-once", help="It signs now; for a key that was stolen.")] = False,
) -> None:
    """Makes a new issuer key. The old one stays valid for the certificates that it made, until they end."""
    issuers, now = _opened(data)
    row = _changed(lambda: issuers.rotate(now, timedelta(0) if at_once else timedelta(days=lead_days)))
    _record(chosen(data, database), now, "issuer.rotate", {"kid": row.kid, "signs_from": row.signs_from.isoformat()})
    typer.echo(f"Issuer key {row.kid} signs from {row.signs_from:%Y-%m-%d %H:%M} UTC on.", err=True)


@app.command()
def withdraw(
    kid: Annotated[int, typer.Argument(help="Which key was stolen; see `list`.")],
    data: DataOption,
    database: DatabaseOption = "",
) -> None:
    """Ends a stolen key now: no station takes its certificates for a phone that the roster does not know."""
    issuers, now = _opened(data)
    _changed(lambda: issuers.withdraw(kid, now))
    _record(chosen(data, database), now, "issuer.withdraw", {"kid": kid})
    typer.echo(f"Issuer key {kid} is withdrawn; stations learn it with their next roster.", err=True)


@app.command("list")
def list_issuers(
    data: DataOption, as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False
) -> None:
    """Lists the issuer keys: which one signs, and until when stations know each."""
    issuers, now = _opened(data)
    rows = issuers.rows()
    if as_json:
        listed = [
            {**row.model_dump(mode="json"), "state": _state(row, now), "known_until": row.known_until(now).isoformat()}
            for row in rows
        ]
        typer.echo(json.dumps(listed))
        return
    table = Table("kid", "state", "signs from", "signs until", "known to stations until")
    for row in rows:
        until = f"{row.signs_until:%Y-%m-%d %H:%M}" if row.signs_until else "the next one"
        ends = f"{row.known_until(now):%Y-%m-%d}" if row.signs_until else "15 days after that"
        table.add_row(str(row.kid), _state(row, now), f"{row.signs_from:%Y-%m-%d %H:%M}", until, ends)
    Console().print(table)


def _state(row: IssuerRow, now: datetime) -> str:
    if row.withdrawn_at is not None:
        return "withdrawn"
    if row.signs_from > now:
        return "announced"
    if row.signs_until is None or now < row.signs_until:
        return "signs"
    return "old" if now < row.known_until(now) else "over"


def _opened(data: Path) -> tuple[Issuers, datetime]:
    from cloud_hub.clock import SystemClock
    from cloud_hub.codes.issuers import Issuers
    from cloud_hub.settings import BadSettings

    folder = data / "keys"
    if not folder.is_dir():
        raise fail(f"There is no hub in {data}: name its folder with --data.")
    issuers = Issuers(folder)
    try:
        issuers.rows()
    except BadSettings as error:
        raise fail(str(error)) from None
    return issuers, SystemClock().now()


def _changed(change: Callable[[], T]) -> T:
    from cloud_hub.codes.issuers import CannotRotate

    try:
        return change()
    except CannotRotate as error:
        raise fail(str(error)) from None


def _record(where: Where, at: datetime, action: str, detail: dict[str, object]) -> None:
    from cloud_hub import audit
    from cloud_hub.storage.database import Database

    async def write() -> None:
        async with Database.open(where) as database:
            actor = f"command line: {getpass.getuser()}"
            await database.write(lambda c: audit.record(c, at, actor, action, "issuer", detail))

    asyncio.run(write())
