"""Locks and sensors that are entities of a node, on a node made of memory, in virtual time."""

import asyncio
import random

import pytest

from firmware_bridge.capabilities import (
    ControlRange,
    DeviceRefused,
    DeviceTimeout,
    HealthChanged,
    InputChanged,
    LockStatus,
    Quality,
    Reading,
)
from firmware_bridge.config import LineConfig
from firmware_bridge.drivers.entity_device import EntityDevice, EntityDeviceOptions, check_entity_device
from firmware_bridge.drivers.entity_lock import EntityLock, EntityLockOptions, check_entity_lock
from firmware_bridge.entities import ENTITIES_MAX, Agreement, Entity, Kind, LockState, Node, State
from firmware_bridge.secrets import SecretDirectory
from firmware_bridge.session import SessionContext
from firmware_bridge.sessions.esphome import EsphomeSession

STRIKE = Entity(Kind.LOCK, "strike")
LEAF = Entity(Kind.BINARY_SENSOR, "leaf")
BELL = Entity(Kind.BINARY_SENSOR, "bell")
HEATER = Entity(Kind.SWITCH, "heater", takes=ControlRange())
TARGET = Entity(Kind.NUMBER, "target", "°C", ControlRange("°C", 5.0, 30.0), step=0.5)
WARMTH = Entity(Kind.SENSOR, "warmth", "°C")


class MemoryNode(Node):
    """`answers` says what becomes of a command: (seconds later, state)."""

    def __init__(self, clock, *entities):
        super().__init__("node memory", send=self._command, ask=self._answer)
        self.clock = clock
        self.sent = []
        self.answers = lambda entity, value: [(0.01, value)]
        self.answers_at_all = True
        self.describe(entities)

    async def _command(self, entity, value):
        self.sent.append((entity.name, value))
        for delay_s, state in self.answers(entity, value):
            asyncio.get_running_loop().call_later(delay_s, self.say, entity, state)

    async def _answer(self):
        if not self.answers_at_all:
            raise DeviceTimeout("node", "silence")

    def say(self, entity, value, *, live=True, quality=Quality.GOOD):
        self.tell(entity.kind, entity.name, State(value, quality, self.clock.now(), self.clock.monotonic(), live))


@pytest.fixture
def on_node(run_virtual, clock, make_context):
    """`on_node(scenario, options, *entities)` runs `scenario(node, driver, events)` with the driver running."""

    def run(scenario, options, *entities):
        async def body():
            events = []
            node = MemoryNode(clock, *entities)
            lock = isinstance(options, EntityLockOptions)
            driver = (EntityLock if lock else EntityDevice)(make_context(options, emit=events.append), node, options)
            running = asyncio.create_task(driver.run())
            await asyncio.sleep(0)
            node.online()
            await scenario(node, driver, events)
            running.cancel()
            await asyncio.wait([running])

        run_virtual(body())

    return run


def inputs(events, name):
    return [event.active for event in events if isinstance(event, InputChanged) and event.input == name]


def health(events):
    return [event.health.value for event in events if isinstance(event, HealthChanged)]


def test_a_release_is_confirmed_by_the_word_of_the_node_and_never_by_an_old_one(on_node):
    async def scenario(node, lock, events):
        node.answers = lambda entity, value: []
        node.say(STRIKE, LockState.UNLOCKED, live=False)
        with pytest.raises(DeviceTimeout, match=r"did not say that it is unlocked within 3 s"):
            await lock.release(60.0)
        node.answers = lambda entity, value: [(0.1, LockState.UNLOCKING), (1.5, LockState.UNLOCKED)]
        began = lock._clock.monotonic()
        await lock.release(60.0)
        assert lock._clock.monotonic() - began == pytest.approx(1.5)
        assert (lock.stats.requests, lock.stats.answered, lock.stats.timeouts) == (2, 1, 1)

    on_node(scenario, EntityLockOptions(), STRIKE)


def test_what_was_true_before_counts_once_the_node_has_answered(on_node):
    async def scenario(node, lock, events):
        node.say(STRIKE, LockState.UNLOCKED)
        node.answers = lambda entity, value: []
        await lock.release(60.0)
        node.answers_at_all = False
        with pytest.raises(DeviceTimeout):
            await lock.release(60.0)

    on_node(scenario, EntityLockOptions(), STRIKE)


def test_the_lock_is_locked_after_the_hold_though_the_release_was_never_confirmed(on_node):
    async def scenario(node, lock, events):
        node.answers = lambda entity, value: []
        with pytest.raises(DeviceTimeout):
            await lock.release(5.0)
        assert node.sent == [("strike", LockState.UNLOCKED)]
        node.answers = lambda entity, value: [(0.01, value)]
        await asyncio.sleep(2.1)
        assert node.sent[1:] == [("strike", LockState.LOCKED)]

    on_node(scenario, EntityLockOptions(), STRIKE)


def test_locking_is_tried_a_bounded_number_of_times(on_node):
    async def scenario(node, lock, events):
        await lock.release(1.0)
        node.answers = lambda entity, value: []
        await asyncio.sleep(600)
        assert len(node.sent) == 1 + 10

    on_node(scenario, EntityLockOptions(), STRIKE)


def test_a_node_that_went_while_released_is_locked_when_it_is_back(on_node):
    async def scenario(node, lock, events):
        await lock.release(5.0)
        node.offline("gone")
        await asyncio.sleep(20)
        assert node.sent == [("strike", LockState.UNLOCKED)]
        node.say(STRIKE, LockState.UNLOCKED)
        node.online()
        await asyncio.sleep(1)
        assert node.sent[1:] == [("strike", LockState.LOCKED)]

    on_node(scenario, EntityLockOptions(), STRIKE)


def test_a_node_that_is_back_and_does_not_say_how_its_lock_stands_is_locked(on_node):
    async def scenario(node, lock, events):
        await lock.release(5.0)
        node.offline("gone")
        await asyncio.sleep(20)
        node.say(STRIKE, LockState.UNLOCKED, live=False)  # kept by a broker
        node.online()
        await asyncio.sleep(1)
        assert node.sent == [("strike", LockState.UNLOCKED), ("strike", LockState.LOCKED)]

    on_node(scenario, EntityLockOptions(), STRIKE)


def test_a_jam_that_ended_while_the_node_was_away_is_untold(on_node):
    async def scenario(node, lock, events):
        node.say(STRIKE, LockState.JAMMED)
        node.offline("gone")
        node.say(STRIKE, LockState.LOCKED)
        node.online()
        assert inputs(events, "jammed") == [True, False]

    on_node(scenario, EntityLockOptions(), STRIKE)


def test_a_node_that_locked_itself_while_it_was_away_is_owed_nothing(on_node):
    async def scenario(node, lock, events):
        await lock.release(5.0)
        node.offline("gone")
        await asyncio.sleep(20)
        node.say(STRIKE, LockState.LOCKED)
        node.online()
        await asyncio.sleep(1)
        node.say(STRIKE, LockState.UNLOCKED)  # by its keypad
        await asyncio.sleep(60)
        assert node.sent == [("strike", LockState.UNLOCKED)]

    on_node(scenario, EntityLockOptions(), STRIKE)


def test_a_word_of_before_that_comes_late_does_not_settle_what_is_owed(on_node):
    nodes = []

    async def scenario(node, lock, events):
        nodes.append(node)
        node.answers = lambda entity, value: [(0.1, LockState.LOCKED), (0.5, LockState.UNLOCKED)]
        await lock.release(5.0)
        node.answers = lambda entity, value: [(0.01, value)]

    on_node(scenario, EntityLockOptions(), STRIKE)
    assert nodes[0].sent == [("strike", LockState.UNLOCKED), ("strike", LockState.LOCKED)], "locked on the way out"


def test_a_lock_that_somebody_else_released_is_left_alone(on_node):
    async def scenario(node, lock, events):
        node.say(STRIKE, LockState.UNLOCKED)
        node.offline("gone")
        node.say(STRIKE, LockState.UNLOCKED, live=False)
        node.online()
        await asyncio.sleep(60)
        assert node.sent == []

    on_node(scenario, EntityLockOptions(), STRIKE)


def test_a_release_while_the_node_goes_fails_at_once(on_node):
    async def scenario(node, lock, events):
        node.answers = lambda entity, value: []
        asyncio.get_running_loop().call_later(0.1, node.offline, "unplugged")
        with pytest.raises(DeviceTimeout, match="it went before it was unlocked: unplugged"):
            await lock.release(5.0)
        with pytest.raises(DeviceTimeout, match="unplugged"):
            await lock.release(5.0)
        assert await lock.status() == LockStatus(None, None)

    on_node(scenario, EntityLockOptions(), STRIKE)


def test_a_jam_refuses_and_is_told_and_untold(on_node):
    async def scenario(node, lock, events):
        node.answers = lambda entity, value: [(0.1, LockState.JAMMED)]
        with pytest.raises(DeviceRefused, match="it: is jammed"):
            await lock.release(1.0)
        node.say(STRIKE, LockState.LOCKED)
        assert inputs(events, "jammed") == [True, False]

    on_node(scenario, EntityLockOptions(), STRIKE)


def test_a_lock_that_was_jammed_is_asked_again_and_judged_by_what_it_says_now(on_node):
    async def scenario(node, lock, events):
        node.say(STRIKE, LockState.JAMMED)
        node.answers = lambda entity, value: [(0.5, LockState.UNLOCKED)]
        await lock.release(60.0)
        node.answers = lambda entity, value: [(0.01, value)]

    on_node(scenario, EntityLockOptions(), STRIKE)


def test_a_lock_that_assumes_its_state_is_refused(on_node):
    async def scenario(node, lock, events):
        with pytest.raises(DeviceRefused, match="only assumes its state"):
            await lock.release(1.0)
        assert node.sent == []

    on_node(scenario, EntityLockOptions(), Entity(Kind.LOCK, "strike", tells=False))


def test_a_release_of_no_time_is_none(on_node):
    async def scenario(node, lock, events):
        with pytest.raises(ValueError, match="is none"):
            await lock.release(0)

    on_node(scenario, EntityLockOptions(), STRIKE)


def test_the_contact_may_be_wired_the_other_way_and_is_told_anew_after_a_silence(on_node):
    async def scenario(node, lock, events):
        node.say(LEAF, True)
        node.say(LEAF, True)
        node.say(BELL, True)
        assert inputs(events, "contact") == [False]
        assert inputs(events, "face") == [True]
        node.say(STRIKE, LockState.LOCKED)
        assert await lock.status() == LockStatus(released=False, contact_open=False)
        node.offline("gone")
        node.say(LEAF, True)
        node.online()
        assert inputs(events, "contact") == [False, False]
        node.say(LEAF, None, quality=Quality.INVALID)
        assert (await lock.status()).contact_open is None
        assert health(events) == ["online", "offline", "online"]

    options = EntityLockOptions(contact="leaf", contact_open_level=False, buttons={"face": "bell"})
    on_node(scenario, options, STRIKE, LEAF, BELL)


def test_what_the_node_lacks_is_told_once_and_a_release_is_still_tried(on_node):
    async def scenario(node, lock, events):
        node.describe([STRIKE])
        node.describe([STRIKE])
        assert health(events) == ["offline"]
        assert "no binary_sensor 'leaf'; of that kind it has: none" in events[0].detail
        await lock.release(1.0)
        node.describe([STRIKE, LEAF])
        assert health(events) == ["offline", "online"]

    on_node(scenario, EntityLockOptions(contact="leaf"), STRIKE)


def test_a_door_whose_entities_contradict_each_other_is_refused():
    wired = EntityLockOptions(contact="leaf", buttons={"face": "leaf", "jammed": "bell"})
    assert check_entity_lock(1, wired, None) == [
        "options.buttons.jammed: the name belongs to the door",
        "options.buttons: leaf is named twice",
    ]
    assert check_entity_lock(1, EntityLockOptions(), None) == check_entity_device(1, EntityDeviceOptions(), None) == []


def test_points_are_told_every_period_and_words_at_once(on_node):
    async def scenario(node, room, events):
        node.say(WARMTH, 20.0)
        node.say(HEATER, False)
        await asyncio.sleep(10)
        events.clear()
        node.say(WARMTH, 21.0)
        node.say(HEATER, True)
        node.say(HEATER, False)  # 0 s later: a chattering contact is told at its period
        assert [(event.point, event.value) for event in events] == [("heater", True)]
        await asyncio.sleep(10)
        assert {(event.point, event.value) for event in events[1:]} == {("warmth", 21.0), ("heater", False)}

    on_node(scenario, EntityDeviceOptions(period_s=10), WARMTH, HEATER)


def test_when_the_node_comes_everything_is_told_at_once_and_once(on_node):
    async def scenario(node, room, events):
        await asyncio.sleep(1)
        node.offline("asleep")
        await asyncio.sleep(1)
        events.clear()
        node.say(WARMTH, 20.0)
        node.say(HEATER, True)
        node.online()
        await asyncio.sleep(1)
        told = [(event.point, event.value) for event in events if isinstance(event, Reading)]
        assert told == [("warmth", 20.0), ("heater", True)]

    on_node(scenario, EntityDeviceOptions(), WARMTH, HEATER)


def test_of_a_node_that_is_away_everything_is_missing_until_it_is_said_anew(on_node):
    async def scenario(node, room, events):
        node.say(WARMTH, 20.0)
        node.offline("asleep")
        (reading,) = await room.read()
        assert (reading.value, reading.quality, reading.unit) == (None, Quality.MISSING, "°C")
        node.online()
        (reading,) = await room.read()
        assert (reading.value, reading.quality) == (None, Quality.MISSING)

    on_node(scenario, EntityDeviceOptions(), WARMTH)


def test_an_entity_may_be_away_by_its_own_word_while_its_node_is_there(on_node):
    async def scenario(node, room, events):
        node.say(WARMTH, 20.0)
        node.say(HEATER, False)
        node.set_away(*away(HEATER), True)
        assert {reading.point: reading.value for reading in await room.read()} == {"warmth": 20.0, "heater": None}
        assert health(events) == ["online"]
        with pytest.raises(DeviceTimeout, match="its heater is not available"):
            await room.set("heater", True)
        node.set_away(*away(WARMTH), True)
        node.set_away(*away(WARMTH), False)
        assert health(events) == ["online", "offline", "online"]

    def away(entity):
        return entity.kind, entity.name

    on_node(scenario, EntityDeviceOptions(), WARMTH, HEATER)


def test_a_lock_that_is_away_by_its_own_word_is_offline_and_not_commanded(on_node):
    async def scenario(node, lock, events):
        node.answers = lambda entity, value: []
        asyncio.get_running_loop().call_later(0.5, node.set_away, Kind.LOCK, "strike", True)
        with pytest.raises(DeviceTimeout, match="it went before it was unlocked: node memory says that its strike"):
            await lock.release(5.0)
        with pytest.raises(DeviceTimeout, match="its strike is not available"):
            await lock.release(5.0)
        assert len(node.sent) == 1
        assert health(events) == ["online", "offline"]
        node.garbled()
        assert lock.stats.bad_frames == 1

    on_node(scenario, EntityLockOptions(), STRIKE)


def test_a_control_is_set_when_the_node_says_so(on_node):
    async def scenario(node, room, events):
        reading = await room.set("target", 21.5)
        assert isinstance(reading, Reading)
        assert (reading.value, reading.unit) == (21.5, "°C")
        node.answers = lambda entity, value: [(0.01, 7.0)]
        with pytest.raises(DeviceRefused, match=r"target is 7\.0 and not 22"):
            await room.set("target", 22)
        node.answers = lambda entity, value: [(0.01, 7.0), (0.2, value)]
        assert (await room.set("target", 22)).value == 22
        node.answers = lambda entity, value: []
        with pytest.raises(DeviceTimeout, match="did not say what it was set to"):
            await room.set("heater", True)
        for point, value in (("target", True), ("target", "warm"), ("target", 31), ("target", float("nan"))):
            with pytest.raises(ValueError, match="target is"):
                await room.set(point, value)
        with pytest.raises(ValueError, match="true or false"):
            await room.set("heater", "on")
        with pytest.raises(ValueError, match="'warmth' cannot be set; there are: heater, target"):
            await room.set("warmth", 3)
        node.offline("gone")
        with pytest.raises(DeviceTimeout, match="gone"):
            await room.set("target", 20)

    on_node(scenario, EntityDeviceOptions(), WARMTH, HEATER, TARGET)


def test_two_kinds_that_share_a_name_are_told_apart(on_node):
    async def scenario(node, room, events):
        assert {reading.point for reading in await room.read()} == {"sensor_door", "switch_door", "warmth"}

    on_node(scenario, EntityDeviceOptions(), Entity(Kind.SENSOR, "door"), Entity(Kind.SWITCH, "door"), WARMTH)


def test_a_point_that_could_be_two_entities_says_what_there_is(on_node):
    async def scenario(node, room, events):
        assert "several 'door'; it has: sensor/door, switch/door" in events[-1].detail

    options = EntityDeviceOptions(points={"it": "door"})
    on_node(scenario, options, Entity(Kind.SENSOR, "door"), Entity(Kind.SWITCH, "door"))


def test_a_node_keeps_a_bounded_number_of_entities(run_virtual):
    async def scenario():
        node = Node("node")
        node.describe(Entity(Kind.SENSOR, f"s{n}") for n in range(10 * ENTITIES_MAX))
        assert len(node.entities) == ENTITIES_MAX

    run_virtual(scenario())


def test_devices_of_a_line_say_the_same_or_nothing():
    assert Agreement({"a": {"key": None}, "b": {"key": "k"}, "c": {"key": "k"}}).conflict() is None
    conflict = Agreement({"a": {"key": "x"}, "b": {"key": "k"}}).conflict()
    assert conflict == "a and b share the line and name a different `key`: say the same in both"


def test_devices_that_name_two_keys_are_told_and_nothing_is_sent(run_virtual, clock, tmp_path):
    async def scenario():
        line = LineConfig(url="esphome://192.0.2.1")
        secrets = SecretDirectory(tmp_path)
        session = EsphomeSession(SessionContext("node", line, clock, random.Random(1), secrets))
        session.attach("a", key="a.key", allow_plain=False)
        session.attach("b", key="b.key", allow_plain=False)
        running = asyncio.create_task(session.run())
        await asyncio.sleep(60)
        assert "name a different `key`" in session.node.down
        running.cancel()
        await asyncio.wait([running])

    run_virtual(scenario())


def test_a_number_with_one_bound_is_held_to_it(on_node):
    async def scenario(node, room, events):
        for value in (11, float("nan")):
            with pytest.raises(ValueError, match="delay is -inf to 10 s, not"):
                await room.set("delay", value)
        assert (await room.set("delay", -3)).value == -3

    delay = Entity(Kind.NUMBER, "delay", unit="s", takes=ControlRange("s", None, 10.0))
    on_node(scenario, EntityDeviceOptions(), delay)
