"""`yizhan-bridge`: ask one device on a line, or run a virtual station's devices. Neither opens a door.

Exit status: 0 it went well, 1 the device did not answer, 2 the command line or the profile is wrong.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import signal
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from firmware_bridge.bridge import Bridge, BridgeConfigError
from firmware_bridge.capabilities import DeviceEvent, Health, HealthChanged, InputChanged, Lock, Reading, Scan
from firmware_bridge.clock import SystemClock
from firmware_bridge.config import DeviceConfig, LineConfig
from firmware_bridge.drivers import DRIVERS, Capability
from firmware_bridge.profiles import error_lines
from firmware_bridge.simulators.station import SimulatedStation, SimulationConfig, StationState

DEVICE = "device"
LINE = "line"
ANSWERED, SILENT, WRONG = 0, 1, 2

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__, rich_markup_mode=None)

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line")]


@dataclass(slots=True)
class _Heard:
    """What a device told while it was probed."""

    health: Health | None = None
    detail: str = ""
    readings: dict[str, Reading] = field(default_factory=dict)
    inputs: dict[str, bool] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def emit(self, event: DeviceEvent) -> None:
        match event:
            case HealthChanged(_, health, detail):
                self.health, self.detail = health, detail
            case Reading(_, point):
                self.readings[point] = event
            case InputChanged(_, name, active):
                self.inputs[name] = active
            case Scan(_, text):
                self.texts.append(text)
        self.changed.set()


@app.command()
def probe(
    driver: Annotated[str, typer.Argument(help="One of: " + ", ".join(sorted(DRIVERS)))],
    url: Annotated[str, typer.Argument(help="serial:///dev/ttyUSB0, a path, or tcp://host:port")],
    profile: Annotated[str | None, typer.Option(help="Device profile, without .toml")] = None,
    address: Annotated[int, typer.Option(help="Unit address")] = 1,
    baud: Annotated[int, typer.Option()] = 9600,
    parity: Annotated[str, typer.Option(help="N, E or O")] = "N",
    data_bits: Annotated[int, typer.Option(help="7 or 8")] = 8,
    option: Annotated[list[str] | None, typer.Option(help="A driver option: key=value, value as JSON")] = None,
    profiles: Annotated[Path, typer.Option(help="Directory of device profiles")] = Path("config/devices"),
    timeout_s: Annotated[float, typer.Option(help="How long to listen", min=0.1, max=600)] = 5.0,
    as_json: AsJson = False,
) -> None:
    """Talk to one device and say what it answers. A scanner is listened to until it has read something."""
    try:
        line = LineConfig.model_validate({"url": url, "baud": baud, "parity": parity, "data_bits": data_bits})
        device = DeviceConfig(
            driver=driver, line=LINE, profile=profile, address=address, options=_options(option or [])
        )
        found = asyncio.run(_probe(line, device, profiles, timeout_s))
    except (ValidationError, BridgeConfigError, ValueError) as error:
        lines = error_lines(error) if isinstance(error, ValidationError) else str(error).splitlines()
        for text in lines:
            typer.echo(text.replace(f"devices.{DEVICE}.", ""), err=True)
        raise typer.Exit(WRONG) from None
    _print(found, as_json)
    raise typer.Exit(ANSWERED if found["health"] == Health.ONLINE.value else SILENT)


def _options(pairs: list[str]) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for pair in pairs:
        key, found, value = pair.partition("=")
        if not found:
            raise ValueError(f"option {pair!r} is not key=value")
        try:
            options[key] = json.loads(value)
        except json.JSONDecodeError:
            options[key] = value
    return options


async def _probe(line: LineConfig, device: DeviceConfig, profiles: Path, timeout_s: float) -> dict[str, Any]:
    heard = _Heard()
    opening = Bridge.open({LINE: line}, {DEVICE: device}, profiles_dir=profiles, emit=heard.emit, clock=SystemClock())
    async with opening as bridge:
        services = [asyncio.create_task(_run(run)) for _, run in bridge.services]
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await _answered(heard, bridge.devices[DEVICE].capabilities)
            driver = bridge.devices[DEVICE].driver
            status = None
            if isinstance(driver, Lock) and heard.health is Health.ONLINE:
                status = asdict(await driver.status())
            found: dict[str, Any] = {
                "driver": device.driver,
                "url": line.url,
                "health": heard.health.value if heard.health else "unknown",
                "detail": heard.detail,
                "readings": {
                    name: {"value": reading.value, "unit": reading.unit, "quality": reading.quality.value}
                    for name, reading in heard.readings.items()
                },
                "inputs": heard.inputs,
                "texts": heard.texts,
                "status": status,
            }
            stats = bridge.stats(DEVICE)
            found["line"] = {
                "requests": stats.requests,
                "answered": stats.answered,
                "timeouts": stats.timeouts,
                "bad_frames": stats.bad_frames,
                "latency_ms": [round(value, 1) for value in stats.latencies_ms],
            }
        finally:
            for service in services:
                service.cancel()
            await asyncio.gather(*services, return_exceptions=True)
    return found


async def _run(run: Any) -> None:
    await run()


async def _answered(heard: _Heard, capabilities: tuple[Capability, ...]) -> None:
    """Until the device told what it has to tell, or that it is silent."""
    while heard.health is not Health.OFFLINE:
        if Capability.SCANNER in capabilities:
            enough = bool(heard.texts)
        elif Capability.SENSOR in capabilities:
            enough = bool(heard.readings)
        else:
            enough = heard.health is Health.ONLINE
        if enough:
            return
        heard.changed.clear()
        await heard.changed.wait()


def _print(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
        return
    typer.echo(f"{found['driver']} at {found['url']}: {found['health']} {found['detail']}".rstrip())
    for name, reading in found["readings"].items():
        typer.echo(f"  {name} = {reading['value']} {reading['unit']} ({reading['quality']})")
    for name, active in found["inputs"].items():
        typer.echo(f"  input {name}: {'active' if active else 'inactive'}")
    for text in found["texts"]:
        typer.echo(f"  read {text!r}")
    status = found["status"]
    if status is not None:
        typer.echo(f"  released: {status['released']}, contact open: {status['contact_open']}")
    line = found["line"]
    typer.echo(f"  {line['answered']} of {line['requests']} requests answered, {line['bad_frames']} bad frames")


@app.command()
def simulate(
    link_dir: Annotated[Path | None, typer.Option(help="Give the lines stable names in this directory")] = None,
    as_json: AsJson = False,
    seconds: Annotated[float | None, typer.Option(help="End by itself after this", min=0)] = None,
) -> None:
    """Run the devices of one virtual station and print where its lines are, until Ctrl-C."""
    if link_dir is not None:
        link_dir.mkdir(parents=True, exist_ok=True)
    asyncio.run(_simulate(link_dir, as_json, seconds))


async def _simulate(link_dir: Path | None, as_json: bool, seconds: float | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    station = SimulatedStation(SimulationConfig(), link_dir=link_dir)
    async with station:
        if as_json:
            typer.echo(json.dumps({"lines": station.lines}))
        else:
            for name, path in station.lines.items():
                typer.echo(f"{name}: {path}")
        station.on_change = lambda: typer.echo(_state_line(station.state(), as_json))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
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


def main() -> None:
    """The console script."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    app()


if __name__ == "__main__":
    main()
