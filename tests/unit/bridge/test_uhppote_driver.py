"""A UHPPOTE door in virtual time: how long a pulse is, what "secure" leaves behind, events that come late or twice."""

import asyncio
import logging
from ipaddress import IPv4Address

import pytest

from firmware_bridge.capabilities import (
    CardRead,
    DeviceRefused,
    DeviceTimeout,
    HealthChanged,
    InputChanged,
    LockStatus,
    Reading,
)
from firmware_bridge.codecs import uhppote as codec
from firmware_bridge.codecs import uhppote_messages as messages
from firmware_bridge.codecs.uhppote_messages import DoorMode, Event, Function, Status
from firmware_bridge.config import DeviceConfig, LineConfig
from firmware_bridge.drivers.uhppote import CATCH_UP_MAX, UhppoteDoor, UhppoteOptions, check_door

SERIAL = 423187757
DOOR = 2
UNKNOWN_CARD = 0x12


class Board:
    """A controller on the memory port. `told` is what it was asked besides its status."""

    def __init__(self, port):
        self._port = port
        self.mode = DoorMode.CONTROLLED
        self.delay_s = 5
        self.released = False
        self.open = False
        self.pressed = False
        self.events = []
        self.told = []
        self.silent = False
        self.keeps = None
        self.opens = True
        port.on_write = self._hear

    def event(self, **changes):
        index = self.events[-1].index + 1 if self.events else 1
        made = {"index": index, "kind": 1, "granted": False, "door": DOOR, "direction": 1, "card": 6154410}
        self.events.append(Event(**(made | {"at": None, "reason": UNKNOWN_CARD} | changes)))

    def send_event(self):
        self._port.hear(self._frame(Function.STATUS, self.status()), asyncio.get_running_loop().time())

    def status(self):
        event = self.events[-1] if self.events else None
        doors = (False, self.open, False, False)
        buttons = (False, self.pressed, False, False)
        return Status(event, doors, buttons, 0, None, 0, 0, self.released << DOOR - 1, 0)

    def _frame(self, function, reply):
        return codec.encode_reply(SERIAL, function, reply)

    def _hear(self, data):
        serial, request = codec.decode_request(data)
        assert serial == SERIAL
        if not isinstance(request, messages.GetStatus):
            self.told.append(request)
        if self.silent:
            return
        match request:
            case messages.GetStatus():
                reply = self.status()
            case messages.GetDoor(door):
                reply = messages.Door(door, self.mode, self.delay_s)
            case messages.SetDoor(door, mode, delay_s):
                self.mode, self.delay_s = mode, self.keeps or delay_s
                reply = messages.Door(door, self.mode, self.delay_s)
            case messages.OpenDoor(door):
                self.released = self.opens
                reply = messages.Done(self.opens)
            case messages.GetEvent(index):
                reply = next(event for event in self.events if event.index == index)
            case _:
                reply = messages.Done(True)
        self._port.answer(self._frame(codec.function_of(request), reply), 0.005)

    def modes(self):
        return [request.mode for request in self.told if isinstance(request, messages.SetDoor)]


@pytest.fixture
def board(port):
    port.local_address = ("192.168.1.20", 40123)
    return Board(port)


@pytest.fixture
def make_door(make_context):
    def make(**options):
        events = []
        wiring = UhppoteOptions(controller=SERIAL, **options)
        return UhppoteDoor(make_context(wiring, name="door", address=DOOR, emit=events.append)), events

    return make


@pytest.fixture
def run_door(run_virtual, port, make_door):
    """`run_door(scenario, **options)`: the scenario with a door whose `run` runs, and what it told."""

    def run(scenario, **options):
        async def running():
            door, events = make_door(**options)
            port.open()
            task = asyncio.create_task(door.run())
            await asyncio.sleep(0.5)
            await scenario(door, events)
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()

        run_virtual(running())

    return run


def of(events, kind):
    return [event for event in events if isinstance(event, kind)]


def contact(events):
    return [event.active for event in of(events, InputChanged) if event.input == "contact"]


def test_a_release_sets_the_pulse_first_and_only_when_it_differs(run_virtual, port, board, make_door):
    async def scenario():
        door, _ = make_door()
        port.open()
        await door.release(5.9)
        await door.release(7.0)
        await door.release(0.2)
        await door.release(1e9)
        assert [request for request in board.told if not isinstance(request, messages.GetDoor)] == [
            messages.OpenDoor(DOOR),
            messages.SetDoor(DOOR, DoorMode.CONTROLLED, 7),
            messages.OpenDoor(DOOR),
            messages.SetDoor(DOOR, DoorMode.CONTROLLED, 1),
            messages.OpenDoor(DOOR),
            messages.SetDoor(DOOR, DoorMode.CONTROLLED, 255),
            messages.OpenDoor(DOOR),
        ]
        assert await door.status() == LockStatus(released=True, contact_open=False)

    run_virtual(scenario())


def test_a_door_held_normally_open_is_controlled_again_by_a_release(run_virtual, port, board, make_door):
    async def scenario():
        board.mode = DoorMode.NORMALLY_OPEN
        door, _ = make_door()
        port.open()
        await door.release(5)
        assert board.modes() == [DoorMode.CONTROLLED]

    run_virtual(scenario())


def test_a_release_of_nothing_is_a_mistake_of_the_caller(make_door, run_virtual, board):
    async def scenario():
        door, _ = make_door()
        with pytest.raises(ValueError, match="none"):
            await door.release(0)

    run_virtual(scenario())


def test_a_controller_that_does_not_open_or_keeps_another_pulse_has_refused(run_virtual, port, board, make_door):
    async def scenario():
        door, _ = make_door()
        port.open()
        board.opens = False
        with pytest.raises(DeviceRefused, match="did not open"):
            await door.release(5)
        board.keeps = 9
        with pytest.raises(DeviceRefused, match="was told"):
            await door.release(6)

    run_virtual(scenario())


def test_secure_ends_the_pulse_and_gives_the_button_back_when_it_would_be_over(run_virtual, port, board, make_door):
    async def scenario():
        door, _ = make_door()
        port.open()
        await door.release(5)
        await asyncio.sleep(2)
        await door.secure()
        assert board.mode is DoorMode.NORMALLY_CLOSED
        await asyncio.sleep(2.8)
        assert board.mode is DoorMode.NORMALLY_CLOSED
        await asyncio.sleep(0.3)
        assert board.mode is DoorMode.CONTROLLED
        assert board.delay_s == 5

    run_virtual(scenario())


def test_secure_without_a_pulse_leaves_the_button_alive(run_virtual, port, board, make_door):
    async def scenario():
        door, _ = make_door()
        port.open()
        await door.secure()
        assert board.modes() == [DoorMode.NORMALLY_CLOSED, DoorMode.CONTROLLED]

    run_virtual(scenario())


def test_a_release_soon_after_secure_is_not_undone_by_it(run_virtual, port, board, make_door):
    async def scenario():
        door, _ = make_door()
        port.open()
        await door.release(3)
        await door.secure()
        await door.release(4)
        before = list(board.told)
        await asyncio.sleep(10)
        assert board.told == before
        assert (board.mode, board.delay_s) == (DoorMode.CONTROLLED, 4)

    run_virtual(scenario())


def test_a_station_that_stops_while_secure_gives_the_button_back(run_door, board):
    async def scenario(door, events):
        await door.release(60)
        await door.secure()
        assert board.mode is DoorMode.NORMALLY_CLOSED

    run_door(scenario)
    assert board.mode is DoorMode.CONTROLLED


def test_a_door_that_was_left_normally_closed_is_mended_and_told(run_door, board, caplog):
    board.mode = DoorMode.NORMALLY_CLOSED

    async def scenario(door, events):
        assert board.mode is DoorMode.CONTROLLED

    run_door(scenario)
    assert "left normally closed" in caplog.text


def test_a_door_that_somebody_holds_open_stays_open_and_is_told(run_door, board):
    board.mode = DoorMode.NORMALLY_OPEN

    async def scenario(door, events):
        assert board.modes() == []
        (mode,) = [event for event in of(events, Reading) if event.point == "door_mode"]
        assert mode.value == "normally_open"

    run_door(scenario)


def test_the_start_asks_for_special_events_and_says_where_they_go(run_door, board):
    async def scenario(door, events):
        assert messages.RecordSpecialEvents(True) in board.told
        assert messages.SetListener(IPv4Address("192.168.1.20"), 40123, 0) in board.told

    run_door(scenario)


def test_another_place_for_events_is_left_alone(run_door, board):
    async def scenario(door, events):
        assert not [request for request in board.told if isinstance(request, messages.SetListener)]

    run_door(scenario, listen=False)


def test_a_card_is_told_once_by_event_and_poll_together(run_door, board, caplog):
    async def scenario(door, events):
        board.event()
        board.send_event()
        await asyncio.sleep(2)
        (card,) = of(events, CardRead)
        assert (card.reader, card.bits, int.from_bytes(card.data, "big")) == (1, 32, 6154410)
        decisions = [event.value for event in of(events, Reading) if event.point == "card_decision"]
        assert decisions[-1] == "denied: card is not stored in the controller"

    with caplog.at_level(logging.DEBUG):
        run_door(scenario)
    assert "6154410" not in caplog.text


def test_cards_that_came_between_two_polls_are_fetched_in_order(run_door, board):
    async def scenario(door, events):
        for card in (11, 22, 33):
            board.event(card=card)
        board.event(door=1, card=44)
        await asyncio.sleep(1)
        assert [int.from_bytes(card.data, "big") for card in of(events, CardRead)] == [11, 22, 33]

    run_door(scenario)


def test_an_event_after_a_gap_waits_for_the_ones_before_it(run_door, board):
    async def scenario(door, events):
        board.event(card=11)
        board.event(card=22)
        board.send_event()
        assert of(events, CardRead) == []
        await asyncio.sleep(1)
        assert [int.from_bytes(card.data, "big") for card in of(events, CardRead)] == [11, 22]

    run_door(scenario)


def test_a_flood_of_events_is_fetched_to_its_bound(run_door, board):
    async def scenario(door, events):
        for card in range(1, 101):
            board.event(card=card)
        await asyncio.sleep(2)
        assert len(of(events, CardRead)) == CATCH_UP_MAX + 1

    run_door(scenario)


def test_cards_of_the_past_open_nothing(run_door, board):
    board.event(card=11)

    async def scenario(door, events):
        assert of(events, CardRead) == []
        board.silent = True
        await asyncio.sleep(5)
        board.event(card=22)
        board.silent = False
        await asyncio.sleep(5)
        assert of(events, CardRead) == []
        board.event(card=33)
        await asyncio.sleep(1)
        assert [int.from_bytes(card.data, "big") for card in of(events, CardRead)] == [33]

    run_door(scenario)


def test_a_list_that_was_cleared_begins_anew(run_door, board):
    for card in range(10, 15):
        board.event(card=card)

    async def scenario(door, events):
        board.events.clear()
        board.event(card=77)
        await asyncio.sleep(1)
        board.event(card=78)
        await asyncio.sleep(1)
        assert [int.from_bytes(card.data, "big") for card in of(events, CardRead)] == [78]

    run_door(scenario)


def test_a_card_that_the_controller_let_in_by_itself_is_told_loudly(run_door, board, caplog):
    async def scenario(door, events):
        board.event(kind=2, granted=True, reason=1)
        await asyncio.sleep(1)
        assert len(of(events, CardRead)) == 1

    run_door(scenario)
    assert "let a card in by itself" in caplog.text


def test_a_door_that_opens_and_closes_between_two_polls_is_seen(run_door, board):
    async def scenario(door, events):
        board.event(kind=2, granted=True, card=8, reason=0x17)
        board.event(kind=2, granted=True, card=9, reason=0x18)
        board.event(kind=2, granted=True, card=1, reason=0x14)
        await asyncio.sleep(1)
        assert contact(events) == [False, True, False]
        assert [event.active for event in of(events, InputChanged) if event.input == "egress"] == [False, True, False]
        assert of(events, CardRead) == []

    run_door(scenario)


def test_a_door_without_contact_and_button_tells_none(run_door, board):
    async def scenario(door, events):
        board.event(kind=2, granted=True, card=8, reason=0x17)
        await asyncio.sleep(1)
        assert of(events, InputChanged) == []
        assert await door.status() == LockStatus(released=False, contact_open=None)

    run_door(scenario, contact=False, button=None)


def test_a_controller_that_never_answers_is_never_held_for_online(run_door, board):
    board.silent = True

    async def scenario(door, events):
        await asyncio.sleep(30)
        assert [event.health.value for event in of(events, HealthChanged)] == ["offline"]

    run_door(scenario)


def test_silence_is_no_state(run_virtual, port, board, make_door):
    async def scenario():
        door, _ = make_door()
        port.open()
        board.silent = True
        assert await door.status() == LockStatus(released=None, contact_open=None)
        assert {reading.value for reading in await door.read()} == {None}
        with pytest.raises(DeviceTimeout):
            await door.release(5)

    run_virtual(scenario())


@pytest.mark.parametrize(
    ("address", "options", "message"),
    [
        (5, {}, "address: 5, a controller has doors 1..4"),
        (0, {}, "address: 0, a controller has doors 1..4"),
        (1, {"button": "contact"}, "options.button: contact is the name of the door contact"),
    ],
)
def test_a_door_that_there_is_not_is_told(address, options, message):
    assert check_door(address, UhppoteOptions(controller=1, **options), None) == [message]


def test_a_profile_row_as_the_docs_have_it_is_right():
    LineConfig(url="udp://192.168.1.100:60000")
    device = DeviceConfig(driver="uhppote_door", line="doors", address=1, options={"controller": 405419896})
    assert check_door(device.address, UhppoteOptions.model_validate(device.options), None) == []
