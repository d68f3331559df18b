"""The bridge as the agent meets it: lines and devices of a profile in, capabilities and events out.

```python
async with Bridge.open(lines, devices, profiles_dir=Path("config/devices"), emit=on_event, clock=clock) as bridge:
    for name, run in bridge.services:  # "line:door", "device:door_lock", ...: keep each alive
        ...
    await bridge.lock("door_lock").release(5.0)
```
Events of all devices come through `emit`, on the loop. Opening never waits for hardware: a line that is not
there is told as HealthChanged and opened when it comes. How each device does on its line is told, too: as
readings of the device (`statistics.py`).
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError

from firmware_bridge.bus import Bus
from firmware_bridge.capabilities import (
    Camera,
    Control,
    Driver,
    Emit,
    Flashable,
    Identifiable,
    Locator,
    Lock,
    Reader,
    Sensor,
    Sign,
)
from firmware_bridge.capture import Tap
from firmware_bridge.clock import Clock
from firmware_bridge.config import BUS_KINDS, DeviceConfig, Devices, LineConfig, Lines
from firmware_bridge.drivers import DRIVERS, SESSIONS, Capability, DriverContext, LineUse, Options
from firmware_bridge.exchange import DeviceStats
from firmware_bridge.line import Line
from firmware_bridge.profiles import DeviceProfile, ProfileError, error_lines, load
from firmware_bridge.secrets import NoSecrets, Secrets
from firmware_bridge.session import Counted, Session, SessionContext
from firmware_bridge.statistics import STATISTICS_PERIOD_S, tell_statistics

Service = tuple[str, Callable[[], Awaitable[None]]]

# While a code arrives its bytes are at most this far apart; the decision after the last one takes
# milliseconds. The lines of locks are kept clear for that long after every byte.
EXPECT_RELEASE_S = 0.1


class BridgeConfigError(ValueError):
    """Lines and devices that cannot work; `errors` has one `path: message` line each."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__("\n".join(errors))
        self.errors = errors


@dataclass(frozen=True, slots=True)
class BridgeDevice:
    """A device of an open bridge."""

    name: str
    config: DeviceConfig
    capabilities: tuple[Capability, ...]
    profile: DeviceProfile | None
    driver: Driver


@dataclass(frozen=True, slots=True)
class _Checked:
    options: Options
    profile: DeviceProfile | None


class Bridge:
    """Open devices by name. Made by `Bridge.open`."""

    def __init__(
        self,
        carriers: dict[str, Bus | Session],
        devices: dict[str, BridgeDevice],
        emit: Emit,
        clock: Clock,
        statistics_s: float,
    ) -> None:
        self._carriers = carriers
        self.devices = devices
        self._emit = emit
        self._clock = clock
        self._statistics_s = statistics_s

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        lines: Lines,
        devices: Devices,
        *,
        profiles_dir: Path,
        emit: Emit,
        clock: Clock,
        rng: random.Random | None = None,
        secrets: Secrets | None = None,
        taps: Mapping[str, Tap] | None = None,
        statistics_s: float = STATISTICS_PERIOD_S,
    ) -> AsyncIterator[Bridge]:
        """Make buses, sessions and drivers; nothing is opened before the services run.

        `taps` hear, by the name of a line, every byte of it. Raises BridgeConfigError with every mistake. Cancel
        the services before leaving the context.
        """
        checked, errors = _check(lines, devices, profiles_dir)
        if errors:
            raise BridgeConfigError(errors)
        rng = rng or random.Random()
        secrets = secrets or NoSecrets()
        carriers: dict[str, Bus | Session] = {}
        for name, config in lines.items():
            if config.kind in BUS_KINDS:
                line = Line(name, config, clock=clock, rng=rng, tap=(taps or {}).get(name))
                carriers[name] = Bus(line, gap_s=config.gap_s, clock=clock, rng=rng)
            else:
                carriers[name] = SESSIONS[config.kind](SessionContext(name, config, clock, rng, secrets))
        expect_release = _keeping_clear(carriers, devices)
        opened: dict[str, BridgeDevice] = {}
        for name, device in devices.items():
            row = DRIVERS[device.driver]
            context = DriverContext(
                name=name,
                address=device.address,
                options=checked[name].options,
                profile=checked[name].profile,
                line=lines[device.line],
                carrier=carriers[device.line],
                emit=emit,
                clock=clock,
                rng=rng,
                secrets=secrets,
                expect_release=expect_release,
            )
            opened[name] = BridgeDevice(name, device, row.capabilities, checked[name].profile, row.factory(context))
        yield cls(carriers, opened, emit, clock, statistics_s)

    @property
    def services(self) -> list[Service]:
        """What must run for as long as the bridge is open, each kept alive on its own."""
        lines: list[Service] = [(f"line:{name}", carrier.run) for name, carrier in self._carriers.items()]
        devices: list[Service] = [(f"device:{name}", device.driver.run) for name, device in self.devices.items()]
        return [*lines, *devices, ("statistics", self._tell_statistics)]

    # Each raises KeyError for a name that is not there, or of a device that cannot do it.

    def lock(self, name: str) -> Lock:
        return cast(Lock, self._able(name, Lock))

    def sign(self, name: str) -> Sign:
        return cast(Sign, self._able(name, Sign))

    def sensor(self, name: str) -> Sensor:
        return cast(Sensor, self._able(name, Sensor))

    def reader(self, name: str) -> Reader:
        return cast(Reader, self._able(name, Reader))

    def control(self, name: str) -> Control:
        return cast(Control, self._able(name, Control))

    def locator(self, name: str) -> Locator:
        return cast(Locator, self._able(name, Locator))

    def camera(self, name: str) -> Camera:
        return cast(Camera, self._able(name, Camera))

    def identifiable(self, name: str) -> Identifiable:
        return cast(Identifiable, self._able(name, Identifiable))

    def flashable(self, name: str) -> Flashable:
        return cast(Flashable, self._able(name, Flashable))

    def _able(self, name: str, capability: type[Any]) -> Driver:
        if not isinstance(self.devices[name].driver, capability):
            raise KeyError(f"{name} is no {capability.__name__.lower()}")
        return self.devices[name].driver

    def stats(self, device: str) -> DeviceStats:
        """Counts and latencies of one device."""
        known = self.devices[device]
        carrier = self._carriers[known.config.line]
        if isinstance(carrier, Bus):
            return carrier.stats(device)
        return cast(Counted, known.driver).stats

    async def _tell_statistics(self) -> None:
        await tell_statistics(
            {name: self.stats(name) for name in self.devices}, self._emit, self._clock, period_s=self._statistics_s
        )


def _keeping_clear(carriers: Mapping[str, Bus | Session], devices: Devices) -> Callable[[], None]:
    """What a reader calls at every byte: the buses of locks start nothing but lock requests for a moment."""
    lock_lines = {device.line for device in devices.values() if Capability.LOCK in DRIVERS[device.driver].capabilities}
    buses = [carrier for name, carrier in carriers.items() if name in lock_lines and isinstance(carrier, Bus)]

    def expect_release() -> None:
        for bus in buses:
            bus.keep_clear(EXPECT_RELEASE_S)

    return expect_release


def check(lines: Lines, devices: Devices, profiles_dir: Path) -> list[str]:
    """Every mistake in lines and devices, one `devices.door_lock.options.coil: ...` line each."""
    return _check(lines, devices, profiles_dir)[1]


def driver_options_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a device's options, by driver name."""
    schemas = {name: TypeAdapter(row.options).json_schema() for name, row in DRIVERS.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Options of the bridge's drivers",
        "type": "object",
        "properties": {name: {**schema, "description": DRIVERS[name].summary} for name, schema in schemas.items()},
        "additionalProperties": False,
    }


def _check(lines: Lines, devices: Devices, profiles_dir: Path) -> tuple[dict[str, _Checked], list[str]]:
    checked: dict[str, _Checked] = {}
    errors: list[str] = []
    for name, device in devices.items():
        found, result = _check_device(device, lines, profiles_dir)
        errors += [f"devices.{name}.{line}" for line in found]
        if result is not None:
            checked[name] = result
    errors += _check_sharing(lines, devices)
    return checked, errors


def _check_device(device: DeviceConfig, lines: Lines, profiles_dir: Path) -> tuple[list[str], _Checked | None]:
    row = DRIVERS.get(device.driver)
    if row is None:
        return [f"driver: {device.driver!r} is none of {', '.join(sorted(DRIVERS))}"], None
    errors: list[str] = []
    line = lines.get(device.line)
    if line is None:
        errors.append(f"line: there is no line {device.line!r}")
    elif line.kind not in row.lines:
        kinds = " or ".join(sorted(f"{kind.value}://" for kind in row.lines))
        errors.append(f"line: {device.line!r} is {line.kind.value}://, a {device.driver} needs {kinds}")
    profile: DeviceProfile | None = None
    if device.profile is not None:
        try:
            profile = load(profiles_dir, device.profile)
        except ProfileError as error:
            errors.append(f"profile: {error}")
    elif row.needs_profile:
        errors.append(f"profile: driver {device.driver} needs one")
    code = row.load()
    try:
        options = code.options.model_validate(device.options)
    except ValidationError as error:
        errors += [f"options.{line}" for line in error_lines(error)]
        return errors, None
    if not errors:
        errors += code.check(device.address, options, profile)
    return errors, None if errors else _Checked(options, profile)


def _check_sharing(lines: Lines, devices: Devices) -> list[str]:
    errors: list[str] = []
    known = {name: device for name, device in devices.items() if device.driver in DRIVERS}
    addresses: dict[tuple[str, int], str] = {}
    for name, device in known.items():
        others = [other for other in known if other != name and known[other].line == device.line]
        if DRIVERS[device.driver].line_use is LineUse.ALONE and others:
            errors.append(
                f"devices.{name}.line: a {device.driver} needs a line of its own, "
                f"{device.line!r} also has {', '.join(others)}"
            )
            continue
        first = addresses.setdefault((device.line, device.address), name)
        if first != name and DRIVERS[device.driver].line_use is LineUse.SHARED:
            errors.append(f"devices.{name}.address: {device.address} is taken by {first} on line {device.line!r}")
    ends: dict[object, str] = {}
    for name, line in lines.items():
        first = ends.setdefault(line.url, name)
        if first != name:
            errors.append(f"lines.{name}.url: line {first!r} has the same one, and a line has one master")
    return errors


__all__ = [
    "Bridge",
    "BridgeConfigError",
    "BridgeDevice",
    "DeviceConfig",
    "LineConfig",
    "Service",
    "check",
    "driver_options_schema",
]
