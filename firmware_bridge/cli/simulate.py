"""`yizhan-bridge simulate`: one simulated device, or a whole virtual station's, until Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import signal
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from firmware_bridge.cli.target import PROFILES_HERE, AsJson, Keys, Profiles, mistakes_told, up_to
from firmware_bridge.discovery.finding import Finding, proposed_rows
from firmware_bridge.secrets import NoSecrets, SecretDirectory
from firmware_bridge.simulators.base import Simulation, SimulatorContext
from firmware_bridge.simulators.station import SimulatedStation, SimulationConfig, StationState
from firmware_bridge.simulators.table import SIMULATORS

STATION = "station"


def simulate(
    what: Annotated[str, typer.Argument(help="station, or one of: " + ", ".join(sorted(SIMULATORS)))] = STATION,
    link_dir: Annotated[Path | None, typer.Option(help="Give the lines stable names in this directory")] = None,
    profiles: Profiles = PROFILES_HERE,
    keys: Keys = None,
    seed: Annotated[int, typer.Option(help="Of whatever is left to chance")] = 1,
    seconds: Annotated[float | None, typer.Option(help="End by itself after this", min=0)] = None,
    as_json: AsJson = False,
) -> None:
    """Run simulated devices and print how to reach them. A single device takes actions on standard input."""
    with mistakes_told():
        if what != STATION and what not in SIMULATORS:
            raise ValueError(f"{what!r} is not simulated; there are: {', '.join([STATION, *sorted(SIMULATORS)])}")
        if link_dir is not None:
            link_dir.mkdir(parents=True, exist_ok=True)
        if what == STATION:
            asyncio.run(_station(link_dir, as_json, seconds))
            return
        with contextlib.ExitStack() as stack:
            links = link_dir or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="yizhan-lines-")))
            secrets = SecretDirectory(keys) if keys is not None else NoSecrets()
            context = SimulatorContext(links, random.Random(seed), secrets, profiles)
            asyncio.run(_device(SIMULATORS[what].make(context), as_json, seconds))


def _stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop


async def _device(simulation: Simulation, as_json: bool, seconds: float | None) -> None:
    stop = _stop_on_signals()
    async with simulation:
        device = simulation.device
        finding = Finding(
            title=f"simulated {device.driver}",
            line=simulation.line,
            driver=device.driver,
            profile=device.profile,
            address=device.address,
            options=device.options,
        )
        typer.echo(json.dumps(finding.as_json(), ensure_ascii=False) if as_json else proposed_rows([finding]))
        _tell(simulation, as_json)
        loop = asyncio.get_running_loop()
        lines = _Lines(simulation, as_json)
        with contextlib.suppress(PermissionError):  # a file as standard input cannot be waited for
            loop.add_reader(sys.stdin, lines.readable)
        try:
            async with up_to(seconds):
                await stop.wait()
        finally:
            loop.remove_reader(sys.stdin)


class _Lines:
    """Actions on standard input, a line each: `press face`, `mute on`, `unplug`, `plug-in`."""

    def __init__(self, simulation: Simulation, as_json: bool) -> None:
        self._simulation = simulation
        self._as_json = as_json

    def readable(self) -> None:
        line = sys.stdin.readline()
        if not line:
            asyncio.get_running_loop().remove_reader(sys.stdin)
            return
        words = line.split()
        if not words:
            return
        try:
            match words:
                case ["unplug"]:
                    self._simulation.unplug()
                case ["plug-in"]:
                    self._simulation.plug_in()
                case ["mute", state]:
                    self._simulation.mute(state == "on")
                case _:
                    self._simulation.act(words)
        except ValueError as error:
            typer.echo(str(error), err=True)
        _tell(self._simulation, self._as_json)


def _tell(simulation: Simulation, as_json: bool) -> None:
    state = simulation.state()
    text = ", ".join(f"{name} {value}" for name, value in state.items())
    typer.echo(json.dumps({"state": state}, ensure_ascii=False) if as_json else text)


async def _station(link_dir: Path | None, as_json: bool, seconds: float | None) -> None:
    stop = _stop_on_signals()
    station = SimulatedStation(SimulationConfig(), link_dir=link_dir)
    async with station:
        if as_json:
            typer.echo(json.dumps({"lines": station.lines}))
        else:
            for name, path in station.lines.items():
                typer.echo(f"{name}: {path}")
        station.on_change = lambda: typer.echo(_state_line(station.state(), as_json))
        async with up_to(seconds):
            await stop.wait()


def _state_line(state: StationState, as_json: bool) -> str:
    seen = {
        "lock_released": state.lock_released,
        "bolt_drawn": state.bolt_drawn,
        "door_open": state.door_open,
        "releases": state.releases,
        "sign": [page.text if page.text is not None else f"{page.width}x{page.height}" for page in state.sign_pages],
    }
    if as_json:
        return json.dumps({"state": seen}, ensure_ascii=False)
    return ", ".join(f"{name} {value}" for name, value in seen.items())
