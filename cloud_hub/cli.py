"""The command `yizhan-hub`."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import sys
from pathlib import Path
from typing import Annotated

import typer
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from cloud_hub import archive_cli, audit_cli, backup_cli, issuer_cli
from cloud_hub.cli_options import (
    ArchiveTelemetryOption,
    AuditDaysOption,
    DatabaseOption,
    DataOption,
    EventsDaysOption,
    HoursDaysOption,
    MinutesDaysOption,
    TelemetryDaysOption,
    chosen,
)
from cloud_hub.enrolment import cli as enrolment_cli
from cloud_hub.enrolment import signing_cli
from cloud_hub.retention.keep import DEFAULT, Keep
from cloud_hub.settings import DIST, STATIONS, BadSettings, Settings
from cloud_hub.storage.migrate import NewerSchema
from cloud_hub.users.models import Role

app = typer.Typer(help="The hub of rest stations.", no_args_is_help=True, pretty_exceptions_enable=False)
users_app = typer.Typer(help="Who may log in.", no_args_is_help=True)
stations_app = typer.Typer(help="The stations that the hub knows.", no_args_is_help=True)
app.add_typer(users_app, name="users")
app.add_typer(stations_app, name="stations")
enrolment_cli.add_to(stations_app)
app.add_typer(audit_cli.app, name="audit")
app.add_typer(issuer_cli.app, name="issuer")
app.add_typer(signing_cli.app, name="signing-key")
app.add_typer(archive_cli.app, name="archive")
app.command()(backup_cli.backup)
app.command()(backup_cli.restore)


def _fail(message: str) -> typer.Exit:
    typer.echo(message, err=True)
    return typer.Exit(1)


@app.command()
def serve(
    data: DataOption,
    database: DatabaseOption = "",
    host: Annotated[str, typer.Option(envvar="YIZHAN_HOST")] = "127.0.0.1",
    port: Annotated[int, typer.Option(envvar="YIZHAN_PORT", min=1, max=65535)] = 8000,
    public_url: Annotated[
        str, typer.Option(envvar="YIZHAN_PUBLIC_URL", help="The address behind a TLS proxy, https://...")
    ] = "",
    broker_port: Annotated[
        int, typer.Option(envvar="YIZHAN_BROKER_PORT", min=0, max=65535, help="0: a free one, kept in --data.")
    ] = 0,
    mqtt_port: Annotated[
        int, typer.Option(envvar="YIZHAN_MQTT_PORT", min=0, max=65535, help="0: a free one, kept in --data.")
    ] = 0,
    mqtt_host: Annotated[
        str, typer.Option(envvar="YIZHAN_MQTT_HOST", help="Where the broker hears stations, by TLS with certificates.")
    ] = "127.0.0.1",
    mqtt_address: Annotated[
        str, typer.Option(envvar="YIZHAN_MQTT_ADDRESS", help="Where stations find it; the host of the hub's address.")
    ] = "",
    tls_own: Annotated[
        bool, typer.Option("--tls-own", envvar="YIZHAN_TLS_OWN", help="HTTPS with the hub's own authority.")
    ] = False,
    tls_certificate: Annotated[
        Path | None, typer.Option(envvar="YIZHAN_TLS_CERTIFICATE", help="HTTPS with this certificate (PEM).")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(envvar="YIZHAN_TLS_KEY", help="Its key (PEM).")] = None,
    keep_telemetry_days: TelemetryDaysOption = DEFAULT.telemetry_days,
    keep_minutes_days: MinutesDaysOption = DEFAULT.minutes_days,
    keep_hours_days: HoursDaysOption = DEFAULT.hours_days,
    keep_events_days: EventsDaysOption = DEFAULT.events_days,
    keep_audit_days: AuditDaysOption = DEFAULT.audit_days,
    archive_telemetry: ArchiveTelemetryOption = DEFAULT.archive_telemetry,
    demo: Annotated[bool, typer.Option("--demo", help="Two virtual stations, members, log-ins in DATA/demo.")] = False,
    union_token: Annotated[
        str, typer.Option(envvar="YIZHAN_UNION_TOKEN", help="The union's backend's bearer token; off when empty.")
    ] = "",
    dist: Annotated[Path, typer.Option(envvar="YIZHAN_DIST", help="The built pages.")] = DIST,
    stations: Annotated[
        Path, typer.Option(envvar="YIZHAN_STATIONS", help="Where --demo finds its stations' profiles.")
    ] = STATIONS,
) -> None:
    """Runs the hub and its broker until Ctrl-C or SIGTERM."""
    gc.disable()  # nothing of what a start makes is garbage, and looking for some takes a fifth of its time
    from cloud_hub.serve import serve as run

    gc.freeze()
    gc.enable()
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    settings = Settings(
        data=data.resolve(),
        database=SecretStr(database) if database else None,
        keep=Keep(
            keep_telemetry_days,
            keep_minutes_days,
            keep_hours_days,
            keep_events_days,
            keep_audit_days,
            archive_telemetry,
        ),
        host=host,
        port=port,
        public_url=public_url.rstrip("/"),
        broker_port=broker_port,
        mqtt_port=mqtt_port,
        mqtt_host=mqtt_host,
        mqtt_address=mqtt_address,
        tls_own=tls_own,
        tls_certificate=tls_certificate,
        tls_key=tls_key,
        demo=demo,
        union_token=SecretStr(union_token) if union_token else None,
        dist=dist.resolve(),
        stations_dir=stations.resolve(),
    )
    try:
        asyncio.run(run(settings))
    except (BadSettings, NewerSchema) as error:
        raise _fail(str(error)) from None


@app.command()
def openapi(
    out: Annotated[Path | None, typer.Option(help="Write there instead of to standard output.")] = None,
) -> None:
    """Prints the description of the REST interface."""
    from cloud_hub.openapi import openapi_text

    text = openapi_text()
    if out is None:
        sys.stdout.write(text)
    else:
        out.write_text(text, encoding="utf-8")


@users_app.command("add")
def users_add(
    user: Annotated[str, typer.Argument(help="The log-in name: lower-case letters, digits, . _ -")],
    data: DataOption,
    database: DatabaseOption = "",
    role: Annotated[Role, typer.Option(help="Each may do what the ones before it may.")] = Role.VIEWER,
    name: Annotated[str, typer.Option(help="For people to read; the log-in name when left out.")] = "",
    password: Annotated[
        str,
        typer.Option(prompt=True, confirmation_prompt=True, hide_input=True, envvar="YIZHAN_PASSWORD"),
    ] = "",
) -> None:
    """Adds a user; the hub may run meanwhile. The password is asked for, or comes from YIZHAN_PASSWORD."""
    from cloud_hub.admin import BadUser, add_user

    try:
        asyncio.run(add_user(chosen(data, database), user, name or user, role, password))
    except BadUser as error:
        raise _fail(str(error)) from None
    typer.echo(f"{user} may log in as {role}.", err=True)


@stations_app.command("list")
def stations_list(
    data: DataOption,
    database: DatabaseOption = "",
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Lists the stations and when each was last seen."""
    from cloud_hub.admin import list_stations

    rows = asyncio.run(list_stations(chosen(data, database)))
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False))
        return
    table = Table("id", "name", "address", "last seen")
    for row in rows:
        table.add_row(row["id"], row["name"], row["address"], row["last_seen"] or "never")
    Console().print(table)


def main() -> None:
    app()
