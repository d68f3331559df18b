"""Captures of peers and of hardware, replayed: each reads without noise, and its driver reads it as it was."""

import asyncio
import json
import random
from pathlib import Path

import pytest

from firmware_bridge.bus import Bus
from firmware_bridge.capabilities import HealthChanged, Quality, Reading
from firmware_bridge.capture import Capture, Direction, Row, parse
from firmware_bridge.config import DeviceConfig, LineConfig
from firmware_bridge.drivers import DRIVERS
from firmware_bridge.profiles import load
from firmware_bridge.replay import ReplayPort
from firmware_bridge.sniffers import SNIFFERS

ROOT = Path(__file__).parents[3]
CAPTURES = sorted((ROOT / "tests" / "captures").glob("*.cap"))


@pytest.fixture(params=CAPTURES, ids=lambda path: path.stem)
def capture(request):
    with request.param.open(encoding="ascii") as file:
        return parse(file)


def test_a_capture_reads_without_noise(capture):
    sniffer = SNIFFERS[capture.header["protocol"]]()
    seen = []
    direction = None
    for row in capture.rows:
        if row.direction is not direction:
            seen += sniffer.idle()
            direction = row.direction
        seen += sniffer.feed(row.data)
    seen += sniffer.idle()
    assert [frame for frame in seen if not frame.ok] == []
    assert b"".join(frame.data for frame in seen) == b"".join(row.data for row in capture.rows)


def test_a_driver_reads_a_capture_as_it_was(capture, run_virtual, make_context, clock):
    """The header's `readings` are what the peer was set to: `temperature=-23.5 humidity=41.2`; `options` is JSON."""
    header = capture.header
    row = DRIVERS[header["driver"]]
    device = DeviceConfig(
        driver=header["driver"],
        line="it",
        profile=header.get("profile"),
        address=int(header.get("address", "1")),
        options=json.loads(header.get("options", "{}")),
    )
    wanted = dict(pair.split("=") for pair in header["readings"].split())

    async def scenario():
        port = ReplayPort("it", capture)
        bus = Bus(port, gap_s=0.0, clock=clock, rng=random.Random(1))
        events = []
        told = asyncio.Event()

        def emit(event):
            events.append(event)
            if {event.point for event in events if isinstance(event, Reading)} >= set(wanted):
                told.set()

        context = make_context(
            row.options.model_validate(device.options),
            carrier=bus,
            address=device.address,
            profile=load(ROOT / "config" / "devices", device.profile) if device.profile else None,
            line=LineConfig(url="/dev/replay"),
            emit=emit,
        )
        services = [asyncio.create_task(run()) for run in (bus.run, row.factory(context).run)]
        await asyncio.wait_for(told.wait(), 60)
        for service in services:
            service.cancel()
        await asyncio.gather(*services, return_exceptions=True)
        readings = {event.point: event for event in events if isinstance(event, Reading)}
        assert {name: readings[name].value for name in wanted} == {
            name: pytest.approx(float(value)) for name, value in wanted.items()
        }
        assert {readings[name].quality for name in wanted} == {Quality.GOOD}
        assert [event.health.value for event in events if isinstance(event, HealthChanged)] == ["online"]
        assert port.unknown == 0
        assert bus.stats("it").bad_frames == 0

    run_virtual(scenario())


def test_answers_come_in_turn_and_a_question_that_was_never_asked_gets_none(run_virtual, clock):
    out, back = Direction.OUT, Direction.IN
    rows = (Row(0, back, b"!"), Row(1, out, b"q"), Row(1.5, back, b"1"), Row(2, out, b"q"), Row(2.1, back, b"2"))

    async def scenario():
        port = ReplayPort("it", Capture({}, rows))
        heard = []
        port.bind(lambda data, mono_s: heard.append((data, round(mono_s - 1000, 3))), lambda: None, lambda why: None)
        running = asyncio.create_task(port.run())
        await asyncio.sleep(10)
        for question in (b"q", b"q", b"q", b"other"):
            port.write(question)
            await asyncio.sleep(10)
        running.cancel()
        await asyncio.wait([running])
        assert heard == [(b"!", 0.0), (b"1", 10.5), (b"2", 20.1), (b"2", 30.1)]
        assert port.unknown == 1

    run_virtual(scenario())
