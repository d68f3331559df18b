"""`yizhan-hub audit`: is the log of the stations whole and unchanged? Works beside a hub that runs."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from cloud_hub.cli_options import DatabaseOption, DataOption, existing

if TYPE_CHECKING:
    from cloud_hub.events.beginnings import Beginning
    from cloud_hub.events.verify import SpoolReport
    from cloud_hub.storage.engines import Where

BROKEN = 2
SHOWN = 20

app = typer.Typer(help="The log of the stations.", no_args_is_help=True)

StationOption = Annotated[str | None, typer.Option("--station", help="Only this one.")]


@app.command()
def verify(
    data: DataOption,
    database: DatabaseOption = "",
    station: StationOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Follows the hash chain of every event again. Exit status 2 when one was changed, left out or cut off."""
    reports, told, begun = asyncio.run(_verified(existing(data, database), data, station))
    sound = all(report.sound for report in reports) and not told
    if as_json:
        spools = [report.as_json() for report in reports]
        whys = {(one.station, one.spool): one for one in begun}
        for row in spools:
            if (why := whys.get((row["station"], row["spool"]))) is not None:
                row |= {"began_at": why.began_at.isoformat(), "why": why.why, "explained": why.explained}
        typer.echo(json.dumps({"sound": sound, "spools": spools, "breaks": told}, ensure_ascii=False))
    else:
        _show(reports, told, begun, sound)
    raise typer.Exit(0 if sound else BROKEN)


def _show(reports: list[SpoolReport], told: list[dict[str, object]], begun: list[Beginning], sound: bool) -> None:
    console = Console()
    table = Table("station", "spool", "archived", "events", "not chained", "result")
    for report in reports:
        result = "sound" if report.sound else f"{report.faults_in_all} faults"
        counts = (str(count) for count in (report.archived, report.events, report.unchained))
        table.add_row(report.station, report.spool[:8], *counts, result)
    console.print(table)
    for report in reports:
        for fault in report.faults[:SHOWN]:
            console.print(f"{report.station}: event {fault.seq} of spool {report.spool[:8]}: {fault.what}")
        if report.faults_in_all > SHOWN:
            console.print(f"{report.station}: and {report.faults_in_all - SHOWN} more; --json has them")
    for row in told:
        console.print(f"{row['station']}: when event {row['seq']} came ({row['found_at']}): {row['detail']}")
    names = [one.station for one in begun]
    for one in begun:
        if names.count(one.station) > 1:
            console.print(f"{one.station}: spool {one.spool[:8]} began {one.began_at:%Y-%m-%d %H:%M} UTC: {one.why}")
    console.print("The log is whole and unchanged." if sound else "The log is NOT as the stations wrote it.")


@app.command()
def acknowledge(
    station: Annotated[str, typer.Argument(help="Whose alarm about its log was looked into.")],
    data: DataOption,
    reason: Annotated[str, typer.Option(prompt=True, help="What was found; it goes on record.")],
    database: DatabaseOption = "",
) -> None:
    """Clears the alarm that a station's log is broken. The breaks stay on record, and `verify` goes on naming them."""
    if not asyncio.run(_acknowledged(existing(data, database), station, reason)):
        typer.echo(f"No alarm about the log of {station} stands.", err=True)
        raise typer.Exit(1)
    typer.echo(f"The alarm of {station} is cleared; the breaks stay on record.", err=True)


async def _verified(
    where: Where, data: Path, station: str | None
) -> tuple[list[SpoolReport], list[dict[str, Any]], list[Beginning]]:
    from cloud_hub.archive.records import archive_key
    from cloud_hub.events.beginnings import beginnings
    from cloud_hub.events.verify import breaks, verified
    from cloud_hub.settings import BadSettings
    from cloud_hub.storage.database import Database

    key = None
    with contextlib.suppress(BadSettings):  # no keys here: what was archived cannot be proven, and counts as missing
        key = archive_key(data)
    async with Database.open(where) as database:
        return await database.read(
            lambda c: (list(verified(c, station, key)), breaks(c, station), beginnings(c, station))
        )


async def _acknowledged(where: Where, station: str, reason: str) -> bool:
    import sqlalchemy as sa

    from cloud_hub import audit
    from cloud_hub.clock import SystemClock
    from cloud_hub.events.verify import settle_alarm
    from cloud_hub.storage.database import Database

    at = SystemClock().now()
    actor = f"command line: {getpass.getuser()}"

    def settle(connection: sa.Connection) -> bool:
        cleared = settle_alarm(connection, station, at)
        if cleared:
            audit.record(connection, at, actor, "log.acknowledge", station, {"why": reason})
        return cleared

    async with Database.open(where) as database:
        return await database.write(settle)
