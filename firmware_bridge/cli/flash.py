"""`yizhan-bridge flash`: bring new firmware to a board, and look at what an image is."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from firmware_bridge.capabilities import FirmwareVersion
from firmware_bridge.cli.probe import Heard
from firmware_bridge.cli.target import (
    DEVICE,
    LINE,
    PROFILES_HERE,
    Address,
    AsJson,
    Baud,
    OptionPairs,
    Profiles,
    Target,
    Url,
    line_config,
    mistakes_told,
    opened,
    options_of,
)
from firmware_bridge.config import DeviceConfig
from firmware_bridge.drivers import DRIVERS, Capability
from firmware_bridge.flashing.image import Image, parse, verify
from firmware_bridge.flashing.upload import flash as bring

ABLE = sorted(name for name, row in DRIVERS.items() if Capability.FIRMWARE in row.capabilities)


def flash(
    url: Url,
    image: Annotated[Path, typer.Argument(help="The signed image")],
    key: Annotated[list[Path], typer.Option(help="Public key (PEM, Ed25519) of whoever may sign; may be repeated")],
    driver: Annotated[str, typer.Option(help="One of: " + ", ".join(ABLE))] = "door_board",
    address: Address = 1,
    baud: Baud = None,
    option: OptionPairs = None,
    profiles: Profiles = PROFILES_HERE,
    allow_downgrade: Annotated[bool, typer.Option(help="An older version than what runs there")] = False,
    dry_run: Annotated[bool, typer.Option(help="Check the image and what runs on the board; send nothing")] = False,
    timeout_s: Annotated[float, typer.Option(help="How long to wait until the board answers", min=0.1)] = 10.0,
    as_json: AsJson = False,
) -> None:
    """Replace a board's firmware: signature, hardware and version are checked first; what does not start goes back.

    Stop the agent first: a line has one master. The board refuses while its door is in use.
    """
    with mistakes_told():
        if driver not in ABLE:
            raise ValueError(f"driver: a {driver} has no firmware of ours; {', '.join(ABLE)} has")
        data = _read(image)
        trusted = [_public_key(path) for path in key]
        checked = verify(data, trusted)
        device = DeviceConfig(driver=driver, line=LINE, address=address, options=options_of(option))
        target = Target(line_config(url, baud, "N", 8), device, profiles, None)
        before, after = asyncio.run(_flash(target, data, trusted, allow_downgrade, dry_run, timeout_s))
    _print(checked, before, after, as_json)


def _read(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        parse(data)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from None
    return data


def _public_key(path: Path) -> Ed25519PublicKey:
    try:
        key = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise ValueError(f"{path}: no public key: {error}") from None
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError(f"{path}: not an Ed25519 key")
    return key


async def _flash(
    target: Target,
    data: bytes,
    trusted: list[Ed25519PublicKey],
    allow_downgrade: bool,
    dry_run: bool,
    timeout_s: float,
) -> tuple[FirmwareVersion, FirmwareVersion | None]:
    """What ran before, and what runs now; None when nothing was sent."""
    heard = Heard()
    console = Console(stderr=True)
    columns = (TextColumn("firmware"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    async with opened(target, heard.emit) as bridge:
        await heard.online(target.device.driver, timeout_s)
        board = bridge.flashable(DEVICE)
        before = await board.firmware()
        if dry_run:
            return before, None
        with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
            bar = bars.add_task("firmware", total=len(data))
            after = await bring(
                board,
                data,
                trusted=trusted,
                allow_downgrade=allow_downgrade,
                progress=lambda sent, of: bars.update(bar, completed=sent, total=of),
            )
        return before, after


def _print(image: Image, before: FirmwareVersion, after: FirmwareVersion | None, as_json: bool) -> None:
    version = ".".join(map(str, image.version))
    if as_json:
        found = {"image": version, "hardware": image.hardware_name, "before": str(before)}
        typer.echo(json.dumps(found | {"after": None if after is None else str(after)}))
    elif after is None:
        typer.echo(f"the image is {version} for {image.hardware_name}, its signature is good; {before} runs there")
    else:
        typer.echo(f"{before} -> {after}")
