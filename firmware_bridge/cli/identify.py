"""`yizhan-bridge identify`: let one device show which one it is."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated

import typer

from firmware_bridge.cli.probe import Heard
from firmware_bridge.cli.target import (
    DEVICE,
    LINE,
    PROFILES_HERE,
    Address,
    AsJson,
    Baud,
    DataBits,
    Driver,
    Keys,
    OptionPairs,
    Parity,
    Profile,
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

ABLE = sorted(name for name, row in DRIVERS.items() if Capability.IDENTIFY in row.capabilities)


def identify(
    driver: Driver,
    url: Url,
    profile: Profile = None,
    address: Address = 1,
    baud: Baud = None,
    parity: Parity = "N",
    data_bits: DataBits = 8,
    option: OptionPairs = None,
    profiles: Profiles = PROFILES_HERE,
    keys: Keys = None,
    for_s: Annotated[float, typer.Option(help="About how long it shows itself", min=0.5, max=60)] = 5.0,
    timeout_s: Annotated[float, typer.Option(help="How long to wait until it answers", min=0.1, max=600)] = 10.0,
    as_json: AsJson = False,
) -> None:
    """Let one device blink, beep or show its name. No lock moves."""
    with mistakes_told():
        if driver in DRIVERS and driver not in ABLE:
            raise ValueError(f"driver: a {driver} cannot show itself; {', '.join(ABLE) or 'none'} can")
        device = DeviceConfig(driver=driver, line=LINE, profile=profile, address=address, options=options_of(option))
        target = Target(line_config(url, baud, parity, data_bits), device, profiles, keys)
        seen = asyncio.run(_identify(target, for_s, timeout_s))
    typer.echo(json.dumps({"driver": driver, "url": url, "shows": seen}, ensure_ascii=False) if as_json else seen)


async def _identify(target: Target, for_s: float, timeout_s: float) -> str:
    heard = Heard()
    async with opened(target, heard.emit) as bridge:
        await heard.online(target.device.driver, timeout_s)
        return await bridge.identifiable(DEVICE).identify(for_s)
