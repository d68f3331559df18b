"""`yizhan-hub stations add|claim|replace|revoke|identity`: work beside a hub that runs, which follows within seconds.

Exit status 2: it was refused, and trying again changes nothing (a bad profile, a taken or unknown id).
"""

from __future__ import annotations

import asyncio
import getpass
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from cloud_hub.cli_options import DatabaseOption, DataOption, existing

if TYPE_CHECKING:
    import sqlalchemy as sa

    from cloud_hub.enrolment.models import Claim, Identity
    from cloud_hub.enrolment.queries import NewClaimRow
    from cloud_hub.keys import Keys
    from station_agent.wire.profile import StationProfile

REFUSED = 2

T = TypeVar("T")

StationArgument = Annotated[str, typer.Argument(help="Id of the station.", metavar="STATION")]
ReasonOption = Annotated[str, typer.Option(prompt=True, envvar="YIZHAN_REASON", help="It goes on record.")]
HoursOption = Annotated[int, typer.Option(min=1, max=24 * 30, help="How long the code may be used.")]
AddressOption = Annotated[
    str,
    typer.Option(
        envvar="YIZHAN_PUBLIC_URL", help="The hub's address as stations reach it; the one that it last served at."
    ),
]
SvgOption = Annotated[Path | None, typer.Option("--svg", help="Write the QR code there, as a picture.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]


def add_to(app: typer.Typer) -> None:
    for command in (add, claim, replace, revoke):
        app.command()(command)
    app.command("identity")(show)


def add(
    profile: Annotated[Path, typer.Argument(help="Its profile, TOML or JSON.", metavar="PROFILE")],
    data: DataOption,
    database: DatabaseOption = "",
    hours: HoursOption = 72,
    public_url: AddressOption = "",
    svg: SvgOption = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Adds a station, and shows the one-time code by which its box claims it."""
    from cloud_hub.enrolment import queries

    read = _read_profile(profile)
    station, address = read.station.id, _address(data, public_url)
    hub = _Hub(data, database, as_json)
    if dry_run:
        hub.run(lambda c: queries.check_new(c, station))
        _would(f"{station} ({read.station.name}) would be added to {address}", as_json, station=station)
        return

    def work(connection: sa.Connection) -> NewClaimRow:
        queries.add_station(connection, read, hub.now, hub.actor)
        lifetime = timedelta(hours=hours)
        return queries.add_claim(connection, station, hub.now, lifetime, hub.actor, "the station is new")

    _show(hub.claim(station, work, address), svg, as_json)


def claim(
    station: StationArgument,
    data: DataOption,
    reason: ReasonOption,
    database: DatabaseOption = "",
    hours: HoursOption = 72,
    public_url: AddressOption = "",
    svg: SvgOption = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Shows a new one-time code for a station. What its box is now ends when the code is used."""
    _claim(station, data, reason, database, hours, public_url, svg, dry_run, as_json, at_once=False)


def replace(
    station: StationArgument,
    data: DataOption,
    reason: ReasonOption,
    database: DatabaseOption = "",
    hours: HoursOption = 72,
    public_url: AddressOption = "",
    svg: SvgOption = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Ends what a broken or stolen box was, at once, and shows the code for the new one. The history stays."""
    _claim(station, data, reason, database, hours, public_url, svg, dry_run, as_json, at_once=True)


def _claim(
    station: str,
    data: Path,
    reason: str,
    database: str,
    hours: int,
    public_url: str,
    svg: Path | None,
    dry_run: bool,
    as_json: bool,
    *,
    at_once: bool,
) -> None:
    from cloud_hub.enrolment import queries

    address = _address(data, public_url)
    hub = _Hub(data, database, as_json)
    if dry_run:
        held = hub.run(lambda c: queries.identity(c, station, hub.now))
        ends = sum(row.state == "valid" for row in held.certificates)
        when = "at once" if at_once else "when the code is used"
        _would(f"{ends} certificates of {station} would end {when}", as_json, station=station, certificates=ends)
        return

    def work(connection: sa.Connection) -> NewClaimRow:
        if at_once:
            queries.revoke(connection, station, hub.now, hub.actor, reason)
        return queries.add_claim(connection, station, hub.now, timedelta(hours=hours), hub.actor, reason)

    _show(hub.claim(station, work, address), svg, as_json)


def revoke(
    station: StationArgument,
    data: DataOption,
    reason: ReasonOption,
    database: DatabaseOption = "",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Ends the station's certificates and waiting codes; a running hub closes its connection within seconds."""
    from cloud_hub.enrolment import queries

    hub = _Hub(data, database, as_json)
    if dry_run:
        held = hub.run(lambda c: queries.identity(c, station, hub.now))
        ends = sum(row.state == "valid" for row in held.certificates)
        _would(f"{ends} certificates of {station} would end at once", as_json, station=station, certificates=ends)
        return
    certificates, claims = hub.run(lambda c: queries.revoke(c, station, hub.now, hub.actor, reason), writes=True)
    if as_json:
        typer.echo(json.dumps({"station": station, "certificates": certificates, "claims": claims}))
    else:
        typer.echo(f"{station}: {certificates} certificates and {claims} waiting codes have ended.", err=True)


def show(station: StationArgument, data: DataOption, database: DatabaseOption = "", as_json: AsJson = False) -> None:
    """Lists a station's certificates and claims."""
    from cloud_hub.enrolment import queries

    hub = _Hub(data, database, as_json)
    held = hub.run(lambda c: queries.identity(c, station, hub.now))
    if as_json:
        typer.echo(held.model_dump_json())
    else:
        _print(held)


class _Hub:
    """The hub of `data`: its keys and tables. Raises typer.Exit for what is refused."""

    def __init__(self, data: Path, database: str, as_json: bool) -> None:
        from cloud_hub.clock import SystemClock

        self._data = data
        self._as_json = as_json
        self._where = existing(data, database)
        self.now = SystemClock().now()
        self.actor = f"command line: {getpass.getuser()}"
        if (data / "demo").is_dir():
            raise _refused("A demo hub gives no identity: its stations have link files in DATA/demo.", as_json)

    def run(self, work: Callable[[sa.Connection], T], *, writes: bool = False) -> T:
        from cloud_hub.problems import Problem
        from cloud_hub.settings import BadSettings
        from cloud_hub.storage.database import Database

        async def done() -> T:
            async with Database.open(self._where) as database:
                return await (database.write(work) if writes else database.read(work))

        try:
            return asyncio.run(done())
        except (Problem, BadSettings) as error:
            raise _refused(str(error), self._as_json) from None

    def claim(self, station: str, work: Callable[[sa.Connection], NewClaimRow], address: str) -> Claim:
        from cloud_hub.enrolment.service import shown_claim

        keys = self._keys()
        return shown_claim(keys, station, self.run(work, writes=True), address)

    def _keys(self) -> Keys:
        from cloud_hub.keys import load_keys
        from cloud_hub.settings import BadSettings

        try:
            return load_keys(self._data)
        except BadSettings as error:
            raise _refused(str(error), self._as_json) from None


def _read_profile(path: Path) -> StationProfile:
    from cloud_hub.enrolment.profiles import BadProfile, read_profile

    try:
        return read_profile(str(path), path.read_text("utf-8"))
    except OSError as error:
        raise _refused(f"{path} cannot be read: {error.strerror}", False) from None
    except (UnicodeDecodeError, BadProfile) as error:
        raise _refused(f"{error} (`yizhan-station check` tells more)", False) from None


def _address(data: Path, given: str) -> str:
    from cloud_hub.enrolment.address import known_address

    address = given.rstrip("/") or known_address(data)
    if address is None:
        raise _refused("Say by --public-url where stations reach the hub: it has not run in this folder yet.", False)
    return address


def _show(claim: Claim, svg: Path | None, as_json: bool) -> None:
    from cloud_hub.enrolment.qr import qr_blocks

    if svg is not None:
        svg.write_text(claim.qr_svg, "utf-8")
    if as_json:
        typer.echo(claim.model_dump_json(exclude={"qr_svg"}))
        return
    console = Console()
    if console.is_terminal:
        typer.echo(qr_blocks(claim.text))
    typer.echo(f"station      {claim.station}")
    typer.echo(f"code         {claim.code}")
    typer.echo(f"hub          {claim.hub_url}")
    typer.echo(f"fingerprint  {claim.fingerprint}")
    typer.echo(f"until        {claim.expires_at:%Y-%m-%d %H:%M} UTC")
    typer.echo("\nOn the box, once:", err=True)
    typer.echo(f"  yizhan-station claim --identity DIR --text '{claim.text}'", err=True)


def _print(held: Identity) -> None:
    table = Table("certificate", "state", "from", "until", "by", "why it ended")
    for row in held.certificates:
        table.add_row(
            row.serial[:12],
            row.state,
            f"{row.issued_at:%Y-%m-%d %H:%M}",
            f"{row.not_after:%Y-%m-%d}",
            row.issued_by,
            row.reason,
        )
    waiting = Table("claim", "state", "made", "by", "until", "reason")
    for made in held.claims:
        waiting.add_row(
            made.id,
            made.state,
            f"{made.created_at:%Y-%m-%d %H:%M}",
            made.created_by,
            f"{made.expires_at:%Y-%m-%d %H:%M}",
            made.reason,
        )
    console = Console()
    console.print(table)
    console.print(waiting)


def _would(text: str, as_json: bool, **fields: object) -> None:
    typer.echo(json.dumps({"dry_run": True, **fields}) if as_json else f"Nothing was changed. {text}.")


def _refused(message: str, as_json: bool) -> typer.Exit:
    if as_json:
        typer.echo(json.dumps({"error": message}))
    typer.echo(message, err=True)
    return typer.Exit(REFUSED)
