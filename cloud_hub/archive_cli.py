"""`yizhan-hub archive`: what left the database for Parquet files, still there and still proven?"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from cloud_hub.cli_options import (
    ArchiveTelemetryOption,
    AuditDaysOption,
    DatabaseOption,
    DataOption,
    EventsDaysOption,
    HoursDaysOption,
    MinutesDaysOption,
    TelemetryDaysOption,
    existing,
    fail,
)

if TYPE_CHECKING:
    from cloud_hub.archive.check import FileReport

DAMAGED = 2

app = typer.Typer(help="What was taken out of the database.", no_args_is_help=True)


@app.command()
def verify(
    data: DataOption,
    database: DatabaseOption = "",
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Looks at every file, and follows the hash chain of archived events. Exit status 2 when something is not whole."""
    from cloud_hub.archive.check import checked
    from cloud_hub.archive.records import archive_key
    from cloud_hub.settings import BadSettings
    from cloud_hub.storage.database import Database

    async def look() -> tuple[list[FileReport], list[str]]:
        async with Database.open(existing(data, database)) as tables:
            return await tables.read(lambda c: checked(c, data, archive_key(data)))

    try:
        files, faults = asyncio.run(look())
    except BadSettings as error:
        raise fail(str(error)) from None
    sound = not faults and all(file.fault is None for file in files)
    if as_json:
        listed = [{"file": file.file, "table": file.table, "rows": file.rows, "fault": file.fault} for file in files]
        typer.echo(json.dumps({"sound": sound, "files": listed, "faults": faults}, ensure_ascii=False))
    else:
        table = Table("file", "table", "rows", "result")
        for file in files:
            table.add_row(file.file, file.table, str(file.rows), file.fault or "whole")
        console = Console()
        console.print(table)
        for fault in faults:
            console.print(fault)
        console.print("The archive is whole." if sound else "The archive is NOT whole.")
    raise typer.Exit(0 if sound else DAMAGED)


@app.command()
def show(
    table: Annotated[str, typer.Argument(help="telemetry, events or audit.")],
    data: DataOption,
    station: Annotated[str, typer.Option(help="Only this one.")] = "",
) -> None:
    """Prints archived rows as JSON, one a line, as the database held them: times are microseconds since 1970 UTC."""
    from cloud_hub.archive.check import TABLES, archived_rows, files_of
    from cloud_hub.archive.parquet import ArchiveFailed
    from cloud_hub.archive.records import FOLDER
    from cloud_hub.settings import BadSettings

    if table not in TABLES:
        raise fail(f"{table!r} is never archived: name one of {', '.join(TABLES)}")
    try:
        for row in archived_rows(files_of(data / FOLDER, TABLES[table]), TABLES[table], station):
            typer.echo(json.dumps(row, ensure_ascii=False))
    except (BadSettings, ArchiveFailed) as error:
        raise fail(str(error)) from None


@app.command()
def run(
    data: DataOption,
    database: DatabaseOption = "",
    telemetry_days: TelemetryDaysOption = 0,
    minutes_days: MinutesDaysOption = 0,
    hours_days: HoursDaysOption = 0,
    events_days: EventsDaysOption = 0,
    audit_days: AuditDaysOption = 0,
    archive_telemetry: ArchiveTelemetryOption = False,
) -> None:
    """Takes out now what is older, beside a hub that runs. A hub does the same every hour by its own settings."""
    from cloud_hub.archive.parquet import ArchiveFailed
    from cloud_hub.clock import SystemClock
    from cloud_hub.counters import Counters
    from cloud_hub.retention.keep import Keep
    from cloud_hub.retention.service import Retention
    from cloud_hub.settings import BadSettings
    from cloud_hub.storage.database import Database

    keep = Keep(telemetry_days, minutes_days, hours_days, events_days, audit_days, archive_telemetry)

    async def once() -> None:
        async with Database.open(existing(data, database)) as tables:
            await Retention(tables, SystemClock(), Counters(), keep, data).once()

    try:
        asyncio.run(once())
    except (BadSettings, ArchiveFailed) as error:
        raise fail(str(error)) from None
