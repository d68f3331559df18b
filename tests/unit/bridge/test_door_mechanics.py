"""The simulated door in virtual time: what its bolt and leaf do."""

import asyncio

from firmware_bridge.simulators.door import Door, DoorTiming

TIMING = DoorTiming(bolt_s=0.25, swing_s=0.15, stays_open_s=3.0, push_s=2.0)


def test_a_visitor_opens_a_released_door_after_bolt_and_swing(run_virtual):
    async def scenario():
        door = Door(TIMING, lambda: None)
        door.relay(True)
        await asyncio.sleep(0.39)
        assert not door.is_open
        await asyncio.sleep(0.02)
        assert door.is_open
        assert door.openings == 1
        door.relay(False)
        await asyncio.sleep(1.0)
        assert door.bolt_drawn  # a bolt does not come out into the air
        await asyncio.sleep(2.5)
        assert not door.is_open
        assert not door.bolt_drawn
        door.stop()

    run_virtual(scenario())


def test_nobody_at_the_door_leaves_it_closed_and_it_locks_again(run_virtual):
    async def scenario():
        door = Door(DoorTiming(visitor=False), lambda: None)
        door.relay(True)
        await asyncio.sleep(1)
        assert (door.bolt_drawn, door.is_open) == (True, False)
        door.relay(False)
        await asyncio.sleep(1)
        assert not door.bolt_drawn
        door.push()
        await asyncio.sleep(1)
        assert not door.is_open
        door.stop()

    run_virtual(scenario())


def test_a_push_just_before_the_release_still_opens(run_virtual):
    async def scenario():
        door = Door(DoorTiming(visitor=False), lambda: None)
        door.push()
        await asyncio.sleep(1.5)
        door.relay(True)
        await asyncio.sleep(0.5)
        assert door.is_open
        door.stop()

    run_virtual(scenario())


def test_a_jammed_bolt_keeps_a_released_door_shut(run_virtual):
    async def scenario():
        door = Door(TIMING, lambda: None)
        door.jammed = True
        door.relay(True)
        await asyncio.sleep(5)
        assert (door.bolt_drawn, door.is_open) == (False, False)
        door.stop()

    run_virtual(scenario())


def test_a_forced_door_opens_with_the_bolt_out_and_is_told_once(run_virtual):
    async def scenario():
        changes = []
        door = Door(TIMING, lambda: changes.append(door.is_open))
        door.force()
        door.force()
        assert (door.is_open, door.bolt_drawn, changes) == (True, False, [True])
        door.stop()

    run_virtual(scenario())


def test_a_door_that_is_held_stays_open_until_somebody_closes_it(run_virtual):
    async def scenario():
        door = Door(TIMING, lambda: None)
        door.held = True
        door.relay(True)
        await asyncio.sleep(60)
        assert door.is_open
        door.close()
        assert not door.is_open
        door.stop()

    run_virtual(scenario())
