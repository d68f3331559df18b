"""ESPHome drivers against a node that ESPHome made (its C++ for the host platform, encrypted), and our simulation.

The onlooker moves the node's world through a second connection of the library's own client.
"""

import asyncio
import base64
import os
import signal
import socket
import subprocess
import sys
from contextlib import asynccontextmanager
from subprocess import DEVNULL

import pytest
from aioesphomeapi import APIClient, LockEntityState

from firmware_bridge.capabilities import DeviceRefused, DeviceTimeout, HealthChanged, LockStatus, Quality
from firmware_bridge.config import DeviceConfig, LineConfig
from firmware_bridge.simulators.esphome_node import EsphomeLockSimulation
from tests.harness import esphome_node
from tests.harness.peers import ROOT

# The first test of a machine builds the node.
pytestmark = [pytest.mark.contract, pytest.mark.timeout(600)]

KEY = "node.key"
NODE_S_MAX = 30


@pytest.fixture(scope="session")
def node_program():
    if (why := esphome_node.missing()) is not None:
        pytest.skip(why)
    return esphome_node.build()


class World:
    """The node as a process, and an onlooker's eye and hand on it."""

    def __init__(self, program, port, home):
        self._program = program
        self._home = home
        self._process = None
        self._client = None
        self._keys = {}
        self._said = asyncio.Event()
        self.bolt = []  # what the node's lock said, one after another
        self.port = port

    async def start(self):
        env = {"NODE_PORT": str(self.port), "HOME": str(self._home), "PATH": os.environ["PATH"]}
        self._process = await asyncio.create_subprocess_exec(self._program, env=env, stdout=DEVNULL, stderr=DEVNULL)
        client = APIClient("127.0.0.1", self.port, None, noise_psk=esphome_node.KEY)
        async with asyncio.timeout(NODE_S_MAX):
            await self._until_it_listens()
            await client.connect()
            infos, _ = await client.list_entities_services()
        self._keys = {info.object_id: info.key for info in infos}
        client.subscribe_states(self._on_state)
        self._client = client

    async def _until_it_listens(self):
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            await asyncio.sleep(0.01)

    def _on_state(self, state):
        if isinstance(state, LockEntityState):
            self.bolt.append(state.state.name)
            self._said.set()

    async def until_bolt(self, *states):
        """Wait until the lock has said these, one after another, and nothing since."""
        async with asyncio.timeout(NODE_S_MAX):
            while tuple(self.bolt[-len(states) :]) != states:
                self._said.clear()
                await self._said.wait()

    async def stop(self):
        if self._client is not None:
            await self._client.disconnect(force=True)
            self._client = None
        if self._process is not None:
            self._process.kill()
            await self._process.wait()
            self._process = None

    def freeze(self, frozen):
        self._process.send_signal(signal.SIGSTOP if frozen else signal.SIGCONT)

    def press(self, button):
        self._client.button_command(self._keys[f"world_{button}"])

    def weather(self, celsius):
        self._client.number_command(self._keys["world_temperature"], celsius)


async def hold_is_over(device):
    """Wait for the driver's own timer, whatever it finds to do."""
    (timer,) = [task for task in asyncio.all_tasks() if task.get_name() == f"{device} secures"]
    await timer


@pytest.fixture
async def world(node_program, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    world = World(node_program, port, tmp_path)
    await world.start()
    yield world
    await world.stop()


@pytest.fixture
def secrets(simulator_context):
    simulator_context.secrets.write(KEY, esphome_node.KEY.encode() + b"\n")
    return simulator_context.secrets


@pytest.fixture
def station(bridge_on, secrets):
    """A bridge with a lock and a device on the node of `world`."""

    @asynccontextmanager
    async def make(world, *, lock=None, device=None):
        line = LineConfig(url=f"esphome://127.0.0.1:{world.port}")
        options = {"key": KEY, "contact": "contact", "buttons": {"call": "call"}, **(lock or {})}
        devices = {
            "door": DeviceConfig(driver="esphome_lock", line="node", options=options),
            "room": DeviceConfig(driver="esphome_device", line="node", options={"period_s": 0.5, **(device or {})}),
        }
        async with bridge_on({"node": line}, devices, secrets=secrets) as told:
            yield told

    return make


async def online(told, device="door"):
    await told.until(lambda: told.health(device)[-1:] == ["online"])


async def test_a_release_is_confirmed_by_the_node_and_locked_again_after_the_hold(world, station):
    async with station(world) as told:
        await online(told)
        lock = told.bridge.lock("door")
        await lock.release(0.4)
        assert (await lock.status()).released is True
        await hold_is_over("door")
        await world.until_bolt("UNLOCKED", "LOCKED")
        assert (await lock.status()).released is False
        assert told.bridge.stats("door").answered == 2
        assert told.inputs("jammed") == []


async def test_a_node_with_a_timer_of_its_own_is_not_commanded_again(world, station):
    async with station(world) as told:
        await online(told)
        world.press("own_timer")
        lock = told.bridge.lock("door")
        await lock.release(1.0)
        await world.until_bolt("UNLOCKED", "LOCKED")
        await hold_is_over("door")
        assert told.bridge.stats("door").requests == 1


async def test_a_second_release_while_released_is_confirmed_too(world, station):
    async with station(world) as told:
        await online(told)
        lock = told.bridge.lock("door")
        await lock.release(5.0)
        await lock.release(5.0)
        await lock.secure()
        assert await lock.status() == LockStatus(released=False, contact_open=None)
        await world.until_bolt("UNLOCKED", "LOCKED")


async def test_contact_and_button_are_told(world, station):
    async with station(world) as told:
        await online(told)
        for button, name, level in (
            ("close", "contact", False),
            ("open", "contact", True),
            ("press", "call", True),
            ("let_go", "call", False),
            ("close", "contact", False),
        ):
            world.press(button)
            await told.until(lambda: told.inputs(name)[-1:] == [level])  # noqa: B023
        assert told.inputs("contact") == [False, True, False]
        assert (await told.bridge.lock("door").status()).contact_open is False


async def test_a_jammed_bolt_refuses_and_is_told(world, station):
    async with station(world) as told:
        await online(told)
        world.press("jam")
        with pytest.raises(DeviceRefused, match="door: is jammed"):
            await told.bridge.lock("door").release(0.5)
        assert told.inputs("jammed") == [True]
        world.press("free")
        await told.until(lambda: told.inputs("jammed") == [True, False])


async def test_points_have_values_units_and_qualities(world, station):
    async with station(world) as told:
        await online(told, "room")
        world.weather(-23.5)
        await told.until(lambda: any(reading.value == -23.5 for reading in told.readings("temperature")))
        points = {reading.point: reading for reading in await told.bridge.sensor("room").read()}
        assert points["temperature"].unit == "°C"
        assert (points["broken"].value, points["broken"].quality) == (None, Quality.INVALID)
        assert (points["phase"].value, points["phase"].quality) == (None, Quality.INVALID)
        assert (points["target"].value, points["target"].unit) == (18.0, "°C")
        assert points["mode"].value == "idle"
        assert points["heater"].value is False
        assert "word_of_honour" not in points, "a password is no reading"
        world.press("press")
        await told.until(lambda: any(reading.value == "pressed" for reading in told.readings("phase")))


async def test_what_is_set_is_read_back(world, station):
    async with station(world) as told:
        await online(told, "room")
        room = told.bridge.control("room")
        for point, value in (("heater", True), ("target", 21.5), ("mode", "eco"), ("label", "驿站"), ("target", 21.5)):
            reading = await room.set(point, value)
            assert (reading.point, reading.value, reading.quality) == (point, value, Quality.GOOD)
        with pytest.raises(DeviceRefused, match=r"stubborn is 7\.0 and not 3"):
            await room.set("stubborn", 3)
        with pytest.raises(ValueError, match="target is 5 to 30 °C, not 31"):
            await room.set("target", 31)
        with pytest.raises(ValueError, match="mode is one of idle, eco, comfort"):
            await room.set("mode", "tropical")
        with pytest.raises(ValueError, match="'temperature' cannot be set"):
            await room.set("temperature", 20)


async def test_points_can_be_chosen_and_named(world, station):
    async with station(world, device={"points": {"outside": "sensor/temperature", "warm": "heater"}}) as told:
        await online(told, "room")
        assert {reading.point for reading in await told.bridge.sensor("room").read()} == {"outside", "warm"}
        assert set(told.bridge.control("room").controls) == {"warm"}


async def test_a_node_that_dies_is_offline_once_and_comes_back(world, station):
    async with station(world) as told:
        await online(told)
        await world.stop()
        await told.until(lambda: told.health("door") == ["online", "offline"])
        with pytest.raises(DeviceTimeout):
            await told.bridge.lock("door").release(1.0)
        assert {reading.quality for reading in await told.bridge.sensor("room").read()} == {Quality.MISSING}
        await world.start()
        await told.until(lambda: told.health("door") == ["online", "offline", "online"])
        await told.bridge.lock("door").release(1.0)


async def test_a_node_that_was_released_and_rebooted_is_told_as_it_is(world, station):
    async with station(world) as told:
        await online(told)
        await told.bridge.lock("door").release(60.0)
        await world.stop()
        await told.until(lambda: told.health("door") == ["online", "offline"])
        await world.start()
        await told.until(lambda: told.health("door") == ["online", "offline", "online"])
        assert (await told.bridge.lock("door").status()).released is not True


async def test_a_frozen_node_confirms_nothing(world, station):
    async with station(world, lock={"confirm_s": 0.3}) as told:
        await online(told)
        world.freeze(True)
        with pytest.raises(DeviceTimeout, match=r"did not say that it is unlocked within 0\.3 s"):
            await told.bridge.lock("door").release(10.0)
        assert await told.bridge.lock("door").status() == LockStatus(None, None)
        world.freeze(False)


async def test_a_lock_left_released_is_locked_when_the_station_stops(world, station):
    async with station(world) as told:
        await online(told)
        await told.bridge.lock("door").release(60.0)
    await world.until_bolt("UNLOCKED", "LOCKED")


async def offline_reason(bridge_on, line, options, secrets):
    devices = {"door": DeviceConfig(driver="esphome_lock", line="node", options=options)}
    async with bridge_on({"node": line}, devices, secrets=secrets) as told:
        await told.until(lambda: told.health("door") == ["offline"])
        return next(event.detail for event in told.events if isinstance(event, HealthChanged))


async def test_a_wrong_key_no_key_and_a_missing_key_say_what_to_do(world, bridge_on, secrets):
    line = LineConfig(url=f"esphome://127.0.0.1:{world.port}")
    secrets.write("other.key", base64.b64encode(bytes(32)))
    secrets.write("broken.key", b"swordfish")
    assert "refuses the key" in await offline_reason(bridge_on, line, {"key": "other.key"}, secrets)
    assert "name its key in option `key`" in await offline_reason(bridge_on, line, {}, secrets)
    missing = await offline_reason(bridge_on, line, {"key": "lost.key"}, secrets)
    assert "its key is not there" in missing
    assert "lost.key" in missing
    broken = await offline_reason(bridge_on, line, {"key": "broken.key"}, secrets)
    assert "base64 text of 32 bytes" in broken
    assert "swordfish" not in broken


async def test_what_the_node_lacks_is_told_with_what_it_has(world, bridge_on, secrets):
    line = LineConfig(url=f"esphome://127.0.0.1:{world.port}")
    detail = await offline_reason(bridge_on, line, {"key": KEY, "contact": "leaf"}, secrets)
    assert "no binary_sensor 'leaf'; of that kind it has: call, contact" in detail


async def test_a_node_without_encryption_is_refused_while_a_key_is_named(bridge_on, secrets):
    """A plain node answers our encrypted hello by its own indicator; nothing else may be said to it."""
    heard = bytearray()

    async def plain(reader, writer):
        heard.extend(await reader.read(100))
        writer.write(b"\x00\x00\x02")
        heard.extend(await reader.read(100))
        writer.close()

    async with await asyncio.start_server(plain, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        line = LineConfig(url=f"esphome://127.0.0.1:{port}")
        detail = await offline_reason(bridge_on, line, {"key": KEY}, secrets)
    assert "cannot connect" in detail or "no encrypted connection" in detail
    assert heard[:1] == b"\x01"


async def test_no_key_beyond_this_machine_needs_a_word(bridge_on, secrets):
    detail = await offline_reason(bridge_on, LineConfig(url="esphome://192.0.2.1"), {}, secrets)
    assert "allow_plain = true" in detail


def hasty(device):
    return device.model_copy(update={"options": {**device.options, "confirm_s": 0.3}})


async def test_the_simulated_node_has_a_door_that_behaves(simulator_context, bridge_on):
    async with (
        EsphomeLockSimulation(simulator_context) as node,
        bridge_on({"it": node.line}, {"door": hasty(node.device)}, secrets=simulator_context.secrets) as told,
    ):
        await online(told)
        node.act(["push"])
        await told.bridge.lock("door").release(0.5)
        await told.until(lambda: told.inputs("contact") == [False, True])
        node.act(["close"])
        await told.until(lambda: told.inputs("contact") == [False, True, False])
        node.mute(True)
        with pytest.raises(DeviceTimeout):
            await told.bridge.lock("door").release(0.5)


def test_nothing_heavy_is_imported_at_start():
    heavy = {"aioesphomeapi", "noise", "zeroconf", "paho"}
    code = f"import firmware_bridge.bridge, sys; print(sorted({heavy} & {{*sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
