"""The meter's driver in virtual time: silence, return, another meter in its place."""

import asyncio
import contextlib

import pytest

from firmware_bridge.capabilities import HealthChanged, Quality, Reading
from firmware_bridge.codecs import dlt645 as dlt
from firmware_bridge.drivers.dlt645 import ITEMS, Dlt645Meter, Item, MeterOptions

OFFERED = {item.identifier: item for item in ITEMS if item.point in ("energy", "power")}


class Meter:
    """Answers on the memory port with 1 of everything that it offers."""

    def __init__(self, port, number="000000000001"):
        self.number = number
        self.mute = False
        self.asked = []
        self._port = port
        port.on_write = self.hear

    def hear(self, data):
        ((_, _, frame),) = dlt.FrameParser().feed(data)
        request = dlt.decode_request(frame)
        self.asked.append(request)
        if self.mute or not dlt.matches(frame.meter, self.number):
            return
        self._port.answer(dlt.encode_reply(self.number, self.reply(request)), 0.1)

    def reply(self, request):
        if isinstance(request, dlt.ReadAddress):
            return dlt.Address(self.number)
        if request.identifier not in OFFERED:
            return dlt.Refused(dlt.Function.READ, dlt.NO_SUCH_DATA)
        item = OFFERED[request.identifier]
        return dlt.Data(request.identifier, dlt.encode_bcd(1, item.size, signed=item.signed))


@contextlib.asynccontextmanager
async def running(driver, port):
    port.open()
    task = asyncio.ensure_future(driver.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


def values(events, point):
    return [(event.value, event.quality) for event in events if isinstance(event, Reading) and event.point == point]


def health(events):
    return [event.health.value for event in events if isinstance(event, HealthChanged)]


def test_a_silent_meter_is_missing_then_another_one_is_found_in_its_place(port, make_context, run_virtual):
    events = []

    async def scenario():
        driver = Dlt645Meter(make_context(MeterOptions(), emit=events.append))
        meter = Meter(port)
        async with running(driver, port):
            await asyncio.sleep(61)
            assert values(events, "energy") == [(0.01, Quality.GOOD)] * 2
            meter.mute = True
            await asyncio.sleep(140)
            assert values(events, "energy")[-1] == (None, Quality.MISSING)
            assert health(events) == ["online", "offline"]
            meter.mute, meter.number = False, "000000000002"
            await asyncio.sleep(180)
            assert values(events, "energy")[-1] == (0.01, Quality.GOOD)
            assert health(events) == ["online", "offline", "online"]

    run_virtual(scenario())


def test_what_the_meter_lacks_is_left_out_after_it_was_asked_once(port, make_context, run_virtual):
    events = []

    async def scenario():
        driver = Dlt645Meter(make_context(MeterOptions(meter="AAAAAAAA0001", phases=3), emit=events.append))
        meter = Meter(port)
        async with running(driver, port):
            await asyncio.sleep(50)
            assert len(meter.asked) == len(ITEMS)
            await asyncio.sleep(60)
            assert len(meter.asked) == len(ITEMS) + len(OFFERED)
        assert {event.point for event in events if isinstance(event, Reading)} == {"energy", "power"}

    run_virtual(scenario())


def test_a_meter_that_has_more_than_a_frame_is_no_number(port, make_context, run_virtual, caplog):
    events = []

    async def scenario():
        driver = Dlt645Meter(make_context(MeterOptions(meter="000000000001"), emit=events.append))
        meter = Meter(port)
        meter.reply = lambda request: dlt.Data(request.identifier, b"\x01" * 4, follows=True)
        async with running(driver, port):
            await asyncio.sleep(50)
        assert values(events, "energy") == [(None, Quality.INVALID)]

    run_virtual(scenario())
    assert sum("several frames" in line for line in caplog.messages) == 1


@pytest.mark.parametrize(
    ("item", "data", "value"),
    [
        (Item("energy", 0, 4, 2, "kWh"), "56341200", 1234.56),
        (Item("power", 0, 3, 1, "W", signed=True), "050085", -5000.5),
        (Item("voltage", 0, 2, 1, "V"), "8422", 228.4),
        (Item("voltage", 0, 2, 1, "V"), "ffff", None),
        (Item("voltage", 0, 2, 1, "V"), "842200", None),
    ],
)
def test_bytes_become_units(item, data, value):
    assert item.decode(bytes.fromhex(data)) == value


def test_points_have_names_of_their_own():
    assert len({item.point for item in ITEMS}) == len({item.identifier for item in ITEMS}) == len(ITEMS)


@pytest.mark.parametrize("meter", ["12", "1122334455AA", "AAAAAAAAAAAA", "11223344556X"])
def test_what_is_no_number_of_a_meter_is_refused(meter):
    with pytest.raises(ValueError, match="meter"):
        MeterOptions(meter=meter)
