"""Which device on which line a command means, and a bridge that knows it alone."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from firmware_bridge.bridge import Bridge, BridgeConfigError
from firmware_bridge.capabilities import DeviceError, Emit
from firmware_bridge.capture import Tap
from firmware_bridge.clock import SystemClock
from firmware_bridge.config import DeviceConfig, LineConfig
from firmware_bridge.drivers import DRIVERS
from firmware_bridge.profiles import error_lines
from firmware_bridge.secrets import SecretDirectory, SecretError

DEVICE = "device"
LINE = "line"
ANSWERED, SILENT, WRONG = 0, 1, 2

Driver = Annotated[str, typer.Argument(help="One of: " + ", ".join(sorted(DRIVERS)))]
Url = Annotated[str, typer.Argument(help="/dev/ttyUSB0, tcp://host:port, modbus-tcp://host, mqtt://host, ...")]
Profile = Annotated[str | None, typer.Option(help="Device profile, without .toml")]
Address = Annotated[int, typer.Option(help="Unit address")]
Baud = Annotated[int | None, typer.Option(help="9600 when not given")]
Parity = Annotated[str, typer.Option(help="N, E or O")]
DataBits = Annotated[int, typer.Option(help="7 or 8")]
OptionPairs = Annotated[list[str] | None, typer.Option("--option", help="A driver option: key=value, value as JSON")]
Profiles = Annotated[Path, typer.Option(help="Directory of device profiles")]
Keys = Annotated[Path | None, typer.Option(help="Directory of the devices' secrets")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON on standard output, an object a line")]

PROFILES_HERE = Path("config/devices")


@dataclass(frozen=True, slots=True)
class Target:
    """One device, its line, and where its profile and secrets are."""

    line: LineConfig
    device: DeviceConfig
    profiles: Path
    keys: Path | None


def line_config(url: str, baud: int | None, parity: str, data_bits: int) -> LineConfig:
    """Raises pydantic.ValidationError for a line that is none."""
    given: dict[str, Any] = {"url": url, "parity": parity, "data_bits": data_bits}
    return LineConfig.model_validate(given if baud is None else given | {"baud": baud})


def options_of(pairs: list[str] | None) -> dict[str, Any]:
    """`key=value` words; a value that is no JSON is a text. Raises ValueError for another word."""
    options: dict[str, Any] = {}
    for pair in pairs or []:
        key, found, value = pair.partition("=")
        if not found:
            raise ValueError(f"option {pair!r} is not key=value")
        try:
            options[key] = json.loads(value)
        except json.JSONDecodeError:
            options[key] = value
    return options


@contextmanager
def mistakes_told() -> Iterator[None]:
    """What is wrong with the words of a command ends it with a line a mistake; a silent device with one line."""
    try:
        yield
    except (ValidationError, BridgeConfigError, SecretError, ValueError) as error:
        lines = error_lines(error) if isinstance(error, ValidationError) else str(error).splitlines()
        for text in lines:
            typer.echo(text.replace(f"devices.{DEVICE}.", ""), err=True)
        raise typer.Exit(WRONG) from None
    except DeviceError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(SILENT) from None


@asynccontextmanager
async def opened(target: Target, emit: Emit, *, taps: Mapping[str, Tap] | None = None) -> AsyncIterator[Bridge]:
    """A bridge with the target's device, its services running. Raises BridgeConfigError."""
    opening = Bridge.open(
        {LINE: target.line},
        {DEVICE: target.device},
        profiles_dir=target.profiles,
        emit=emit,
        clock=SystemClock(),
        rng=random.Random(),
        secrets=SecretDirectory(target.keys) if target.keys else None,
        taps=taps,
    )
    async with opening as bridge:
        services = [asyncio.create_task(_run(run)) for _, run in bridge.services]
        try:
            yield bridge
        finally:
            for service in services:
                service.cancel()
            await asyncio.gather(*services, return_exceptions=True)


async def _run(run: Callable[[], Awaitable[None]]) -> None:
    await run()


@asynccontextmanager
async def up_to(seconds: float | None) -> AsyncIterator[None]:
    """The body, cut short without an error after so many seconds."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            yield
