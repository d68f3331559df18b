"""`yizhan-station claim` and `identity`: a box becomes a station; who it is, since when, until when."""

from __future__ import annotations

import json
import logging
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

if TYPE_CHECKING:
    from station_agent.wire.claim import ClaimTicket
    from station_agent.wire.link import HubLink

log = logging.getLogger(__name__)

EXIT_LATER = 1
"""The hub cannot be reached or cannot answer now: the same command may be given again."""

EXIT_REFUSED = 2
"""It will not become true by trying again: a wrong or used code, another hub, a folder that is in use."""

IdentityDir = Annotated[
    Path, typer.Option("--identity", envvar="YIZHAN_IDENTITY", help="Folder of the identity; made when it is not there")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object instead of text")]


def add_to(app: typer.Typer) -> None:
    app.command()(claim)
    app.command("identity")(show)


def profile_and_link(identity: Path | None, profile: Path | None, link: Path | None) -> tuple[Path, Path | None]:
    """What `run` works from. A station whose profile is at hand works alone, and says so, when its identity is not
    there or damaged: nobody stands outside because of it. Raises typer.BadParameter."""
    from station_agent.identity import files
    from station_agent.identity.claim import held_link

    if identity is None:
        if profile is None:
            raise typer.BadParameter(
                "name the profile, or the folder of an identity by --identity", param_hint="--station"
            )
        return profile, link
    if link is not None:
        raise typer.BadParameter("an identity has its own link file", param_hint="--link")
    if held_link(identity) is None:
        trouble = f"{identity} holds no whole identity: `yizhan-station claim --identity {identity}`"
        if profile is None:
            raise typer.BadParameter(trouble, param_hint="--identity")
        log.error("%s, then start the station again; until then it works alone", trouble)
        return profile, None
    return profile or identity / files.PROFILE, identity / files.LINK


def claim(
    identity: IdentityDir,
    hub: Annotated[str, typer.Option(envvar="YIZHAN_HUB_URL", help="Address of the hub, https://...")] = "",
    code: Annotated[
        str, typer.Option(envvar="YIZHAN_CLAIM_CODE", help="The claim code; asked for when it is not given")
    ] = "",
    fingerprint: Annotated[
        str, typer.Option(envvar="YIZHAN_HUB_FINGERPRINT", help="SHA-256 of the hub's authority, beside the code")
    ] = "",
    text: Annotated[
        str, typer.Option(envvar="YIZHAN_CLAIM", help="What the claim's QR code says, instead of all three")
    ] = "",
    again: Annotated[bool, typer.Option("--again", help="Also when the folder holds an identity already")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check code, hub and folder; claim nothing")] = False,
    as_json: AsJson = False,
) -> None:
    """Make this box a station, by a one-time code of the hub. May be given again when it was interrupted.

    Exit status 1: the hub cannot be reached now. 2: refused; trying again changes nothing.
    """
    from station_agent.clock import SystemClock
    from station_agent.identity.claim import AlreadyClaimed
    from station_agent.identity.claim import claim as do
    from station_agent.identity.files import BadIdentity
    from station_agent.identity.http import HubHttp, HubRefused, HubSilent
    from station_agent.wire.claim import BadCode

    try:
        ticket = _ticket(text, hub, code, fingerprint)
        trusted = SystemClock().trusted()
        with HubHttp(ticket.hub_url, fingerprint=ticket.fingerprint, clock_trusted=trusted) as asked:
            if dry_run:
                _tell_check(_checked(identity, asked, again), ticket, as_json)
                return
            link = do(identity, ticket, asked, again=again)
    except (BadCode, AlreadyClaimed, HubRefused, BadIdentity, OSError) as error:
        raise _fail(str(error), EXIT_REFUSED, as_json) from error
    except HubSilent as error:
        raise _fail(str(error), EXIT_LATER, as_json) from error
    _tell(identity, link, as_json)


def show(identity: IdentityDir, as_json: AsJson = False) -> None:
    """Who this box is. Exit status 2 when the folder holds no whole identity, or its certificate has ended."""
    from station_agent.identity.claim import held_link
    from station_agent.identity.files import BadIdentity

    link = held_link(identity)
    if link is None:
        raise _fail(
            f"{identity} holds no identity: `yizhan-station claim --identity {identity}`", EXIT_REFUSED, as_json
        )
    try:
        ended = _tell(identity, link, as_json) <= datetime.now(UTC)
    except BadIdentity as error:
        raise _fail(str(error), EXIT_REFUSED, as_json) from error
    if ended:
        raise typer.Exit(EXIT_REFUSED)


def _ticket(text: str, hub: str, code: str, fingerprint: str) -> ClaimTicket:
    """Raises BadCode."""
    from station_agent.wire.claim import BadCode, ClaimTicket, read_code, read_ticket

    if text:
        if hub or code or fingerprint:
            raise typer.BadParameter("holds all of --hub, --code and --fingerprint already", param_hint="--text")
        return read_ticket(text)
    if not hub:
        raise typer.BadParameter(
            "name the hub's address, or give the text of the QR code by --text", param_hint="--hub"
        )
    code = code or typer.prompt("Claim code", err=True)
    read_code(code)
    pin = fingerprint.replace(":", "").lower() or None
    if pin is not None and (len(pin) != 64 or not set(pin) <= set("0123456789abcdef")):
        raise BadCode("the fingerprint must be 64 hex digits")
    return ClaimTicket(hub.rstrip("/"), code, pin)


def _checked(folder: Path, hub: object, again: bool) -> dict[str, object]:
    """What a claim would find: raises what it would raise."""
    from station_agent.identity.claim import AlreadyClaimed, held_link
    from station_agent.identity.http import HubHttp

    assert isinstance(hub, HubHttp)
    held = held_link(folder)
    if held is not None and not again:
        raise AlreadyClaimed(f"{folder} is the identity of {held.station} at {held.hub_url} already")
    near = next(path for path in (folder, *folder.resolve().parents) if path.exists())
    if not os.access(near, os.W_OK | os.X_OK):
        raise PermissionError(f"{near} cannot be written to by this user")
    hub.check()
    return {"dry_run": True, "identity": str(folder)}


def _tell_check(found: dict[str, object], ticket: ClaimTicket, as_json: bool) -> None:
    if as_json:
        print(json.dumps({**found, "hub_url": ticket.hub_url, "fingerprint": ticket.fingerprint}))
        return
    believed = "its authority is the one of the claim" if ticket.fingerprint else "no fingerprint was given"
    Console().print(escape(f"The code is well-formed, {ticket.hub_url} answers ({believed}). Nothing was claimed."))


def _tell(identity: Path, link: HubLink, as_json: bool) -> datetime:
    """When the certificate ends."""
    from station_agent.identity import files

    until = files.read_certificate(identity / files.STATION).not_valid_after_utc
    if as_json:
        told = {
            "station": link.station,
            "hub_url": link.hub_url,
            "broker": f"{link.broker.host}:{link.broker.port}",
            "certificate_until": until.isoformat(),
            "identity": str(identity),
        }
        print(json.dumps(told))
    else:
        text = f"This box is {link.station} of {link.hub_url}; its certificate lasts until {until:%Y-%m-%d}."
        Console().print(escape(text), soft_wrap=True)
        Console().print(escape(f"Its profile: yizhan-station check {identity / files.PROFILE}"), soft_wrap=True)
    return until


def _fail(message: str, status: int, as_json: bool) -> typer.Exit:
    if as_json:
        print(json.dumps({"error": message, "retry": status == EXIT_LATER}))
    Console(stderr=True).print(f"[bold red]{escape(message)}[/]", soft_wrap=True)
    return typer.Exit(status)
