"""How a device does on its line, as readings."""

import asyncio

from firmware_bridge.capabilities import Quality
from firmware_bridge.exchange import DeviceStats
from firmware_bridge.noise import LineStats
from firmware_bridge.statistics import Counted, figures, tell_statistics


def test_a_device_that_was_asked_nothing_tells_nothing():
    assert figures(DeviceStats(), Counted()) == []


def test_the_share_of_failures_counts_from_the_last_telling_only():
    stats = DeviceStats(requests=30, answered=24, retries=7, failed=6)
    stats.latencies_ms.extend(float(value) for value in range(1, 101))
    told = {point: (value, unit) for point, value, unit in figures(stats, Counted(requests=10, failed=1, retries=5))}
    assert told["line_errors"] == (25.0, "%")
    assert told["line_retries"] == (2.0, "")
    assert told["line_late"] == (0.0, "")
    assert told["line_latency"] == (51.0, "ms")
    assert told["line_latency_p99"] == (100.0, "ms")


def test_late_answers_and_the_noise_of_the_line_are_told():
    stats = DeviceStats(requests=3, late=2, line=LineStats(heard_bytes=300, stray_bytes=60))
    before = Counted(late=1, heard_bytes=100, stray_bytes=10)
    told = {point: (value, unit) for point, value, unit in figures(stats, before)}
    assert (told["line_late"], told["line_noise"]) == ((1.0, ""), (25.0, "%"))


def test_a_mute_device_has_no_latency_and_says_so(run_virtual, clock):
    async def scenario():
        stats = DeviceStats()
        events = []
        telling = asyncio.create_task(tell_statistics({"meter": stats}, events.append, clock, period_s=60.0))
        await asyncio.sleep(61)
        assert events == []
        stats.requests = stats.failed = 4
        await asyncio.sleep(60)
        telling.cancel()
        await asyncio.wait([telling])
        latency, _, errors, *_ = events
        assert (latency.point, latency.value, latency.quality) == ("line_latency", None, Quality.MISSING)
        assert (errors.value, errors.device, errors.quality) == (100.0, "meter", Quality.GOOD)

    run_virtual(scenario())
