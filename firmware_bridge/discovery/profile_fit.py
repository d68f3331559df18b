"""Which device profiles fit a Modbus unit that answered: each is tried with its own driver, and never written to.

A map of registers says little about its maker, so several profiles may fit one device; the one with the most
values in their ranges comes first, and the others are named for the technician to choose.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from firmware_bridge.bridge import Bridge, BridgeConfigError
from firmware_bridge.capabilities import DeviceError, Lock, Quality, Sensor
from firmware_bridge.clock import Clock
from firmware_bridge.config import DeviceConfig, LineConfig
from firmware_bridge.discovery.finding import Finding
from firmware_bridge.profiles import DeviceProfile, ProfileError, load

# A device that is slower than this to a whole profile is not what the profile means.
READ_S_MAX = 4.0
NAMED_MAX = 5


@dataclass(frozen=True, slots=True)
class Fit:
    """How well a profile serves: points that have a value in their range, of all that it names."""

    profile: str
    title: str
    driver: str
    good: int
    points: int


def all_profiles(directory: Path) -> dict[str, DeviceProfile]:
    """Those of a directory that can be used; a broken one is left out (`check` is who complains)."""
    found = {}
    for path in sorted(directory.glob("*.toml")):
        with contextlib.suppress(ProfileError):
            found[path.stem] = load(directory, path.stem)
    return found


async def fitted(
    finding: Finding,
    profiles: Mapping[str, DeviceProfile],
    directory: Path,
    *,
    clock: Clock,
    rng: random.Random,
    progress: Callable[[str], None] = lambda text: None,
) -> Finding:
    """The finding of a Modbus unit with the profile that fits best, and the others among its remarks."""
    assert finding.address is not None
    fits: list[Fit] = []
    for name, profile in profiles.items():
        progress(f"unit {finding.address}: {name}")
        driver = "modbus_control" if profile.controls else "modbus_sensor" if profile.points else "modbus_lock"
        fit = await _fit(finding.line, finding.address, name, profile, driver, directory, clock=clock, rng=rng)
        if fit is not None and fit.good:
            fits.append(fit)
    if not fits:
        return replace(finding, remarks=("no profile fits; write one after its manual: docs/adding-a-driver.md",))
    fits.sort(key=lambda fit: (-fit.good / fit.points, -fit.points, fit.profile))
    best, others = fits[0], fits[1:NAMED_MAX]
    remarks = [f"{best.good} of {best.points} values of {best.title} are in range; compare its label"]
    remarks += [f"it could be {fit.title} ({fit.profile}: {fit.good} of {fit.points})" for fit in others]
    return replace(
        finding,
        title=f"{finding.title}: as {best.title}",
        driver=best.driver,
        profile=best.profile,
        remarks=tuple(remarks),
    )


async def _fit(
    line: LineConfig,
    unit: int,
    name: str,
    profile: DeviceProfile,
    driver: str,
    directory: Path,
    *,
    clock: Clock,
    rng: random.Random,
) -> Fit | None:
    device = DeviceConfig(driver=driver, line="line", profile=name, address=unit)
    title = f"{profile.vendor} {profile.model}"
    try:
        opening = Bridge.open(
            {"line": line},
            {"it": device},
            profiles_dir=directory,
            emit=lambda event: None,
            clock=clock,
            rng=rng,
        )
        async with opening as bridge:
            carrier = asyncio.ensure_future(bridge.services[0][1]())
            try:
                async with asyncio.timeout(READ_S_MAX):
                    asked = bridge.devices["it"].driver
                    if isinstance(asked, Lock):
                        status = await asked.status()
                        return Fit(name, title, driver, int(status.released is not None), 1)
                    assert isinstance(asked, Sensor)
                    readings = await asked.read()
                    good = sum(reading.quality is Quality.GOOD for reading in readings)
                    return Fit(name, title, driver, good, len(readings))
            finally:
                carrier.cancel()
                await asyncio.wait([carrier])
    except (DeviceError, TimeoutError, BridgeConfigError):
        return None
