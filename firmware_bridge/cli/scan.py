"""`yizhan-bridge scan`: who is there, on the lines and on the network, as rows for a station profile."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable
from pathlib import Path
from typing import Annotated, Protocol

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from firmware_bridge.cli.target import ANSWERED, PROFILES_HERE, SILENT, AsJson, Profiles, mistakes_told
from firmware_bridge.clock import SystemClock
from firmware_bridge.config import LineKind, kind_of
from firmware_bridge.discovery import huidu, mdns, onvif, uhppote
from firmware_bridge.discovery.finding import Finding, proposed_rows
from firmware_bridge.discovery.profile_fit import all_profiles, fitted
from firmware_bridge.discovery.questions import Framing, Reach
from firmware_bridge.discovery.scouts import LISTENERS, SCOUTS
from firmware_bridge.discovery.serial_search import Plan, SearchError, search_line

STABLE_NAMES = Path("/dev/serial/by-id")
PORT_PATTERNS = ("ttyUSB*", "ttyACM*", "ttyAMA*", "ttyS*")


class NetworkSearch(Protocol):
    """`interface`: the station's own IPv4 address on that network, every one when it is empty. Raises OSError."""

    def __call__(self, *, interface: str, wait_s: float) -> Awaitable[list[Finding]]: ...


# Name on the command line -> a search of the network.
NETWORK: dict[str, NetworkSearch] = {
    "onvif": onvif.search,
    "uhppote": uhppote.search,
    "esphome": mdns.search,
    "huidu": huidu.search,
}
PROTOCOLS = [*(scout.protocol for scout in SCOUTS), *(listener.protocol for listener in LISTENERS), *NETWORK]


def scan(
    lines: Annotated[list[str] | None, typer.Argument(help="Lines; every serial port when none is named")] = None,
    protocol: Annotated[list[str] | None, typer.Option(help="Only these: " + ", ".join(PROTOCOLS))] = None,
    framing: Annotated[list[str] | None, typer.Option(help="Only these, as in 9600-8N1")] = None,
    every_address: Annotated[bool, typer.Option(help="All that a protocol has, not the usual ones")] = False,
    every_framing: Annotated[bool, typer.Option(help="Go on with other framings once somebody answered")] = False,
    network: Annotated[bool, typer.Option(help="Look on the network, too")] = True,
    network_s: Annotated[float, typer.Option(help="How long to wait for answers there", min=0.2, max=60)] = 3.0,
    interface: Annotated[str, typer.Option(help="This machine's IPv4 address on the network to look at")] = "",
    profiles: Profiles = PROFILES_HERE,
    as_json: AsJson = False,
) -> None:
    """Ask on every line, framing by framing, who is there; listen on the network; propose profile rows.

    Nothing is written to a device and no lock moves. Stop the agent first: a line has one master.
    """
    with mistakes_told():
        wanted = protocol or PROTOCOLS
        if unknown := [name for name in wanted if name not in PROTOCOLS]:
            raise ValueError(f"protocol: {', '.join(unknown)}; there are: {', '.join(PROTOCOLS)}")
        plan = Plan(
            scouts=tuple(scout for scout in SCOUTS if scout.protocol in wanted),
            listeners=tuple(listener for listener in LISTENERS if listener.protocol in wanted),
            framings=tuple(_framing(text) for text in framing or []),
            reach=Reach(every_address, _factory_units(profiles)),
            every_framing=every_framing,
        )
        ports = lines or serial_ports()
        for port in ports:
            if kind_of(port) not in (LineKind.SERIAL, LineKind.TCP):
                raise ValueError(f"{port}: only serial lines and serial servers (tcp://) are searched by asking")
        searches = {name: search for name, search in NETWORK.items() if network and name in wanted}
        found, troubles = asyncio.run(_scan(ports, plan, searches, interface, network_s, profiles))
    for trouble in troubles:
        typer.echo(trouble, err=True)
    if as_json:
        for finding in found:
            typer.echo(json.dumps(finding.as_json(), ensure_ascii=False))
    else:
        typer.echo(proposed_rows(found) if found else "nobody answered; check power, wiring, A and B, termination")
    raise typer.Exit(ANSWERED if found else SILENT)


def serial_ports() -> list[str]:
    """The machine's serial ports, by their stable names where they have one."""
    stable = sorted(STABLE_NAMES.glob("*")) if STABLE_NAMES.is_dir() else []
    known = {path.resolve() for path in stable}
    others = [path for pattern in PORT_PATTERNS for path in sorted(Path("/dev").glob(pattern))]
    return [str(path) for path in (*stable, *(path for path in others if path.resolve() not in known))]


def _factory_units(profiles: Path) -> frozenset[int]:
    return frozenset(profile.factory.address for profile in all_profiles(profiles).values())


def _framing(text: str) -> Framing:
    baud, _, rest = text.partition("-")
    if not (baud.isdigit() and len(rest) == 3 and rest[0] in "78" and rest[1] in "NEO" and rest[2] in "12"):
        raise ValueError(f"framing: {text!r}; write it as 9600-8N1")
    return Framing(int(baud), int(rest[0]), rest[1], int(rest[2]))


async def _scan(
    ports: list[str],
    plan: Plan,
    searches: dict[str, NetworkSearch],
    interface: str,
    network_s: float,
    profiles_dir: Path,
) -> tuple[list[Finding], list[str]]:
    clock, rng = SystemClock(), random.Random()
    profiles = all_profiles(profiles_dir)
    found: list[Finding] = []
    troubles: list[str] = []
    console = Console(stderr=True)
    columns = (TextColumn("{task.description:<44.44}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:

        async def on_line(url: str) -> None:
            bar = bars.add_task(url)
            name = url.rsplit("/", 1)[-1]

            def told(text: str, at: int, of: int) -> None:
                bars.update(bar, description=f"{name} {text}", completed=at, total=max(1, of))

            try:
                answered = await search_line(url, plan, clock=clock, rng=rng, progress=told)
            except SearchError as error:
                troubles.append(str(error))
                bars.update(bar, description=f"{name} cannot be searched")
                return
            for finding in answered:
                if finding.driver is None and finding.address is not None:
                    finding = await fitted(
                        finding,
                        profiles,
                        profiles_dir,
                        clock=clock,
                        rng=rng,
                        progress=lambda text: bars.update(bar, description=f"{name} {text}"),
                    )
                found.append(finding)

        async def on_network(name: str, search: NetworkSearch) -> None:
            bar = bars.add_task(f"network: {name}", total=1)
            try:
                found.extend(await search(interface=interface, wait_s=network_s))
            except OSError as error:
                troubles.append(f"{name}: {error}")
            bars.update(bar, completed=1)

        async with asyncio.TaskGroup() as group:
            for url in ports:
                group.create_task(on_line(url))
            for name, search in searches.items():
                group.create_task(on_network(name, search))
    return found, troubles
