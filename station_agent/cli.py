"""`yizhan-station`: check a profile, run the agent, run a virtual station, write the profile's schema."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import json
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from station_agent.faces import cli as faces_cli
from station_agent.identity import cli as identity_cli
from station_agent.settings import (
    Checked,
    ProfileRefused,
    Settings,
    check_pack,
    profiles_dir_of,
    read_link,
    read_profile,
)
from station_agent.wire.link import HubLink
from station_agent.wire.profile import StationProfile
from station_agent.wire.rules import Rules

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)

app.add_typer(faces_cli.models, name="models")
app.add_typer(faces_cli.faces, name="faces")

identity_cli.add_to(app)

EXIT_BAD_PROFILE = 2

ProfilePath = Annotated[Path, typer.Option("--station", help="Station profile (TOML)", metavar="PROFILE")]
ProfilesDir = Annotated[
    Path | None, typer.Option("--device-profiles", help="Folder of device profiles; beside the profile by default")
]


def main() -> None:
    app()


@app.command()
def check(
    profile: Annotated[Path, typer.Argument(help="Station profile (TOML)")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of text")] = False,
    device_profiles: ProfilesDir = None,
    models: Annotated[Path | None, typer.Option(help="Folder of installed model packs, to check the face pack")] = None,
    trust: Annotated[Path | None, typer.Option(help="PEM of the keys that may sign packs; with --models")] = None,
) -> None:
    """List every mistake in a station profile with its path. Exit status 2 when there is one."""
    checked = read_profile(profile, device_profiles or profiles_dir_of(profile), {}, {})
    checked = check_pack(checked, models, trust)
    if as_json:
        print(
            json.dumps(
                {"file": str(profile), "errors": checked.errors, "warnings": checked.warnings}, ensure_ascii=False
            )
        )
    else:
        _print_checked(profile, checked, Console())
    if checked.errors:
        raise typer.Exit(EXIT_BAD_PROFILE)


@app.command()
def run(
    state: Annotated[Path, typer.Option(help="Folder for the database; made when it is not there")],
    station: Annotated[
        Path | None, typer.Option("--station", help="Station profile; the identity's by default", metavar="PROFILE")
    ] = None,
    identity: Annotated[
        Path | None, typer.Option(envvar="YIZHAN_IDENTITY", help="Folder that `claim` made: link file and profile")
    ] = None,
    link: Annotated[Path | None, typer.Option(help="Link file of the hub; without it the station works alone")] = None,
    line: Annotated[list[str] | None, typer.Option(help="NAME=URL: another address for a line")] = None,
    camera: Annotated[list[str] | None, typer.Option(help="NAME=URL: another address for a camera")] = None,
    keys: Annotated[Path | None, typer.Option(help="Folder for the station's keys; `keys` beside --state")] = None,
    device_profiles: ProfilesDir = None,
    capture: Annotated[
        list[str] | None, typer.Option(help="NAME=FILE: keep what goes over a line; it may hold codes and cards")
    ] = None,
    status_fd: Annotated[int | None, typer.Option(hidden=True)] = None,
    with_parent: Annotated[int | None, typer.Option(hidden=True)] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v")] = False,
) -> None:
    """Run the agent until SIGTERM or Ctrl-C."""
    if with_parent is not None:
        _die_with(with_parent)
    _log(verbose)
    station, link = identity_cli.profile_and_link(identity, station, link)
    loaded, hub, profiles_dir = load(station, link, device_profiles, _pairs(line, "--line"), _pairs(camera, "--camera"))
    captures = {name: Path(file) for name, file in _pairs(capture, "--capture").items()}
    if unknown := [name for name in captures if name not in loaded.lines]:
        raise typer.BadParameter(f"the profile has no line {', '.join(unknown)}", param_hint="--capture")
    key_dir = keys or state.parent / f"{state.name}-keys"
    settings = Settings(loaded, hub, state, key_dir, profiles_dir, status_fd, captures)
    raise typer.Exit(asyncio.run(_run(settings)))


@app.command()
def virtual(
    station: ProfilePath,
    state: Annotated[Path, typer.Option(help="Folder for the database and the ptys")],
    link: Annotated[Path, typer.Option(help="Link file of the hub")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the door page on 127.0.0.1; 0: any free one")],
    phones: Annotated[Path | None, typer.Option(help="Virtual phones of demo members (JSON)")] = None,
    pages: Annotated[Path | None, typer.Option(help="Folder of the built pages (door.html)")] = None,
    device_profiles: ProfilesDir = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v")] = False,
) -> None:
    """Run a station without hardware: simulated devices, the real agent, and a page that shows its door."""
    gc.disable()  # as in `_run`
    from station_agent.virtual.process import VirtualSettings, run_virtual  # an edge box has no page of its own

    gc.freeze()
    gc.enable()
    _log(verbose)
    loaded, _, _ = load(station, link, device_profiles, {}, {})
    settings = VirtualSettings(
        profile_path=station,
        profile=loaded,
        link_path=link,
        state_dir=state.resolve(),  # the ptys' links are given to the agent as they are
        port=port,
        phones_path=phones,
        pages_dir=pages,
        device_profiles=device_profiles,
        verbose=verbose,
    )
    raise typer.Exit(asyncio.run(run_virtual(settings)))


@app.command()
def schema(
    out: Annotated[Path | None, typer.Option(help="Folder to write to; printed when not given")] = None,
) -> None:
    """The JSON Schemas of a station profile, of the drivers' options and of the rules that a hub sends."""
    for name, document in schemas().items():
        text = json.dumps(document, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
        if out is None:
            print(text, end="")
        else:
            out.mkdir(parents=True, exist_ok=True)
            (out / name).write_text(text, "utf-8")


def schemas() -> dict[str, dict[str, Any]]:
    """Schema by file name, as they are kept in config/schema."""
    from firmware_bridge.bridge import driver_options_schema

    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return {
        "station.schema.json": {**dialect, **StationProfile.model_json_schema()},
        "driver-options.schema.json": driver_options_schema(),
        "rules.schema.json": {**dialect, **Rules.model_json_schema()},
    }


def load(
    profile: Path, link: Path | None, profiles: Path | None, lines: dict[str, str], cameras: dict[str, str]
) -> tuple[StationProfile, HubLink | None, Path]:
    """Profile, link, folder of device profiles; what is wrong is printed and ends the program with status 2."""
    console = Console(stderr=True)
    profiles_dir = profiles or profiles_dir_of(profile)
    checked = read_profile(profile, profiles_dir, lines, cameras)
    if checked.profile is None:
        _print_checked(profile, checked, console)
        raise typer.Exit(EXIT_BAD_PROFILE)
    for warning in checked.warnings:
        console.print(f"[bold yellow]warning[/] {escape(warning)}", soft_wrap=True)
    try:
        hub = read_link(link) if link is not None else None
    except ProfileRefused as error:
        console.print(f"[bold red]{escape(str(error))}[/]", soft_wrap=True)
        raise typer.Exit(EXIT_BAD_PROFILE) from error
    if hub is not None and hub.station != checked.profile.station.id:
        console.print(f"[bold red]{link} is for station {hub.station}, {profile} is {checked.profile.station.id}[/]")
        raise typer.Exit(EXIT_BAD_PROFILE)
    return checked.profile, hub, profiles_dir


async def _run(settings: Settings) -> int:
    gc.disable()  # nothing of what a start makes is garbage: no time is lost on looking, now and before any door later
    from station_agent.link.mqtt import LinkRefused
    from station_agent.station import open_station
    from station_agent.supervisor import Essential
    from station_agent.telemetry.store import StoreUnusable

    gc.freeze()
    gc.enable()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        async with open_station(settings) as station:
            await station.run(stop)
    except (LinkRefused, Essential, StoreUnusable, ValueError) as error:
        Console(stderr=True).print(f"[bold red]{escape(str(error))}[/]", soft_wrap=True)
        return 1
    return 0


def _print_checked(profile: Path, checked: Checked, console: Console) -> None:
    for error in checked.errors:
        console.print(f"[bold red]error[/] {escape(error)}", soft_wrap=True)
    for warning in checked.warnings:
        console.print(f"[bold yellow]WARNING[/] [yellow]{escape(warning)}[/]", soft_wrap=True)
    count = len(checked.errors)
    verdict = f"[bold red]{count} mistake{'s' if count != 1 else ''}[/]" if count else "[bold green]correct[/]"
    console.print(f"{escape(str(profile))}: {verdict}", soft_wrap=True)


def _pairs(given: list[str] | None, option: str) -> dict[str, str]:
    pairs = {}
    for text in given or []:
        name, separator, url = text.partition("=")
        if not separator or not name or not url:
            raise typer.BadParameter(f"{text!r} is not NAME=VALUE", param_hint=option)
        pairs[name] = url
    return pairs


def _log(verbose: bool) -> None:
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)-7s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    if not verbose:
        logging.getLogger("httpx").setLevel(logging.WARNING)


def _die_with(parent: int) -> None:
    """Linux: the kernel ends this process when its parent is gone, whatever ended that."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None, use_errno=True).prctl(pr_set_pdeathsig, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:  # gone before the kernel was asked
        raise typer.Exit(0)


if __name__ == "__main__":
    main()
