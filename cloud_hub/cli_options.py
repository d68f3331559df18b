"""The options that say which hub a command is about, and what they come to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from cloud_hub.storage.engines import Where

DataOption = Annotated[Path, typer.Option("--data", envvar="YIZHAN_DATA", help="Where the hub keeps everything.")]
DatabaseOption = Annotated[
    str,
    typer.Option(
        "--database",
        envvar="YIZHAN_DATABASE",
        help="postgresql://user:password@host/name. Left out: the line in DATA/database.url, else SQLite in --data.",
        show_envvar=True,
    ),
]


def fail(message: str) -> typer.Exit:
    typer.echo(message, err=True)
    return typer.Exit(1)


def chosen(data: Path, database: str) -> Where:
    """Where the tables are, or will be. Raises typer.Exit for an address that is none."""
    from cloud_hub.settings import BadSettings
    from cloud_hub.storage.engines import database_of

    try:
        return database_of(data, database)
    except BadSettings as error:
        raise fail(str(error)) from None


def existing(data: Path, database: str) -> Where:
    """As `chosen`, but an SQLite file that is not there is not made. Raises typer.Exit."""
    where = chosen(data, database)
    if isinstance(where, Path) and not where.is_file():
        raise fail(f"There is no hub in {data}: name its folder with --data.")
    return where


_FOR_EVER = "0: for ever."

TelemetryDaysOption = Annotated[
    int,
    typer.Option(
        "--keep-telemetry-days", envvar="YIZHAN_KEEP_TELEMETRY_DAYS", min=0, help=f"Every reading. {_FOR_EVER}"
    ),
]
MinutesDaysOption = Annotated[
    int,
    typer.Option(
        "--keep-minutes-days", envvar="YIZHAN_KEEP_MINUTES_DAYS", min=0, help=f"Each minute's means. {_FOR_EVER}"
    ),
]
HoursDaysOption = Annotated[
    int,
    typer.Option("--keep-hours-days", envvar="YIZHAN_KEEP_HOURS_DAYS", min=0, help=f"Each hour's means. {_FOR_EVER}"),
]
EventsDaysOption = Annotated[
    int,
    typer.Option(
        "--keep-events-days",
        envvar="YIZHAN_KEEP_EVENTS_DAYS",
        min=0,
        help=f"Events; then they are in DATA/archive, and still proven. {_FOR_EVER}",
    ),
]
AuditDaysOption = Annotated[
    int,
    typer.Option(
        "--keep-audit-days",
        envvar="YIZHAN_KEEP_AUDIT_DAYS",
        min=0,
        help=f"Who did what; then it is in DATA/archive. {_FOR_EVER}",
    ),
]
ArchiveTelemetryOption = Annotated[
    bool,
    typer.Option(
        "--archive-telemetry",
        envvar="YIZHAN_ARCHIVE_TELEMETRY",
        help="Readings go to DATA/archive after their days, instead of away.",
    ),
]
