"""A broker's session with nodes that describe themselves: on a connection made of memory, in virtual time."""

import asyncio
import json
import random

import pytest

from firmware_bridge.capabilities import DeviceTimeout, HealthChanged, InputChanged, Quality
from firmware_bridge.config import LineConfig
from firmware_bridge.drivers.mqtt import MqttDevice, MqttDeviceOptions, MqttLock, MqttLockOptions
from firmware_bridge.entities import Kind
from firmware_bridge.secrets import NoSecrets
from firmware_bridge.session import SessionContext
from firmware_bridge.sessions.mqtt import LOOK_AGAIN_S_MAX, MqttSession

LOCK = {"cmd_t": "door/set", "stat_t": "door", "dev": {"ids": ["abc"]}}
THERE = {"avty_t": "door/there"}
CONTACT = {"stat_t": "leaf", "dev": {"ids": ["abc"]}}


class MemoryConnection:
    """Remembers what was asked of the broker."""

    def __init__(self):
        self.listens = []
        self.given_up = []
        self.told = []
        self.commands = []

    def subscribe(self, topics):
        self.listens += topics

    def unsubscribe(self, topics):
        self.given_up += topics

    def tell(self, topic, payload, *, retain=False):
        assert not retain
        self.told.append((topic, payload))

    async def command(self, topic, payload, *, device):
        self.commands.append((topic, payload))


class Behind:
    """A session, the devices on it, and a hand that publishes."""

    def __init__(self, session, connection, events, drivers):
        self.session = session
        self.connection = connection
        self.events = events
        self.drivers = drivers

    def describe(self, component, name, config, *, node="", retained=True):
        topic = "/".join(filter(None, ["homeassistant", component, node, name, "config"]))
        payload = b"" if config is None else json.dumps(config).encode()
        self.session.heard(topic, payload, retained)

    def say(self, topic, payload, *, retained=False):
        self.session.heard(topic, payload.encode(), retained)

    @property
    def health(self):
        return [event.health.value for event in self.events if isinstance(event, HealthChanged)]

    def inputs(self, name):
        return [event.active for event in self.events if isinstance(event, InputChanged) and event.input == name]

    def state(self, kind, name):
        (node,) = self.session._nodes.values()
        return node.node.state(node.node.entities[kind, name])


@pytest.fixture
def behind(run_virtual, clock, make_context):
    """`behind(scenario, MqttLockOptions(...))` runs `scenario(it, driver)` while the connection is open."""

    def run(scenario, options):
        async def body():
            line = LineConfig(url="mqtt://127.0.0.1")
            session = MqttSession(SessionContext("it", line, clock, random.Random(1), NoSecrets()))
            events = []
            context = make_context(options, emit=events.append, line=line, carrier=session)
            driver = (MqttLock if isinstance(options, MqttLockOptions) else MqttDevice)(context)
            connection = MemoryConnection()
            session.opened(connection)
            it = Behind(session, connection, events, driver)
            await scenario(it, driver)
            session._lost("the test is over")

        run_virtual(body())

    return run


def test_a_node_is_online_when_it_has_described_itself(behind):
    async def scenario(it, lock):
        assert it.connection.told == [("homeassistant/status", b"online")]
        assert it.connection.listens == ["homeassistant/+/+/config", "homeassistant/+/+/+/config"]
        it.describe("lock", "door", LOCK)
        it.describe("lock", "other", {**LOCK, "dev": {"ids": ["xyz"]}, "stat_t": "other"})
        assert it.health == []
        await asyncio.sleep(1)
        assert it.health == ["online"]
        assert "door" in it.connection.listens
        assert "other" not in it.connection.listens

    behind(scenario, MqttLockOptions(node="abc"))


def test_a_part_that_comes_late_is_waited_for_and_then_told(behind):
    async def scenario(it, lock):
        it.describe("lock", "door", LOCK)
        await asyncio.sleep(1)
        assert it.health == []
        it.describe("binary_sensor", "leaf", CONTACT)
        await asyncio.sleep(1)
        assert it.health == ["online"]
        it.describe("binary_sensor", "leaf", None)
        assert it.health == ["online", "offline"]
        assert "leaf" in it.connection.given_up

    behind(scenario, MqttLockOptions(node="abc", contact="leaf"))


def test_a_part_that_never_comes_is_told_with_what_there_is(behind):
    async def scenario(it, lock):
        it.describe("lock", "door", LOCK)
        await asyncio.sleep(4)
        assert it.health == ["offline"]
        assert "no binary_sensor 'leaf'" in it.events[0].detail

    behind(scenario, MqttLockOptions(node="abc", contact="leaf"))


def test_the_broker_is_asked_again_for_what_is_missing_ever_more_seldom(behind):
    async def scenario(it, lock):
        await asyncio.sleep(3600)
        asked = it.connection.listens.count("homeassistant/+/+/config")
        assert 3600 / LOOK_AGAIN_S_MAX - 2 < asked < 3600 / LOOK_AGAIN_S_MAX + 8
        assert it.health == ["offline"]
        it.describe("lock", "door", LOCK)
        await asyncio.sleep(2 * LOOK_AGAIN_S_MAX)
        asked = it.connection.listens.count("homeassistant/+/+/config")
        await asyncio.sleep(600)
        assert it.connection.listens.count("homeassistant/+/+/config") == asked

    behind(scenario, MqttLockOptions(node="abc"))


def test_what_the_broker_kept_is_old_and_never_overrules_what_was_said(behind):
    async def scenario(it, room):
        it.describe("sensor", "old", {"stat_t": "old", "dev": {"ids": ["abc"]}})
        it.describe("sensor", "kept", {"stat_t": "kept", "dev": {"ids": ["abc"]}, **THERE})
        it.say("door/there", "online", retained=True)
        it.say("old", "1", retained=True)
        it.say("kept", "2", retained=True)
        await asyncio.sleep(1)
        assert {r.point: (r.value, r.quality) for r in await room.read()} == {
            "old": (1.0, Quality.STALE),
            "kept": (2.0, Quality.GOOD),
        }
        it.say("old", "3")
        it.say("old", "1", retained=True)
        assert (it.state(Kind.SENSOR, "old").value, it.state(Kind.SENSOR, "old").live) == (3.0, True)

    behind(scenario, MqttDeviceOptions(node="abc"))


def test_a_release_needs_a_word_of_this_connection(behind):
    async def scenario(it, lock):
        it.describe("lock", "door", LOCK)
        it.say("door", "UNLOCKED", retained=True)
        await asyncio.sleep(1)
        with pytest.raises(DeviceTimeout):
            await lock.release(60.0)
        it.say("door", "UNLOCKED")
        await lock.release(60.0)
        assert it.connection.commands == [("door/set", b"UNLOCK")] * 2
        lock._forget_timer()

    behind(scenario, MqttLockOptions(node="abc"))


def test_a_lock_that_left_by_its_own_word_is_offline_and_its_words_stand_no_more(behind):
    async def scenario(it, lock):
        it.describe("lock", "door", LOCK | THERE)
        it.say("door", "LOCKED")
        await asyncio.sleep(1)
        it.say("door/there", "online", retained=True)
        await asyncio.sleep(3)
        assert it.health == ["online"]
        it.describe("lock", "door", LOCK | THERE)  # said again: nothing new
        assert it.health == ["online"]
        assert (await lock.status()).released is False
        it.say("door/there", "offline")
        assert it.health == ["online", "offline"]
        it.say("door/there", "perhaps")
        assert lock.stats.bad_frames == 1
        it.say("door/there", "online")
        assert it.health == ["online", "offline", "online"]
        assert (await lock.status()).released is None

    behind(scenario, MqttLockOptions(node="abc"))


def test_a_value_expires_and_a_button_goes_off_by_itself(behind):
    async def scenario(it, room):
        it.describe("sensor", "t", {"stat_t": "t", "exp_aft": 30, "dev": {"ids": ["abc"]}})
        it.describe("binary_sensor", "ring", {"stat_t": "ring", "off_dly": 2, "dev": {"ids": ["abc"]}})
        await asyncio.sleep(1)
        it.say("t", "20")
        it.say("ring", "ON")
        await asyncio.sleep(1)
        assert {r.point: r.value for r in await room.read()} == {"t": 20.0, "ring": True}
        await asyncio.sleep(2)
        assert {r.point: r.value for r in await room.read()} == {"t": 20.0, "ring": False}
        await asyncio.sleep(30)
        (expired,) = [reading for reading in await room.read() if reading.point == "t"]
        assert (expired.value, expired.quality) == (None, Quality.MISSING)

    behind(scenario, MqttDeviceOptions(node="abc"))


def test_what_is_beyond_us_is_left_out_and_the_rest_works(behind):
    async def scenario(it, room):
        it.describe("sensor", "good", {"stat_t": "good", "dev": {"ids": ["abc"]}})
        it.describe("sensor", "odd", {"stat_t": "x", "val_tpl": "{{ value | upper }}", "dev": {"ids": ["abc"]}})
        it.say("homeassistant/sensor/abc/broken/config", "{")
        it.say("homeassistant/sensor/else/broken/config", "{")
        await asyncio.sleep(1)
        assert [reading.point for reading in await room.read()] == ["good"]
        assert room.stats.bad_frames == 1

    behind(scenario, MqttDeviceOptions(node="abc"))


def test_two_that_share_a_name_and_differ_are_left_out_and_one_said_twice_is_one(behind):
    async def scenario(it, room):
        it.describe("switch", "relay", {"cmd_t": "a/set", "stat_t": "a", "dev": {"ids": ["abc"]}}, node="a")
        it.describe("switch", "relay", {"cmd_t": "b/set", "stat_t": "b", "dev": {"ids": ["abc"]}}, node="b")
        it.describe("sensor", "t", {"stat_t": "t", "dev": {"ids": ["abc"]}}, node="a")
        it.describe("sensor", "t", {"stat_t": "t", "dev": {"ids": ["abc"]}}, node="b")
        await asyncio.sleep(1)
        assert [reading.point for reading in await room.read()] == ["t"]

    behind(scenario, MqttDeviceOptions(node="abc"))


def test_one_message_on_a_shared_topic_tells_what_it_holds(behind):
    async def scenario(it, room):
        shared = {"stat_t": "zigbee/door", "dev": {"ids": ["abc"]}}
        it.describe("sensor", "battery", {**shared, "val_tpl": "{{ value_json.battery }}", "unit_of_meas": "%"})
        it.describe(
            "binary_sensor",
            "contact",
            {**shared, "val_tpl": "{{ value_json.contact }}", "pl_on": False, "pl_off": True},
        )
        await asyncio.sleep(1)
        it.say("zigbee/door", '{"battery": 90, "contact": true}')
        it.say("zigbee/door", '{"contact": false}')
        assert {r.point: r.value for r in await room.read()} == {"battery": 90.0, "contact": True}

    behind(scenario, MqttDeviceOptions(node="abc"))


def test_a_lost_broker_is_told_and_everything_is_learnt_anew(behind):
    async def scenario(it, lock):
        it.describe("lock", "door", LOCK)
        it.say("door", "LOCKED")
        await asyncio.sleep(1)
        it.session._lost("unplugged")
        assert it.health == ["online", "offline"]
        it.describe("lock", "door", LOCK)  # too late: nobody listens
        with pytest.raises(DeviceTimeout, match="unplugged"):
            await lock.release(1.0)
        it.session.opened(it.connection)
        it.describe("lock", "door", LOCK)
        await asyncio.sleep(1)
        assert it.health == ["online", "offline", "online"]

    behind(scenario, MqttLockOptions(node="abc"))


@pytest.mark.parametrize("prefix", ["", "a/#", "+", "a//b", "/a"])
def test_a_discovery_prefix_is_a_topic(prefix):
    with pytest.raises(ValueError, match="discovery_prefix"):
        MqttLockOptions(node="x", discovery_prefix=prefix)
