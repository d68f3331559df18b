"""The bridge as the agent meets it: lines and devices of a profile in, capabilities and events out.

```python
async with Bridge.open(lines, devices, profiles_dir=Path("config/devices"), emit=on_event, clock=clock) as bridge:
    for name, run in bridge.services:  # "line:door", "device:door_lock", ...: keep each alive
        ...
    await bridge.lock("door_lock").release(5.0)
```
Events of all devices come through `emit`, on the loop. Opening never waits for hardware: a line that is not
there is told as HealthChanged and opened when it comes.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from firmware_bridge.bus import Bus
from firmware_bridge.capabilities import Driver, Emit, Lock, Sensor, Sign
from firmware_bridge.clock import Clock
from firmware_bridge.config import DeviceConfig, Devices, LineConfig, Lines
from firmware_bridge.drivers import DRIVERS, Capability, DriverContext, LineUse, Options
from firmware_bridge.exchange import DeviceStats
from firmware_bridge.line import Line
from firmware_bridge.profiles import DeviceProfile, ProfileError, error_lines, load

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

    def __init__(self, buses: dict[str, Bus], devices: dict[str, BridgeDevice]) -> None:
        self._buses = buses
        self.devices = devices

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
    ) -> AsyncIterator[Bridge]:
        """Make buses and drivers; nothing is opened before the services run.

        Raises BridgeConfigError with every mistake. Cancel the services before leaving the context.
        """
        checked, errors = _check(lines, devices, profiles_dir)
        if errors:
            raise BridgeConfigError(errors)
        rng = rng or random.Random()
        buses = {
            name: Bus(Line(name, config, clock=clock, rng=rng), gap_s=config.gap_s, clock=clock, rng=rng)
            for name, config in lines.items()
        }
        lock_buses = {
            device.line: buses[device.line]
            for device in devices.values()
            if Capability.LOCK in DRIVERS[device.driver].capabilities
        }

        def expect_release() -> None:
            for bus in lock_buses.values():
                bus.keep_clear(EXPECT_RELEASE_S)

        opened: dict[str, BridgeDevice] = {}
        for name, config in devices.items():
            row = DRIVERS[config.driver]
            context = DriverContext(
                name=name,
                bus=buses[config.line],
                address=config.address,
                options=checked[name].options,
                profile=checked[name].profile,
                emit=emit,
                clock=clock,
                expect_release=expect_release,
            )
            opened[name] = BridgeDevice(name, config, row.capabilities, checked[name].profile, row.factory(context))
        yield cls(buses, opened)

    @property
    def services(self) -> list[Service]:
        """What must run for as long as the bridge is open, each kept alive on its own."""
        lines: list[Service] = [(f"line:{name}", bus.run) for name, bus in self._buses.items()]
        return lines + [(f"device:{name}", device.driver.run) for name, device in self.devices.items()]

    def lock(self, name: str) -> Lock:
        """The lock of that name. Raises KeyError for a name that is no lock's."""
        driver = self.devices[name].driver
        if not isinstance(driver, Lock):
            raise KeyError(f"{name} is no lock")
        return driver

    def sign(self, name: str) -> Sign:
        """The sign of that name. Raises KeyError for a name that is no sign's."""
        driver = self.devices[name].driver
        if not isinstance(driver, Sign):
            raise KeyError(f"{name} is no sign")
        return driver

    def sensor(self, name: str) -> Sensor:
        """The sensor of that name. Raises KeyError for a name that is no sensor's."""
        driver = self.devices[name].driver
        if not isinstance(driver, Sensor):
            raise KeyError(f"{name} is no sensor")
        return driver

    def stats(self, device: str) -> DeviceStats:
        """Counts and latencies of one device on its line."""
        return self._buses[self.devices[device].config.line].stats(device)


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
    if device.line not in lines:
        errors.append(f"line: there is no line {device.line!r}")
    profile: DeviceProfile | None = None
    if device.profile is not None:
        try:
            profile = load(profiles_dir, device.profile)
        except ProfileError as error:
            errors.append(f"profile: {error}")
    elif row.needs_profile:
        errors.append(f"profile: driver {device.driver} needs one")
    try:
        options = row.options.model_validate(device.options)
    except ValidationError as error:
        errors += [f"options.{line}" for line in error_lines(error)]
        return errors, None
    if not errors:
        errors += row.check(device.address, options, profile)
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
