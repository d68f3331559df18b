"""What every NMEA receiver must do: on our simulator, and on nmeasim at the far end of a paced line."""

from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from firmware_bridge.capabilities import Quality
from firmware_bridge.config import DeviceConfig, LineConfig
from firmware_bridge.simulators.nmea_gnss import BAUD, GnssReceiver
from firmware_bridge.simulators.paced_pty import NO_FAULTS, Faults, PacedPty

pytestmark = pytest.mark.contract

PEERS = Path(__file__).parents[1] / "peers"
PLACE = (43.8868, 125.3245)  # where both stand


class SimulatorRig:
    """Our own receiver."""

    def __init__(self, wire, receiver, url):
        self._receiver = receiver
        self.wire = wire
        self.url = url

    async def move(self, latitude, longitude):
        self._receiver.latitude, self._receiver.longitude = latitude, longitude

    async def fix(self, quality):
        self._receiver.quality = quality


class PeerRig:
    """nmeasim."""

    def __init__(self, wire, peer, url):
        self._peer = peer
        self.wire = wire
        self.url = url

    async def move(self, latitude, longitude):
        assert await self._peer.say(f"move {latitude} {longitude}") == "ok"

    async def fix(self, quality):
        assert await self._peer.say(f"fix {quality}") == "ok"


@pytest.fixture(params=["simulator", "nmeasim"])
def rig(request, simulator_context, start_peer, peer_wire, peer_python):
    @asynccontextmanager
    async def make():
        if request.param == "simulator":
            wire = PacedPty("gnss", 10 / BAUD, rng=simulator_context.rng, link_dir=simulator_context.link_dir)
            receiver = GnssReceiver(wire, period_s=0.7)
            try:
                url = wire.open()
                receiver.start()
                yield SimulatorRig(wire, receiver, url)
            finally:
                receiver.stop()
                wire.close()
            return
        wire = peer_wire(BAUD)
        try:
            url = wire.open()
            async with start_peer(peer_python("nmeasim"), PEERS / "nmeasim_receiver.py", wire.peer_path) as peer:
                yield PeerRig(wire.paced, peer, url)
        finally:
            wire.close()

    return make


def bridge_for(rig, bridge_on, **options):
    lines = {"gnss": LineConfig(url=rig.url, baud=BAUD)}
    device = DeviceConfig(driver="nmea_gnss", line="gnss", options={"period_s": 0.3, "stale_s": 1.5, **options})
    return bridge_on(lines, {"place": device})


def last(told, point):
    readings = told.readings(point)
    return readings[-1] if readings else None


def is_at(told, latitude, longitude):
    here = [last(told, point) for point in ("latitude", "longitude")]
    wanted = (latitude, longitude)
    return all(
        reading is not None and reading.quality is Quality.GOOD and abs(reading.value - value) < 1e-5
        for reading, value in zip(here, wanted, strict=True)
    )


async def test_a_receiver_tells_where_it_is_when_it_is_and_how_well(rig, bridge_on):
    async with rig() as rig, bridge_for(rig, bridge_on) as told:
        # The first sentence that is heard may be the last of its second.
        await told.until(lambda: is_at(told, *PLACE) and last(told, "altitude").value and last(told, "time").value)
        position = await told.bridge.devices["place"].driver.position()
        assert (position.latitude, position.longitude) == pytest.approx(PLACE, abs=1e-5)
        assert position.altitude_m == pytest.approx(212.0)
        assert (position.satellites, last(told, "fix").value) == (9, "gnss")
        assert last(told, "hdop").value == pytest.approx(1.0, abs=0.2)
        # Its time is told as its own reading; both receivers run on this machine's clock.
        assert last(told, "time").value.startswith(f"{position.at:%Y-%m-%dT%H:%M}")
        assert told.health("place") == ["online"]
        assert told.bridge.stats("place").bad_frames == 0


async def test_a_jump_is_not_smoothed_and_a_lost_fix_is_no_position(rig, bridge_on):
    async with rig() as rig, bridge_for(rig, bridge_on) as told:
        await told.until(lambda: is_at(told, *PLACE))
        await rig.move(-33.5, -70.25)
        await told.until(lambda: is_at(told, -33.5, -70.25))
        await rig.fix(0)
        await told.until(lambda: last(told, "fix").value == "none")
        assert await told.bridge.devices["place"].driver.position() is None
        await told.until(lambda: last(told, "latitude").value is None)
        assert told.health("place") == ["online"]


async def test_damage_costs_sentences_and_never_gives_a_wrong_place(rig, bridge_on):
    async with rig() as rig:
        rig.wire.faults = Faults(flip=0.01, drop=0.002)
        async with bridge_for(rig, bridge_on, stale_s=10) as told:
            await told.until(lambda: told.bridge.stats("place").bad_frames >= 2)
            rig.wire.faults = NO_FAULTS
            await told.until(lambda: is_at(told, *PLACE))
            values = [reading.value for reading in told.readings("latitude") if reading.value is not None]
            assert values == [pytest.approx(PLACE[0], abs=1e-5)] * len(values)


async def test_a_silent_receiver_is_stale_and_offline_and_comes_back(rig, bridge_on):
    async with rig() as rig, bridge_for(rig, bridge_on) as told:
        await told.until(lambda: is_at(told, *PLACE))
        rig.wire.faults = Faults(mute=1.0)
        await told.until(lambda: told.health("place") == ["online", "offline"])
        await told.until(lambda: last(told, "latitude").quality is Quality.STALE)
        assert await told.bridge.devices["place"].driver.position() is None
        rig.wire.faults = NO_FAULTS
        await told.until(lambda: told.health("place") == ["online", "offline", "online"])
        await told.until(lambda: is_at(told, *PLACE))
