"""A serial line of eight Modbus units at 9600 baud: how little of it is wasted, and how little one of them can hurt.

Wire efficiency: eight sensors are read at once, again and again; a cycle's time is held against what its bytes, the
gaps of 3.5 characters and the simulator's turnaround take on the wire. The goal is 1.15.

Isolation: a lock and seven sensors share the line. The lock is asked at random moments, whether the one before was
answered or not, first on the healthy line, then while one sensor is mute, babbles, or is slow: just inside or just
outside its timeout. The goal for the p99 of the lock's transaction is twice that of the healthy line in the same run.
"""

import asyncio
import contextlib
import random
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from firmware_bridge.bridge import Bridge
from firmware_bridge.capabilities import DeviceError
from firmware_bridge.clock import SystemClock
from firmware_bridge.config import DeviceConfig, LineConfig
from firmware_bridge.drivers.modbus_unit import wire_time
from firmware_bridge.merge import plan
from firmware_bridge.profiles import Timing, load
from firmware_bridge.simulators.modbus_slave import TURNAROUND_S
from tests.bench.bus_devices import BAUD, PROFILES
from tests.bench.harness import BenchFailed, Row, quantile

SENSORS = (
    "xy_md02",
    "xy_md02",
    "xy_md02",
    "epluse_ee850",
    "epluse_ee160",
    "elt_mb350u_c",
    "peacefair_pzem016",
    "xy_md02",
)
WASTE_GOAL = 1.15
SHARED = ("lock", *["xy_md02"] * 7)
SENSOR_TIMEOUT_S = 0.3  # config/devices/xy_md02.toml
PERIOD_S, PERIOD_S_QUICK = 2.0, 1.0
LEARN_PERIODS = 4.5
BETWEEN_S_MEAN, BETWEEN_S_MEAN_QUICK = 0.12, 0.09
HARM_GOAL = 2.0
SCENARIOS = (
    ("one mute", "mute 8 1", "mute 8 0"),
    ("one babbling", "babble 1", "babble 0"),
    ("one slow, inside its timeout", f"slow 7 {SENSOR_TIMEOUT_S - 0.02}", "slow 7 0"),
    ("one slow, outside its timeout", f"slow 6 {SENSOR_TIMEOUT_S + 0.02}", "slow 6 0"),
)


class Units:
    """The process of the simulated units."""

    def __init__(self, process: asyncio.subprocess.Process, path: str) -> None:
        self._process = process
        self.path = path

    async def say(self, command: str) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{command}\n".encode())
        if (await self._process.stdout.readline()).strip() != b"ok":
            raise BenchFailed(f"bus: the simulated units did not take {command!r}")


@asynccontextmanager
async def running_units(*profiles: str) -> AsyncIterator[Units]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.bus_devices", *profiles),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        path = (await process.stdout.readline()).decode().strip()
        if not path:
            raise BenchFailed("bus: the simulated units did not start")
        yield Units(process, path)
    finally:
        process.stdin.close()
        await process.wait()


@asynccontextmanager
async def running_bridge(line: LineConfig, devices: dict[str, DeviceConfig]) -> AsyncIterator[Bridge]:
    opening = Bridge.open(
        {"line": line},
        devices,
        profiles_dir=PROFILES,
        emit=lambda event: None,
        clock=SystemClock(),
        rng=random.Random(7),
    )
    async with opening as bridge:
        services = [asyncio.ensure_future(run()) for _, run in bridge.services]
        try:
            yield bridge
        finally:
            for service in services:
                service.cancel()
            await asyncio.gather(*services, return_exceptions=True)


async def run(quick: bool) -> list[Row]:
    efficiency = await _efficiency(10 if quick else 100)
    if quick:
        return [*efficiency, *await _isolation(45, PERIOD_S_QUICK, BETWEEN_S_MEAN_QUICK)]
    return [*efficiency, *await _isolation(500, PERIOD_S, BETWEEN_S_MEAN)]


async def _efficiency(cycles: int) -> list[Row]:
    async with running_units(*SENSORS) as units:
        line = LineConfig(url=units.path, baud=BAUD)
        devices = {
            f"sensor_{unit}": DeviceConfig(
                driver="modbus_sensor", line="line", profile=name, address=unit, options={"period_s": 3600}
            )
            for unit, name in enumerate(SENSORS, start=1)
        }
        wire = wire_time(line, Timing(turnaround_ms=round(TURNAROUND_S * 1000)))
        reads = 0
        theory_s = 0.0
        for name in SENSORS:
            profile = load(PROFILES, name)
            blocks = plan(profile.points, profile.limits, wire)
            reads += len(blocks)
            theory_s += sum(wire.of(block.space, block.count) for block in blocks)
        async with running_bridge(line, devices) as bridge:
            await asyncio.sleep(2 * theory_s)  # the drivers' own first readings
            took = []
            for _ in range(cycles):
                began = time.perf_counter()
                await asyncio.gather(*(bridge.sensor(name).read() for name in devices))
                took.append(time.perf_counter() - began)
            if any(bridge.stats(name).failed for name in devices):
                raise BenchFailed("bus: a sensor of the healthy line did not answer")
    used = statistics.median(took) / theory_s
    return [
        Row("bus", "reads a cycle of 8 sensors", reads, "reads"),
        Row("bus", "cycle of 8 sensors at 9600 baud, median", statistics.median(took) * 1000, "ms", theory_s * 1000),
        Row(
            "bus", "bus time used over the wire's theory", used, "x", WASTE_GOAL, tuple(one / theory_s for one in took)
        ),
    ]


async def _isolation(count: int, period_s: float, between_s: float) -> list[Row]:
    async with running_units(*SHARED) as units:
        line = LineConfig(url=units.path, baud=BAUD)
        devices = {
            "lock": DeviceConfig(
                driver="modbus_lock", line="line", profile="waveshare_relay_d", address=1, options={"contact": 0}
            )
        }
        for unit in range(2, len(SHARED) + 1):
            devices[f"sensor_{unit}"] = DeviceConfig(
                driver="modbus_sensor", line="line", profile="xy_md02", address=unit, options={"period_s": period_s}
            )
        async with running_bridge(line, devices) as bridge:
            # Some cycles of the sensors, in which the bus learns how long each takes.
            await asyncio.sleep(LEARN_PERIODS * period_s)
            healthy, rows = await _lock_transactions(bridge, count, between_s, "healthy line")
            for name, begin, end in SCENARIOS:
                await units.say(begin)
                p99_ms, more = await _lock_transactions(bridge, count, between_s, name)
                await units.say(end)
                rows += more
                rows.append(Row("bus", f"lock p99 over the healthy line's, {name}", p99_ms / healthy, "x", HARM_GOAL))
    return rows


async def _lock_transactions(bridge: Bridge, count: int, between_s: float, name: str) -> tuple[float, list[Row]]:
    """Milliseconds from asking to the acknowledgement, at `count` random moments."""
    rng = random.Random(name)
    lock = bridge.lock("lock")
    took: list[float] = []
    failed = 0

    async def one() -> None:
        nonlocal failed
        began = time.perf_counter()
        with contextlib.suppress(DeviceError):
            await lock.release(0.1)
            took.append((time.perf_counter() - began) * 1000)
            return
        failed += 1

    async with asyncio.TaskGroup() as tasks:
        for _ in range(count):
            tasks.create_task(one())
            await asyncio.sleep(rng.expovariate(1 / between_s))
    p99_ms = quantile(took, 0.99)
    return p99_ms, [
        Row("bus", f"lock transaction median, {name}", quantile(took, 0.5), "ms", samples=tuple(took)),
        Row("bus", f"lock transaction p99, {name}", p99_ms, "ms"),
        Row("bus", f"lock transactions failed, {name}", failed, f"of {count}"),
    ]
