"""The modem's driver on our simulator and on pyatcommand's modem; our simulator for comgt and for pyatcommand.

What pyatcommand's modem says of the network is set from here: the framing, the echo and the final results are its
own. comgt brings its own understanding of +CSQ, +CREG and +COPS.
"""

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from firmware_bridge.capabilities import Quality
from firmware_bridge.config import DeviceConfig, LineConfig
from firmware_bridge.simulators.at_modem import BAUD, SimulatedModem
from firmware_bridge.simulators.paced_pty import Faults, PacedPty

pytestmark = pytest.mark.contract

PEERS = Path(__file__).parents[1] / "peers"


class SimulatorRig:
    """Our own modem."""

    operator = "CHINA MOBILE"

    def __init__(self, context):
        self.wire = PacedPty("modem", 10 / BAUD, rng=context.rng, link_dir=context.link_dir)
        self.modem = SimulatedModem(self.wire)
        self.url = ""

    async def __aenter__(self):
        self.url = self.wire.open()
        return self

    async def __aexit__(self, *error):
        self.modem.stop()
        self.wire.close()

    async def signal(self, dbm):
        self.modem.signal_dbm = dbm

    async def no_sim(self):
        self.modem.sim = None

    async def old(self):
        self.modem.lte = False

    async def ring(self):
        self.modem.say("RING")


class PeerRig:
    """pyatcommand's modem on a paced line."""

    operator = "PEER"

    def __init__(self, wire, peer, url):
        self._peer = peer
        self.wire = wire.paced
        self.url = url

    async def _say(self, command):
        assert await self._peer.say(command) == "ok"

    async def signal(self, dbm):
        await self._say(f"say +CSQ +CSQ: {99 if dbm is None else (dbm + 113) // 2},99")

    async def no_sim(self):
        await self._say("refuse +CPIN? 10")

    async def old(self):
        await self._say("forget +CESQ")
        await self._say("forget +CEREG?")

    async def ring(self):
        await self._say("urc RING")


@pytest.fixture
def simulated(simulator_context):
    return SimulatorRig(simulator_context)


@pytest.fixture(params=["simulator", "pyatcommand"])
def rig(request, simulated, start_peer, peer_wire, peer_python):
    @asynccontextmanager
    async def make():
        if request.param == "simulator":
            async with simulated as rig:
                yield rig
            return
        wire = peer_wire(BAUD)
        try:
            url = wire.open()
            command = (peer_python("pyatcommand"), PEERS / "pyatcommand_modem.py", wire.peer_path)
            async with start_peer(*command) as peer:
                yield PeerRig(wire, peer, url)
        finally:
            wire.close()

    return make


def bridge_for(rig, bridge_on):
    lines = {"modem": LineConfig(url=rig.url, baud=BAUD)}
    return bridge_on(lines, {"uplink": DeviceConfig(driver="at_modem", line="modem", options={"period_s": 1.0})})


def last(told, point):
    readings = told.readings(point)
    return (readings[-1].value, readings[-1].unit, readings[-1].quality) if readings else None


async def test_a_modem_tells_its_signal_its_network_and_its_sim(rig, bridge_on):
    async with rig() as rig, bridge_for(rig, bridge_on) as told:
        await told.until(lambda: last(told, "rsrq"))
        assert last(told, "signal") == (-77, "dBm", Quality.GOOD)
        assert last(told, "rsrp") == (-98, "dBm", Quality.GOOD)
        assert last(told, "rsrq") == (-10.0, "dB", Quality.GOOD)
        assert last(told, "registration") == ("home", "", Quality.GOOD)
        assert last(told, "network") == ("lte", "", Quality.GOOD)
        assert last(told, "operator") == (rig.operator, "", Quality.GOOD)
        assert last(told, "sim") == ("ready", "", Quality.GOOD)
        await rig.ring()
        await rig.signal(-101)
        await told.until(lambda: last(told, "signal") == (-101, "dBm", Quality.GOOD))
        assert told.health("uplink") == ["online"]


async def test_a_modem_without_a_sim_says_so_and_one_without_a_signal_has_none(rig, bridge_on):
    async with rig() as rig:
        await rig.signal(None)
        await rig.no_sim()
        async with bridge_for(rig, bridge_on) as told:
            await told.until(lambda: last(told, "sim"))
            assert last(told, "sim") == ("missing", "", Quality.GOOD)
            assert last(told, "signal") == (None, "dBm", Quality.INVALID)


async def test_an_older_modem_is_read_without_lte(rig, bridge_on):
    async with rig() as rig:
        await rig.old()
        async with bridge_for(rig, bridge_on) as told:
            await told.until(lambda: len(told.readings("signal")) == 2)
            assert last(told, "registration") == ("home", "", Quality.GOOD)
            assert told.readings("rsrp") == []


async def test_damage_on_the_line_gives_no_wrong_signal(simulated, bridge_on):
    async with simulated as rig:
        rig.wire.faults = Faults(drop=0.004)
        async with bridge_for(rig, bridge_on) as told:
            await told.until(lambda: len(told.readings("sim")) >= 2)
            assert rig.wire.counters.dropped > 0
            assert {reading.value for reading in told.readings("signal")} <= {-77, None}


async def test_comgt_reads_our_simulator(simulated, needs_program):
    comgt = needs_program("comgt", package="comgt")

    async def said(*words):
        process = await asyncio.create_subprocess_exec(comgt, *words, stdout=asyncio.subprocess.PIPE)
        out, _ = await asyncio.wait_for(process.communicate(), 30)
        return out.decode()

    async with simulated as rig:
        assert "Signal Quality: 18,99" in await said("-d", rig.url, "sig")
        assert 'Registered on Home network: "CHINA MOBILE",7' in await said("-d", rig.url, "reg")


async def test_pyatcommand_reads_our_simulator(simulated, start_peer, peer_python):
    async with simulated as rig:
        command = (peer_python("pyatcommand"), PEERS / "pyatcommand_client.py", rig.url)
        async with start_peer(*command) as client:
            assert await client.say("AT+CSQ") == "ok +CSQ: 18,99"
            assert await client.say("AT+CPIN?") == "ok +CPIN: READY"
            assert (await client.say("AT+NO_SUCH")).startswith("ERROR")
            rig.modem.say("RING")
            assert await client.say("urc") == "RING"
            rig.modem.sim = None
            assert await client.say("AT+CMEE=1") == "ok None"
            assert "10" in await client.say("AT+CPIN?")
