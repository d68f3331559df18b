"""The door board's real firmware, as the ELF that is programmed, on a simulated ATmega1284P (simavr): our driver is
its host, and mbpoll is a second one that we did not write.

The board's flash and EEPROM are files: a board that dies is started again with what was written until then.
"""

import asyncio

import pytest

from firmware_bridge.capabilities import DeviceRefused, Priority
from firmware_bridge.codecs import modbus_pdu as pdu
from firmware_bridge.codecs import modbus_rtu
from firmware_bridge.drivers.door_board_map import learn
from firmware_bridge.simulators.door_board_points import ENTRIES
from tests.contract.bridge.door_board.boards import (
    BAUD,
)

pytestmark = pytest.mark.contract


async def test_the_lock_is_released_for_its_time_and_secured_by_the_board(board, old, driven):
    async with board.powered(old) as peer, driven() as (door, _):
        assert await peer.say("get") == "lock=0 beacon=0"
        await door.release(1.0)
        assert await peer.say("get") == "lock=1 beacon=0"
        assert (await door.status()).released is True
        answer = await peer.say("wait lock 0 3000")
        assert answer.startswith("lock=0 after")
        assert (await door.status()).released is False


async def test_the_board_counts_its_own_time(board, old, driven):
    async with board.powered(old) as peer, driven() as (door, _):
        await door.release(10.0)
        await peer.say("skip 8000")
        assert (await peer.say("get")).startswith("lock=1")
        await peer.say("skip 2200")
        assert (await peer.say("get")).startswith("lock=0")


async def test_secure_ends_a_release(board, old, driven):
    async with board.powered(old) as peer, driven() as (door, _):
        await door.release(60)
        await door.secure()
        assert (await peer.say("wait lock 0 200")).startswith("lock=0 after")


async def test_inputs_are_told_as_they_change(board, old, driven):
    async with board.powered(old) as peer, driven() as (door, told):
        assert {name: told.inputs(name) for name in ("contact", "egress", "fire", "tamper")} == {
            "contact": [False],
            "egress": [False],
            "fire": [False],
            "tamper": [False],
        }
        for name in ("contact", "tamper"):
            await peer.say(f"set {name} 1")
            await told.until(lambda name=name: told.inputs(name) == [False, True])
        assert (await door.status()).contact_open is True
        await peer.say("set contact 0")
        await told.until(lambda: told.inputs("contact") == [False, True, False])


async def test_the_egress_button_releases_without_anybody_on_the_line(board, old):
    async with board.powered(old) as peer:
        await peer.say("set egress 1")
        assert (await peer.say("wait lock 1 100")).startswith("lock=1")
        await peer.say("set egress 0")
        await peer.say("skip 3500")
        assert (await peer.say("get")).startswith("lock=1")
        await peer.say("skip 1700")
        assert (await peer.say("get")).startswith("lock=0")


async def test_a_bounce_of_the_button_is_no_press(board, old):
    async with board.powered(old) as peer:
        for _ in range(5):
            await peer.say("pulse egress 15")
            await peer.say("skip 10")
        assert await peer.say("changes") == "0"


async def test_fire_releases_and_no_command_secures_while_it_lasts(board, old, driven):
    async with board.powered(old) as peer, driven() as (door, told):
        await peer.say("set fire 1")
        assert (await peer.say("wait lock 1 100")).startswith("lock=1")
        await told.until(lambda: told.inputs("fire") == [False, True])
        with pytest.raises(DeviceRefused, match="fire input"):
            await door.secure()
        await peer.say("skip 20000")
        assert (await peer.say("get")).startswith("lock=1")
        await peer.say("set fire 0")
        assert (await peer.say("wait lock 0 100")).startswith("lock=0")


async def test_identify_blinks_and_moves_no_lock(board, old, driven):
    async with board.powered(old) as peer, driven() as (door, _):
        assert "blinks for 2 s" in await door.identify(2)
        for lit in (1, 0, 1):
            assert (await peer.say(f"wait beacon {lit} 500")).startswith(f"beacon={lit}")
        assert await peer.say("changes") == "0"


# Watchdogs, resets, safe states.


async def test_without_heartbeat_a_fail_secure_board_secures_and_a_host_that_returns_moves_nothing(board, old, driven):
    async with board.powered(old) as peer:
        async with driven(heartbeat_s=2) as (door, _):
            await door.release(600)
            await peer.say("skip 500")
            assert (await peer.say("get")).startswith("lock=1")
        await peer.say("skip 2200")
        assert (await peer.say("get")).startswith("lock=0")
        before = await peer.say("changes")
        async with driven(heartbeat_s=2) as (door, told):
            await told.until(lambda: told.readings("host_losses"))
            assert told.readings("host_losses")[-1].value >= 1
            assert (await door.status()).released is False
        assert await peer.say("changes") == before


async def test_a_heartbeat_keeps_a_release_alive(board, old, driven):
    async with board.powered(old) as peer, driven(heartbeat_s=2) as (door, told):
        await door.release(600)
        assert await peer.say("wait lock 0 2600") == "lock=1 still"
        assert told.health("door") == ["online"]


async def test_a_fail_safe_board_releases_until_it_is_told_otherwise(board, old, driven):
    async with board.powered(old) as peer:
        async with driven(heartbeat_s=3, safe_state="released"):
            assert (await peer.say("get")).startswith("lock=0")
        await peer.say("skip 3200")
        assert (await peer.say("get")).startswith("lock=1")
        async with driven(heartbeat_s=3, safe_state="released") as (door, _):
            await peer.say("skip 100")
            assert (await door.status()).released is True
            await door.secure()
            assert (await peer.say("wait lock 0 100")).startswith("lock=0")


async def test_settings_stay_over_a_power_cut(board, old, driven):
    async with board.powered(old) as peer:
        async with driven(heartbeat_s=3, safe_state="released"):
            pass
        await peer.say("power-cycle")
        await peer.say("skip 1500")
        assert (await peer.say("get")).startswith("lock=0")  # power alone releases nothing
        await peer.say("skip 1800")
        assert (await peer.say("get")).startswith("lock=1")  # a host that never comes does


@pytest.mark.parametrize("how", ["reset", "hang"])
async def test_a_reset_moves_no_lock(board, old, driven, how):
    async with board.powered(old) as peer, driven() as (door, _):
        await door.release(3)
        before = await peer.say("changes")
        await peer.say(how)
        await peer.say("skip 1000")
        assert (await peer.say("get")).startswith("lock=1")
        assert await peer.say("changes") == before
        await peer.say("skip 2600")
        assert (await peer.say("get")).startswith("lock=0")
        before = await peer.say("changes")
        await peer.say(how)
        await peer.say("skip 1000")
        assert await peer.say("changes") == before
        readings = {reading.point: reading.value for reading in await door.read()}
        assert readings["resets"] == 2
        assert readings["reset_cause"] == {"reset": 2, "hang": 8}[how]


async def test_power_that_comes_back_releases_nothing(board, old, driven):
    async with board.powered(old) as peer, driven() as (door, _):
        await door.release(600)
        await peer.say("power-cycle")
        await peer.say("skip 1000")
        assert (await peer.say("get")).startswith("lock=0")


async def test_power_that_comes_back_while_it_burns_releases(board, old):
    async with board.powered(old) as peer:
        await peer.say("set fire 1")
        await peer.say("power-cycle")
        await peer.say("skip 60")
        assert (await peer.say("get")).startswith("lock=1")


async def test_a_board_that_goes_and_returns_is_told_once_each(board, old, driven):
    async with board.powered(old) as peer, driven() as (_, told):
        await peer.say("speed 1")
        await told.until(lambda: told.health("door") == ["online"])
        # The pty goes with the simulator: offline, once.
        process = peer._process
        process.kill()
        await told.until(lambda: told.health("door") == ["online", "offline"])
        async with board.powered(old):
            await told.until(lambda: told.health("door") == ["online", "offline", "online"])


# The dictionary, and a master that we did not write.


async def test_the_dictionary_of_the_elf_is_the_one_of_the_simulator(board, old, driven):
    async with board.powered(old), driven() as (door, _):
        published = await learn(door._unit, priority=Priority.TELEMETRY)
        assert tuple(published.entries.values()) == ENTRIES


async def test_points_of_the_dictionary_are_readings(board, old, driven):
    async with board.powered(old) as peer, driven() as (door, _):
        await peer.say("skip 3000")
        readings = {reading.point: reading for reading in await door.read()}
        assert readings["supply"].unit == "V"
        assert readings["supply"].value == pytest.approx(5.0, abs=0.05)
        assert readings["uptime"].value >= 3
        assert readings["host_lost"].value is False
        assert readings["in_use"].value is False


async def test_mbpoll_is_served_as_well(board, old, needs_program):
    mbpoll = needs_program("mbpoll", package="mbpoll")

    async def poll(*arguments, fails=False):
        done = await asyncio.create_subprocess_exec(
            mbpoll, "-m", "rtu", "-a", "1", "-b", str(BAUD), "-P", "none", "-1", "-q", *arguments,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, error = await asyncio.wait_for(done.communicate(), 20)
        assert (done.returncode != 0) == fails, error.decode()
        return (error if fails else out).decode()

    line = str(board.link)
    async with board.powered(old) as peer:
        assert "0x5944" in await poll("-t", "3:hex", "-r", str(0x1001), "-c", "4", line)
        await poll("-t", "0", "-r", "1", line, "1")
        assert (await peer.say("get")).startswith("lock=1")
        assert "[1]: \t1" in await poll("-t", "0", "-r", "1", line)
        await poll("-t", "0", "-r", "1", line, "0")
        assert (await peer.say("wait lock 0 200")).startswith("lock=0")
        await poll("-t", "4", "-r", "2", line, "300", "1")  # FC16: heartbeat_max and safe_state at once
        assert "[3]: \t1" in await poll("-t", "4", "-r", "2", "-c", "2", line)
        assert "Illegal data value" in await poll("-t", "4", "-r", "2", line, "7000", "1", fails=True)
        assert "[2]: \t300" in await poll("-t", "4", "-r", "2", "-c", "2", line)
        assert "Illegal data address" in await poll("-t", "3", "-r", "200", line, fails=True)
        await peer.say("set fire 1")
        await peer.say("skip 100")
        assert "busy" in await poll("-t", "0", "-r", "1", line, "0", fails=True)


async def test_a_frame_that_stutters_is_served_and_noise_before_it_harms_nothing(board, old):
    request = modbus_rtu.encode_request(1, pdu.WriteOne(pdu.Function.WRITE_COIL, 0, pdu.COIL_ON)).hex()
    noise = "01100002030000"  # what could begin a frame, and another unit's
    async with board.powered(old) as peer:
        # T3.5 is 1.75 ms at this baud: neither of these silences ends a frame.
        await peer.say(f"hear {noise} 8 {request[:8]} 8 {request[8:]} 30")
        assert (await peer.say("get")).startswith("lock=1")


async def test_a_frame_that_stops_is_forgotten(board, old):
    request = modbus_rtu.encode_request(1, pdu.WriteOne(pdu.Function.WRITE_COIL, 0, pdu.COIL_ON)).hex()
    async with board.powered(old) as peer:
        await peer.say(f"hear {request[:8]} 20 {request[8:]} 30")
        assert (await peer.say("get")).startswith("lock=0")
        await peer.say(f"hear {request} 30")
        assert (await peer.say("get")).startswith("lock=1")
