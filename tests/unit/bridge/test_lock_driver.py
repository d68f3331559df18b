"""The Modbus lock in virtual time: boards with a timer and without, boards that lie, and stopping."""

import asyncio
from pathlib import Path

import pytest

from firmware_bridge.capabilities import DeviceRefused, DeviceTimeout, InputChanged, LockStatus
from firmware_bridge.codecs import modbus_rtu as modbus
from firmware_bridge.codecs.modbus_rtu import Function
from firmware_bridge.drivers.modbus import SECURE_ATTEMPTS_MAX, LockOptions, ModbusLock
from firmware_bridge.profiles import load

PROFILES = Path(__file__).parents[3] / "config" / "devices"
UNIT = 1


class Board:
    """Answers on the memory port; `writes` is what it was told."""

    def __init__(self, port):
        self._port = port
        self.inputs = [False, False]
        self.coil = False
        self.writes = []
        self.silent = False
        self.lie = None
        self.refuse_reads = False
        port.on_write = self._hear

    def _hear(self, frame):
        ((_, request),) = modbus.RequestParser().feed(frame)
        match request:
            case modbus.WriteOne(_, address, value):
                self.writes.append((address, value))
                self.coil = value != modbus.COIL_OFF if address < 8 else True
                reply = self.lie or request
            case modbus.Read(function) if self.refuse_reads:
                reply = modbus.Refused(function, 2)
            case modbus.Read(Function.READ_COILS as function):
                reply = modbus.Bits(function, (self.coil,))
            case modbus.Read(function):
                reply = modbus.Bits(function, tuple(self.inputs))
        if not self.silent:
            self._port.answer(modbus.encode_reply(UNIT, reply), 0.02)


@pytest.fixture
def board(port):
    return Board(port)


@pytest.fixture
def make_lock(make_context):
    """A lock on the memory port, by the name of its device profile; with the events that it emits."""

    def make(profile, **options):
        events = []
        wiring = LockOptions(**({"contact": 0, "buttons": {"face": 1}} | options))
        context = make_context(wiring, name="lock", address=UNIT, profile=load(PROFILES, profile), emit=events.append)
        return ModbusLock(context), events

    return make


def test_a_board_with_a_timer_is_told_how_long_in_its_own_unit(run_virtual, bus, port, board, make_lock):
    async def scenario():
        lock, _ = make_lock("waveshare_relay_d")
        port.open()
        await lock.release(5.0)
        await lock.release(0.26)
        await lock.release(0.01)
        await lock.release(1e9)
        assert board.writes == [(0x0200, 50), (0x0200, 2), (0x0200, 1), (0x0200, 0x7FFF)]
        await lock.secure()
        assert board.writes[-1] == (0, modbus.COIL_OFF)

    run_virtual(scenario())


def test_a_board_without_a_timer_is_secured_by_the_driver(run_virtual, bus, port, board, make_lock):
    async def scenario():
        lock, _ = make_lock("generic_relay")
        port.open()
        await lock.release(3.0)
        await asyncio.sleep(2.9)
        assert board.writes == [(0, modbus.COIL_ON)]
        await asyncio.sleep(0.2)
        assert board.writes == [(0, modbus.COIL_ON), (0, modbus.COIL_OFF)]

    run_virtual(scenario())


def test_a_second_release_starts_the_hold_anew(run_virtual, bus, port, board, make_lock):
    async def scenario():
        lock, _ = make_lock("generic_relay")
        port.open()
        await lock.release(3.0)
        await asyncio.sleep(2.0)
        await lock.release(3.0)
        await asyncio.sleep(2.9)
        assert board.coil
        await asyncio.sleep(0.2)
        assert not board.coil

    run_virtual(scenario())


def test_securing_by_the_driver_is_tried_until_it_is_acknowledged(run_virtual, bus, port, board, make_lock):
    async def scenario():
        lock, _ = make_lock("generic_relay")
        port.open()
        await lock.release(1.0)
        board.silent = True
        await asyncio.sleep(3.0)
        board.silent = False
        board.coil = True
        await asyncio.sleep(3.0)
        assert not board.coil

    run_virtual(scenario())


def test_securing_by_the_driver_is_given_up_at_its_bound(run_virtual, bus, port, board, make_lock, caplog):
    async def scenario():
        lock, _ = make_lock("generic_relay")
        port.open()
        await lock.release(1.0)
        board.silent = True
        await asyncio.sleep(60.0)
        attempts = len(board.writes)
        await asyncio.sleep(600.0)
        assert len(board.writes) == attempts <= 1 + SECURE_ATTEMPTS_MAX * 3

    run_virtual(scenario())
    assert "did not acknowledge that it is secured" in caplog.text


@pytest.mark.parametrize("profile", ["generic_relay", "waveshare_relay_d"])
def test_stopping_in_the_middle_of_a_release_leaves_no_lock_open(run_virtual, bus, port, board, make_lock, profile):
    async def scenario():
        lock, _ = make_lock(profile)
        services = [asyncio.create_task(bus.run()), asyncio.create_task(lock.run())]
        await asyncio.sleep(0.1)
        await lock.release(5.0)
        for service in services:
            service.cancel()
        await asyncio.gather(*services, return_exceptions=True)
        timer_of_the_board = board.writes[0] == (0x0200, 50)
        assert timer_of_the_board or not board.coil

    run_virtual(scenario())


def test_an_echo_of_something_else_is_no_acknowledgement(run_virtual, bus, port, board, make_lock):
    async def scenario():
        lock, _ = make_lock("waveshare_relay_d")
        port.open()
        board.lie = modbus.WriteOne(Function.WRITE_COIL, 3, modbus.COIL_ON)
        with pytest.raises(DeviceTimeout, match=r"lock: bad frame: echo .* is not what was written"):
            await lock.release(1.0)
        assert bus.stats("lock").bad_frames == 3

    run_virtual(scenario())


def test_a_refused_poll_is_logged_once_and_the_lock_still_works(run_virtual, bus, port, board, make_lock, caplog):
    async def scenario():
        lock, events = make_lock("waveshare_relay_d")
        services = [asyncio.create_task(bus.run()), asyncio.create_task(lock.run())]
        board.refuse_reads = True
        await asyncio.sleep(2.0)
        await lock.release(1.0)
        assert await lock.status() == LockStatus(released=None, contact_open=None)
        board.refuse_reads = False
        await asyncio.sleep(0.5)
        assert [event.input for event in events if isinstance(event, InputChanged)] == ["face", "contact"]
        for service in services:
            service.cancel()
        await asyncio.gather(*services, return_exceptions=True)

    run_virtual(scenario())
    assert caplog.text.count("illegal address") == 1


def test_a_lock_without_inputs_is_not_polled_and_knows_nothing_of_its_door(run_virtual, bus, port, board, make_lock):
    async def scenario():
        lock, _ = make_lock("waveshare_relay_d", contact=None, buttons={})
        services = [asyncio.create_task(bus.run()), asyncio.create_task(lock.run())]
        await asyncio.sleep(5.0)
        assert port.frames == []
        assert await lock.status() == LockStatus(released=False, contact_open=None)
        for service in services:
            service.cancel()
        await asyncio.gather(*services, return_exceptions=True)

    run_virtual(scenario())


def test_a_release_of_no_time_is_refused_before_anything_is_sent(run_virtual, bus, port, board, make_lock):
    async def scenario():
        lock, _ = make_lock("waveshare_relay_d")
        port.open()
        for hold_s in (0.0, -1.0, float("nan")):
            with pytest.raises(ValueError, match="is none"):
                await lock.release(hold_s)
        assert port.frames == []

    run_virtual(scenario())


def test_a_refused_release_is_not_tried_again(run_virtual, bus, port, board, make_lock):
    async def scenario():
        lock, _ = make_lock("waveshare_relay_d")
        port.open()
        board.lie = modbus.Refused(Function.WRITE_COIL, 4)
        with pytest.raises(DeviceRefused, match="device failure"):
            await lock.release(1.0)
        assert len(board.writes) == 1

    run_virtual(scenario())
