"""How a device does on its line, as readings of the device.

```
 line_latency      median of the answered requests, queue time included      ms
 line_latency_p99  the slowest of a hundred                                  ms
 line_errors       share of the requests since the last telling that failed  %
 line_retries      attempts that were made again since the last telling
 line_late         answers that came when nobody waited for them any more
 line_noise        share of the bytes of its line that belonged to no answer, whosesoever they were  %
```
A device that was asked nothing tells nothing; one that answered nothing has no latency, and says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from firmware_bridge.capabilities import Emit, Quality, Reading
from firmware_bridge.clock import Clock
from firmware_bridge.exchange import DeviceStats

STATISTICS_PERIOD_S = 60.0

LATENCY, LATENCY_P99, ERRORS, RETRIES = "line_latency", "line_latency_p99", "line_errors", "line_retries"
LATE, NOISE = "line_late", "line_noise"


@dataclass(frozen=True, slots=True)
class Counted:
    """The counts of one moment, to be held against a later one."""

    requests: int = 0
    failed: int = 0
    retries: int = 0
    late: int = 0
    heard_bytes: int = 0
    stray_bytes: int = 0

    @classmethod
    def of(cls, stats: DeviceStats) -> Counted:
        line = stats.line
        return cls(stats.requests, stats.failed, stats.retries, stats.late, line.heard_bytes, line.stray_bytes)


def figures(stats: DeviceStats, before: Counted) -> list[tuple[str, float | None, str]]:
    """(point, value, unit) for what happened since `before`; nothing when nothing was asked."""
    asked = stats.requests - before.requests
    if not asked:
        return []
    latencies = sorted(stats.latencies_ms)
    middle = latencies[len(latencies) // 2] if latencies else None
    heard = stats.line.heard_bytes - before.heard_bytes
    strays = stats.line.stray_bytes - before.stray_bytes
    slow = latencies[min(len(latencies) - 1, len(latencies) * 99 // 100)] if latencies else None
    noise = [(NOISE, round(100 * strays / heard, 1), "%")] if heard else []
    return [
        (LATENCY, None if middle is None else round(middle, 2), "ms"),
        (LATENCY_P99, None if slow is None else round(slow, 2), "ms"),
        (ERRORS, round(100 * (stats.failed - before.failed) / asked, 1), "%"),
        (RETRIES, float(stats.retries - before.retries), ""),
        (LATE, float(stats.late - before.late), ""),
        *noise,
    ]


async def tell_statistics(all_stats: Mapping[str, DeviceStats], emit: Emit, clock: Clock, *, period_s: float) -> None:
    """Emit every device's figures every period, until cancelled."""
    before = {name: Counted.of(stats) for name, stats in all_stats.items()}
    while True:
        await asyncio.sleep(period_s)
        at, mono_s = clock.now(), clock.monotonic()
        for name, stats in all_stats.items():
            for point, value, unit in figures(stats, before[name]):
                quality = Quality.MISSING if value is None else Quality.GOOD
                emit(Reading(name, point, value, unit, quality, at, mono_s))
            before[name] = Counted.of(stats)
