"""UHPPOTE doors: our datagrams and uhppoted's, our simulated controller asked by it, the driver under faults."""

import asyncio
import json
import random
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from firmware_bridge.capabilities import CardRead, DeviceRefused, DeviceTimeout, LockStatus
from firmware_bridge.codecs import uhppote as codec
from firmware_bridge.codecs import uhppote_messages as messages
from firmware_bridge.codecs.uhppote_messages import DoorMode, Function
from firmware_bridge.simulators.paced import NO_FAULTS, Faults
from firmware_bridge.simulators.uhppote import SERIAL, UhppoteSimulation
from tests.contract.bridge.conftest import PEERS

pytestmark = pytest.mark.contract

NAME = "front_door"
CARD = 8165538


@pytest.fixture
def uhppoted(peer_python, start_peer):
    """uhppoted in its own process; `await client("ask", port, "get_status", serial)`."""

    @asynccontextmanager
    async def running():
        async with start_peer(peer_python("uhppoted"), PEERS / "uhppoted_client.py") as peer:

            async def say(*words):
                return json.loads(await peer.say(" ".join(map(str, words))))

            yield say

    return running


@pytest.fixture
async def simulation(simulator_context):
    async with UhppoteSimulation(simulator_context) as it:
        yield it


@pytest.fixture
def door(simulation, bridge_on):
    """A bridge on the simulated controller, its first door ready; with options changed as asked."""

    @asynccontextmanager
    async def running(**options):
        device = simulation.device.model_copy(update={"options": simulation.device.options | options})
        async with bridge_on({"it": simulation.line}, {NAME: device}) as told:
            await told.until(lambda: told.readings("door_mode"))
            yield told

    return running


async def asking(lock, condition):
    """Ask the lock again and again until the controller has come so far."""
    async with asyncio.timeout(10):
        while not condition():
            await lock.status()


# Our codec and theirs.


REQUESTS = [
    (messages.GetController(), "get_controller", ()),
    (messages.GetStatus(), "get_status", ()),
    (messages.OpenDoor(3), "open_door", (3,)),
    (messages.GetDoor(4), "get_door_control", (4,)),
    (messages.SetDoor(2, DoorMode.NORMALLY_CLOSED, 17), "set_door_control", (2, 2, 17)),
    (messages.GetListener(), "get_listener", ()),
    (messages.SetListener(IPv4Address("192.168.1.20"), 40123, 5), "set_listener", ("192.168.1.20", 40123, 5)),
    (messages.RecordSpecialEvents(True), "record_special_events", ("true",)),
    (messages.RecordSpecialEvents(False), "record_special_events", ("false",)),
    (messages.GetEvent(70000), "get_event", (70000,)),
]


async def test_our_requests_are_theirs_byte_for_byte(uhppoted):
    rng = random.Random(4)
    async with uhppoted() as client:
        for request, name, words in REQUESTS:
            serial = rng.randrange(1, messages.SERIAL_MAX)
            theirs = bytes.fromhex(await client("encode", name, serial, *words))
            assert codec.encode_request(serial, request) == theirs, name
            assert codec.decode_request(theirs) == (serial, request), name


async def test_statuses_and_events_by_chance_are_read_by_them_as_by_us(uhppoted):
    rng = random.Random(5)
    async with uhppoted() as client:
        for _ in range(40):
            serial, status = rng.randrange(1, messages.SERIAL_MAX), a_status(rng)
            packet = codec.encode_reply(serial, Function.STATUS, status)
            for reader, form in (("get_status_response", "evt_"), ("event", "event_")):
                assert_same(await client("decode", reader, packet.hex()), serial, status, form)
            event = status.event
            stored = codec.encode_reply(serial, Function.GET_EVENT, event)
            theirs = await client("decode", "get_event_response", stored.hex())
            ours = (
                event.index,
                event.kind,
                event.granted,
                event.door,
                event.direction,
                event.card,
                event.at,
                event.reason,
            )
            assert tuple(theirs.values()) == (serial, *ours)


def a_status(rng):
    def at():
        return f"20{rng.randrange(100):02}{rng.randrange(1, 13):02}{rng.randrange(1, 29):02}{rng.randrange(24):02}5901"

    def four():
        return tuple(rng.random() < 0.5 for _ in range(4))

    event = messages.Event(
        rng.randrange(1, 2**32),
        rng.randrange(256),
        rng.random() < 0.5,
        rng.randrange(256),
        rng.randrange(256),
        rng.randrange(2**32),
        at(),
        rng.randrange(256),
    )
    numbers = [rng.randrange(256) for _ in range(4)]
    return messages.Status(event, four(), four(), numbers[0], at(), rng.randrange(2**32), *numbers[1:])


def assert_same(theirs, serial, status, form):
    """Their record has the same values under names of its own, in two spellings."""
    event = status.event
    values = {
        "controller": serial,
        "system_date": status.at[:8],
        "system_time": status.at[8:],
        "relays": status.relays,
        "inputs": status.inputs,
        "system_error": status.error,
        "special_info": status.special,
        f"{form}index" if form == "event_" else "event_index": event.index,
        f"{form}type" if form == "event_" else "event_type": event.kind,
        f"{form}door" if form == "event_" else "event_door": event.door,
        f"{form}card" if form == "event_" else "event_card": event.card,
        f"{form}reason" if form == "event_" else "event_reason": event.reason,
    }
    assert {name: theirs[name] for name in values} == values


# Their client and our simulated controller.


async def test_they_find_our_controller_and_read_what_it_is(uhppoted, simulation):
    async with uhppoted() as client:
        (found,) = await client("discover", simulation.wire.port)
        assert found["controller"] == SERIAL
        assert found["version"] == "v8.92"
        status = await client("ask", simulation.wire.port, "get_status", SERIAL)
        assert [status[f"door_{door}_open"] for door in (1, 2, 3, 4)] == [False] * 4


async def test_they_open_our_door_for_as_long_as_they_set(uhppoted, simulation):
    port = simulation.wire.port
    async with uhppoted() as client:
        assert await client("ask", port, "set_door_control", SERIAL, 1, 3, 1) == {
            "controller": SERIAL,
            "door": 1,
            "mode": 3,
            "delay": 1,
        }
        assert (await client("ask", port, "get_door_control", SERIAL, 1))["delay"] == 1
        assert (await client("ask", port, "open_door", SERIAL, 1))["opened"] is True
        assert (await client("ask", port, "get_status", SERIAL))["relays"] == 1
        async with asyncio.timeout(10):
            while (await client("ask", port, "get_status", SERIAL))["relays"]:
                assert simulation.door.delay_s == 1
        assert not simulation.door.released


async def test_they_hear_our_events(uhppoted, simulation):
    port = simulation.wire.port
    async with uhppoted() as client:
        here = await client("bind")
        await client("ask", port, "set_listener", SERIAL, "127.0.0.1", here)
        listener = await client("ask", port, "get_listener", SERIAL)
        assert (listener["address"], listener["port"]) == ("127.0.0.1", here)
        simulation.act(["swipe", str(CARD)])
        event = await client("event")
        assert (event["event_card"], event["event_door"], event["event_access_granted"]) == (CARD, 1, False)
        stored = await client("ask", port, "get_event", SERIAL, event["event_index"])
        assert stored["card"] == CARD


# The driver.


async def test_a_release_lasts_as_long_as_it_says_and_is_seen_by_uhppoted(uhppoted, simulation, door):
    async with uhppoted() as client, door() as told:
        lock = told.bridge.lock(NAME)
        assert await lock.status() == LockStatus(released=False, contact_open=False)
        began = asyncio.get_running_loop().time()
        await lock.release(1.0)
        assert await lock.status() == LockStatus(released=True, contact_open=False)
        assert (await client("ask", simulation.wire.port, "get_door_control", SERIAL, 1))["delay"] == 1
        simulation.act(["push"])
        await told.until(lambda: told.inputs("contact") == [False, True])
        await asking(lock, lambda: not simulation.door.released)
        assert 0.9 <= asyncio.get_running_loop().time() - began <= 1.6
        simulation.act(["close"])
        await told.until(lambda: told.inputs("contact") == [False, True, False])


async def test_secure_ends_a_release_and_the_button_works_again(simulation, door):
    async with door() as told:
        lock = told.bridge.lock(NAME)
        await lock.release(1.0)
        await lock.secure()
        assert await lock.status() == LockStatus(released=False, contact_open=False)
        await asking(lock, lambda: simulation.door.mode is DoorMode.CONTROLLED)
        assert not simulation.door.released
        simulation.act(["press"])
        assert simulation.door.released
        await told.until(lambda: told.inputs("egress") == [False, True])
        simulation.act(["let-go"])
        await told.until(lambda: told.inputs("egress") == [False, True, False])


def cards(told):
    return [int.from_bytes(event.data, "big") for event in told.events if isinstance(event, CardRead)]


@pytest.mark.parametrize("how", ["event", "poll", "lost event"])
async def test_a_card_is_told_once_however_it_comes(simulation, door, how):
    simulation.controller.deaf_to_events = how == "lost event"
    async with door(listen=how != "poll") as told:
        simulation.act(["swipe", str(CARD)])
        await told.until(lambda: cards(told) == [CARD])
        await told.until(lambda: told.readings("card_decision")[-1].value is not None)
        simulation.act(["swipe", "4242"])
        await told.until(lambda: cards(told) == [CARD, 4242])
        assert told.readings("card_decision")[-1].value == "denied: card is not stored in the controller"


async def test_an_event_comes_at_once_and_does_not_wait_for_the_poll(simulation, door):
    async with door(poll_ms=5000) as told:
        simulation.act(["swipe", str(CARD)])
        await told.until(lambda: cards(told) == [CARD], timeout_s=1.0)


async def test_a_card_that_is_stored_in_the_controller_is_told_loudly(simulation, door, caplog):
    async with door() as told:
        simulation.act(["store-card", str(CARD)])
        simulation.act(["swipe", str(CARD)])
        await told.until(lambda: cards(told) == [CARD])
        assert simulation.door.released
    assert "let a card in by itself" in caplog.text
    assert str(CARD) not in caplog.text


async def test_two_doors_of_one_controller_share_its_line(simulation, bridge_on):
    second = simulation.device.model_copy(update={"address": 2})
    async with bridge_on({"it": simulation.line}, {"one": simulation.device, "two": second}) as told:
        await told.until(lambda: len(told.readings("door_mode")) == 2)
        await told.bridge.lock("two").release(2)
        assert [door for door, it in simulation.controller.doors.items() if it.released] == [2]
        simulation.controller.swipe(CARD, 2)
        await told.until(lambda: cards(told))
        await told.until(lambda: [reading.value for reading in told.readings("card_decision")][-1] is not None)
        assert {event.device for event in told.events if isinstance(event, CardRead)} == {"two"}


async def test_a_controller_that_says_no_has_refused(simulation, door):
    async with door() as told:
        simulation.controller.refuses = True
        with pytest.raises(DeviceRefused, match="did not open"):
            await told.bridge.lock(NAME).release(3)


async def test_what_is_shown_while_the_line_is_away_opens_nothing(simulation, door):
    async with door() as told:
        simulation.unplug()
        await told.until(lambda: told.health(NAME)[-1] == "offline")
        simulation.controller.swipe(CARD, 1)
        simulation.plug_in()
        await told.until(lambda: told.health(NAME)[-1] == "online")
        lock, heard = told.bridge.lock(NAME), simulation.controller.heard
        await asking(lock, lambda: heard[Function.SET_LISTENER] == 2)
        for _ in range(2):  # the first goes before the status that says what is past, the second behind it
            await lock.status()
        assert cards(told) == []
        simulation.act(["swipe", "4242"])
        await told.until(lambda: cards(told) == [4242])


@pytest.mark.parametrize(
    "faults",
    [Faults(mute=0.2), Faults(flip=0.002), Faults(split=0.3), Faults(late=0.1, late_s=0.35), Faults(overlap=0.2)],
    ids=lambda faults: next(name for name in ("mute", "flip", "split", "late", "overlap") if getattr(faults, name)),
)
async def test_a_bad_network_opens_no_other_door_and_releases_come_through(simulation, door, faults):
    async with door() as told:
        simulation.wire.faults = replace(faults)
        lock = told.bridge.lock(NAME)
        released = 0
        for _ in range(8):
            try:
                await lock.release(2)
            except (DeviceTimeout, DeviceRefused):
                continue
            released += 1
        assert released >= 5
        assert all(it.mode is DoorMode.CONTROLLED for it in simulation.controller.doors.values())
        assert [number for number, it in simulation.controller.doors.items() if it.released] in ([1], [])
        simulation.wire.faults = NO_FAULTS
        await lock.secure()
