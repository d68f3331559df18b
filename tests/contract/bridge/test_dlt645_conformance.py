"""What every DL/T 645 meter must do: on our simulator and on the server of dlt645; our simulator for a foreign client.

A rig is one of those with the few things that a test does to the meter itself.
"""

from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from firmware_bridge.capabilities import Quality
from firmware_bridge.codecs import dlt645 as dlt
from firmware_bridge.config import DeviceConfig, LineConfig
from firmware_bridge.drivers.dlt645 import ITEMS
from firmware_bridge.simulators.dlt645_meter import BAUD, BYTE_S, SimulatedMeter
from firmware_bridge.simulators.paced_pty import Faults, PacedPty

pytestmark = pytest.mark.contract

PEERS = Path(__file__).parents[1] / "peers"
METER = "202611250001"
# A meter speaks at 2400 baud; what does not measure time is tried at 19200, which meters know, too.
FAST_BAUD = 19200
BY_POINT = {item.point: item for item in ITEMS}
SET = {"energy": 1234.56, "energy_t1": 1000.0, "power": -850.5, "voltage_a": 228.4, "current_a": 3.721}


class SimulatorRig:
    """Our own meter."""

    def __init__(self, context, baud):
        self.baud = baud
        self.wire = PacedPty("meter", BYTE_S * BAUD / baud, rng=context.rng, link_dir=context.link_dir)
        self.meter = SimulatedMeter(self.wire, METER)
        self.url = ""

    async def __aenter__(self):
        self.url = self.wire.open()
        return self

    async def __aexit__(self, *error):
        self.wire.close()
        self.meter.stop()

    async def set(self, point, value):
        self.meter.values[point] = value


class PeerRig:
    """The server of dlt645 on a paced line."""

    def __init__(self, wire, url, peer):
        self._peer = peer
        self.baud = wire.baud
        self.wire = wire.paced
        self.url = url

    async def set(self, point, value):
        item = BY_POINT[point]
        kilo = 1000 if item.unit == "W" else 1  # the library keeps kilowatts
        assert await self._peer.say(f"set {item.identifier:08x} {value / kilo:.5f}") == "ok"


@pytest.fixture(params=["simulator", "dlt645"])
def rig(request, simulator_context, start_peer, peer_wire, peer_python):
    @asynccontextmanager
    async def make():
        if request.param == "simulator":
            async with SimulatorRig(simulator_context, FAST_BAUD) as rig:
                yield rig
            return
        wire = peer_wire(FAST_BAUD)
        try:
            url = wire.open()
            command = (peer_python("dlt645"), PEERS / "dlt645_server.py", wire.peer_path, METER)
            async with start_peer(*command) as peer:
                yield PeerRig(wire, url, peer)
        finally:
            wire.close()

    return make


@pytest.fixture
def simulated(simulator_context):
    return SimulatorRig(simulator_context, FAST_BAUD)


def bridge_for(rig, bridge_on, **options):
    lines = {"meters": LineConfig(url=rig.url, baud=rig.baud, parity="E")}
    device = DeviceConfig(driver="dlt645_meter", line="meters", options={"period_s": 1.0, **options})
    return bridge_on(lines, {"main_meter": device})


def values(told, point):
    return [(reading.value, reading.unit, reading.quality) for reading in told.readings(point)]


async def test_a_meter_that_is_alone_is_found_and_read_in_good_times_and_bad(rig, bridge_on):
    async with rig() as rig:
        for point, value in SET.items():
            await rig.set(point, value)
        async with bridge_for(rig, bridge_on, tariffs=1) as told:
            await told.until(lambda: told.readings("current_a"))
            for point, value in SET.items():
                assert values(told, point)[0] == (pytest.approx(value), BY_POINT[point].unit, Quality.GOOD), point
            assert told.health("main_meter") == ["online"]
            await rig.set("energy", 1234.81)
            await told.until(lambda: (1234.81, "kWh", Quality.GOOD) in values(told, "energy"))
            # Damage on the line costs attempts, and never gives a wrong value.
            rig.wire.faults = Faults(flip=0.003)
            count = len(told.readings("current_a"))
            await told.until(lambda: rig.wire.counters.flipped > 0 and len(told.readings("current_a")) > count)
            for point, value in (SET | {"energy": 1234.81}).items():
                for read, _, quality in values(told, point)[1 + (point == "energy") :]:
                    assert read == pytest.approx(value) if quality is Quality.GOOD else read is None


async def test_a_value_takes_a_quarter_of_a_second_at_2400_baud(simulator_context, bridge_on):
    async with SimulatorRig(simulator_context, BAUD) as rig, bridge_for(rig, bridge_on, meter=METER) as told:
        await told.until(lambda: values(told, "energy"))
        latency_ms = told.bridge.stats("main_meter").latencies_ms[0]
        # 20 bytes out and 24 back, eleven bits each; the rest is the meter's.
        assert 44 * 11 / BAUD * 1000 < latency_ms < 500


async def test_a_meter_written_with_unknown_pairs_is_read(simulated, bridge_on):
    # dlt645 3.2 does not know such addresses and answers them with an error.
    async with simulated as rig, bridge_for(rig, bridge_on, meter="AAAAAAAA0001") as told:
        await told.until(lambda: values(told, "energy") == [(1234.56, "kWh", Quality.GOOD)])


async def test_what_a_meter_does_not_have_is_asked_once(simulated, bridge_on):
    async with simulated as rig, bridge_for(rig, bridge_on, phases=3, tariffs=4) as told:
        await told.until(lambda: len(told.readings("frequency")) == 1)
        first_round = rig.meter.requests
        await told.until(lambda: len(told.readings("frequency")) == 2)
        # energy, two tariffs, power, voltage, current, power factor, frequency
        assert rig.meter.requests - first_round == len(rig.meter.values) == 8
        assert told.readings("energy_t3") == told.readings("voltage_b") == []


async def test_no_value_and_refusals_are_invalid_and_logged_once(simulated, bridge_on, caplog):
    async with simulated as rig:
        rig.meter.values["power"] = None
        async with bridge_for(rig, bridge_on, tariffs=0) as told:
            await told.until(lambda: values(told, "power") == [(None, "W", Quality.INVALID)])
            await told.until(lambda: told.readings("frequency"))
            rig.meter.error = 1  # "other error"
            await told.until(lambda: (None, "Hz", Quality.INVALID) in values(told, "frequency"))
        assert sum("refuses to be read: other error" in line for line in caplog.messages) == 1


async def test_two_meters_share_a_line_by_their_numbers(simulated, bridge_on):
    other = SimulatedMeter(simulated.wire, "000000000002")
    other.values["energy"] = 22.0
    devices = {
        name: DeviceConfig(driver="dlt645_meter", line="meters", options={"meter": number, "tariffs": 0})
        for name, number in (("first", METER), ("second", other.meter))
    }
    try:
        async with simulated as rig:
            lines = {"meters": LineConfig(url=rig.url, baud=rig.baud, parity="E")}
            async with bridge_on(lines, devices) as told:
                await told.until(lambda: len(told.readings("energy")) == 2)
                read = {reading.device: reading.value for reading in told.readings("energy")}
                assert read == {"first": 1234.56, "second": 22.0}
    finally:
        other.stop()


async def test_a_foreign_client_reads_our_simulator(simulated, start_peer, peer_python):
    async with simulated as rig:
        client = start_peer(peer_python("python_dlt645"), PEERS / "python_dlt645_client.py", rig.url)
        async with client as peer:
            assert await peer.say("address") == METER
            assert await peer.say(f"energy {METER}") == "1234.56"
            assert await peer.say(f"read {METER} 02010100") == "2284"
            assert await peer.say(f"read {METER} 02010200") == f"refused {dlt.NO_SUCH_DATA:02x}"
            assert await peer.say("read 999999999999 00010000") == "silent"
