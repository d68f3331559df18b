"""`yizhan-bridge probe`: talk to one device and say what it answers."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from firmware_bridge.bridge import Bridge
from firmware_bridge.capabilities import (
    Bitmap,
    Camera,
    CardRead,
    Control,
    DeviceError,
    DeviceEvent,
    DeviceTimeout,
    Flashable,
    Health,
    HealthChanged,
    InputChanged,
    KeysPressed,
    Locator,
    Lock,
    Reading,
    Scan,
    Sign,
)
from firmware_bridge.cli.target import (
    ANSWERED,
    DEVICE,
    LINE,
    PROFILES_HERE,
    SILENT,
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
    up_to,
)
from firmware_bridge.config import DeviceConfig
from firmware_bridge.drivers import Capability
from firmware_bridge.recorder import Recorder

# What a device offers beside its readings is asked for once it has answered, for so long each.
ASK_S_MAX = 5.0


@dataclass(slots=True)
class Heard:
    """What a device told while it was watched. Cards and keys are counted, not shown."""

    health: Health | None = None
    detail: str = ""
    readings: dict[str, Reading] = field(default_factory=dict)
    inputs: dict[str, bool] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)
    cards: int = 0
    keys: int = 0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

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
            case CardRead():
                self.cards += 1
            case KeysPressed():
                self.keys += len(event.keys)
        self._changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition()` holds; it is asked again after every event."""
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    async def online(self, driver: str, within_s: float) -> None:
        """Wait until the device says how it is. Raises DeviceTimeout when it does not, or is not there."""
        async with up_to(within_s):
            await self.until(lambda: self.health is not None)
        if self.health is not Health.ONLINE:
            raise DeviceTimeout(driver, self.detail or "it did not answer; check power, wiring, address")


def probe(
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
    timeout_s: Annotated[float, typer.Option(help="How long to listen", min=0.1, max=600)] = 5.0,
    capture: Annotated[Path | None, typer.Option(help="Keep what went over the line in this capture file")] = None,
    protocol: Annotated[str, typer.Option(help="Name of the protocol, for that file")] = "raw",
    as_json: AsJson = False,
) -> None:
    """Talk to one device and say what it answers. A scanner or reader is listened to until it has read something."""
    with mistakes_told():
        line = line_config(url, baud, parity, data_bits)
        device = DeviceConfig(driver=driver, line=LINE, profile=profile, address=address, options=options_of(option))
        target = Target(line, device, profiles, keys)
        framing = f"{line.baud} {line.data_bits}{line.parity}{line.stop_bits}"
        with contextlib.ExitStack() as stack:
            recorder = None
            if capture is not None:
                recorder = stack.enter_context(Recorder(capture, {"protocol": protocol, "line": framing}))
            found = asyncio.run(_probe(target, timeout_s, recorder))
    _print(found, as_json)
    raise typer.Exit(ANSWERED if found["health"] == Health.ONLINE.value else SILENT)


async def _probe(target: Target, timeout_s: float, recorder: Recorder | None) -> dict[str, Any]:
    heard = Heard()
    async with opened(target, heard.emit, taps={LINE: recorder.tap} if recorder else None) as bridge:
        async with up_to(timeout_s):
            await _answered(heard, bridge.devices[DEVICE].capabilities)
        return {
            "driver": target.device.driver,
            "url": target.line.url,
            "health": heard.health.value if heard.health else "unknown",
            "detail": heard.detail,
            "readings": {
                name: {"value": reading.value, "unit": reading.unit, "quality": reading.quality.value}
                for name, reading in heard.readings.items()
            },
            "inputs": heard.inputs,
            "texts": heard.texts,
            "cards": heard.cards,
            "keys": heard.keys,
            **(await _offers(bridge) if heard.health is Health.ONLINE else {}),
            "line": _line(bridge),
        }


async def _offers(bridge: Bridge) -> dict[str, Any]:
    """What the device can tell beside its readings; an offer that fails is told as its error."""
    driver = bridge.devices[DEVICE].driver
    offers: dict[str, Any] = {}
    try:
        async with asyncio.timeout(ASK_S_MAX):
            if isinstance(driver, Lock):
                offers["status"] = asdict(await driver.status())
            if isinstance(driver, Control):
                offers["controls"] = {name: asdict(reach) for name, reach in driver.controls.items()}
            if isinstance(driver, Locator):
                position = await driver.position()
                offers["position"] = None if position is None else asdict(position) | {"at": position.at.isoformat()}
            if isinstance(driver, Sign):
                pages = await driver.shown()
                offers["shows"] = None if pages is None else [_page(page) for page in pages]
            if isinstance(driver, Flashable):
                offers["firmware"] = str(await driver.firmware())
            if isinstance(driver, Camera):
                offers["camera"] = asdict(await driver.info()) | {"stream": await driver.stream_url()}
    except (DeviceError, TimeoutError) as error:
        offers["error"] = str(error) or f"no answer in {ASK_S_MAX} s"
    return offers


def _page(page: Bitmap | str) -> str:
    return page if isinstance(page, str) else f"a picture of {page.width}x{page.height}"


def _line(bridge: Bridge) -> dict[str, Any]:
    stats = bridge.stats(DEVICE)
    return {
        "requests": stats.requests,
        "answered": stats.answered,
        "timeouts": stats.timeouts,
        "retries": stats.retries,
        "bad_frames": stats.bad_frames,
        "latency_ms": [round(value, 1) for value in stats.latencies_ms],
    }


async def _answered(heard: Heard, capabilities: tuple[Capability, ...]) -> None:
    """Until the device told what it has to tell, or that it is silent."""

    def enough() -> bool:
        if heard.health is Health.OFFLINE:
            return True
        if Capability.SCANNER in capabilities:
            return bool(heard.texts)
        if Capability.READER in capabilities:
            return bool(heard.cards or heard.keys)
        if Capability.SENSOR in capabilities:
            return bool(heard.readings)
        return heard.health is Health.ONLINE

    await heard.until(enough)


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
    if found["cards"] or found["keys"]:
        typer.echo(f"  {found['cards']} cards, {found['keys']} keys")
    status = found.get("status")
    if status is not None:
        typer.echo(f"  released: {status['released']}, contact open: {status['contact_open']}")
    for name in ("controls", "position", "shows", "firmware", "camera", "error"):
        if name in found:
            typer.echo(f"  {name}: {found[name]}")
    line = found["line"]
    typer.echo(f"  {line['answered']} of {line['requests']} requests answered, {line['bad_frames']} bad frames")
