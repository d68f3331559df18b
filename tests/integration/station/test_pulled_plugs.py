"""The agent is killed in the middle of visits: nothing that was committed is lost, and no door moves by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.harness.mini_hub import MiniHub, Phone
from tests.harness.virtual_station import VirtualStationProcess

pytestmark = [pytest.mark.integration, pytest.mark.faults]


async def test_killed_at_every_step_of_a_visit_no_door_moves_and_no_event_is_lost(
    hub: MiniHub, station: VirtualStationProcess, phone: Phone
) -> None:
    """Killed while released, while open and while closed; between, a used code stays used."""
    for moment in ({"lock_released": True}, {"door_state": "open"}, {"door_open": False}):
        text = phone.code()
        before = (await station.state())["releases"]
        await station.scan(text)
        await station.until(releases=before + 1, **moment)
        await station.kill_agent()
        await station.until(agent_running=False)
        await station.until(agent_running=True)
        await station.ready()
        await station.scan(text)
        await hub.event("access.decided", reason="code_replayed")
        await station.until(door_open=False, lock_released=False, door_state="secured")
        assert (await station.state())["releases"] == before + 1
    granted = hub.events("access.decided", outcome="granted")
    assert len(granted) == len({event["attempt"] for event in granted}) == 3
    visits = [event["attempt"] for event in hub.events("visit.counted")]
    assert len(visits) == len(set(visits))
    assert set(visits) <= {event["attempt"] for event in granted}
    starts = hub.events("agent.started")
    assert len(starts) == 4


async def test_a_visit_whose_agent_died_between_grant_and_opening_is_counted(
    hub: MiniHub, station: VirtualStationProcess, phone: Phone
) -> None:
    """The person pushes only after the new agent is there: the grant is remembered, and it is no break-in."""
    await station.post("/api/jam", jammed=True)  # the bolt is slow in the cold
    await station.scan(phone.code())
    await station.until(lock_released=True)
    await hub.event("access.decided", outcome="granted")
    await station.kill_agent()
    await station.until(agent_running=False)
    await station.until(agent_running=True, door_state="released")
    await station.post("/api/door", action="force")  # the bolt gives way at last
    visit = await hub.event("visit.counted")
    assert visit["member"] == phone.member
    assert hub.events("alarm.raised", alarm="door_forced") == []


@asynccontextmanager
async def kept_open(station: VirtualStationProcess) -> AsyncIterator[None]:
    """Broken open, and pushed open again before it has fallen shut, for as long as an agent needs to start."""

    async def push() -> None:
        while True:
            await station.post("/api/door", action="force")
            await asyncio.sleep(1)

    pushing = asyncio.create_task(push())
    try:
        yield
    finally:
        pushing.cancel()
        await asyncio.gather(pushing, return_exceptions=True)


async def test_a_door_that_is_forced_while_no_agent_runs_is_found_open_and_nothing_is_released(
    hub: MiniHub, station: VirtualStationProcess, phone: Phone
) -> None:
    await station.kill_agent()
    async with kept_open(station):
        await station.until(agent_running=True, door_state="open")
    await hub.until(lambda: len(hub.events("agent.started")) == 2, "the second start")
    await station.until(door_state="secured")
    assert (await station.state())["releases"] == 0


async def test_a_broker_that_is_killed_again_and_again_costs_no_event(
    hub: MiniHub, station: VirtualStationProcess, phone: Phone
) -> None:
    for visit in range(4):
        await station.scan(phone.code())
        await station.until(door_state="open", releases=visit + 1)
        await hub.stop_broker(kill=True)
        await station.post("/api/door", action="close")
        await station.until(door_state="secured", bolt="secured")
        await hub.start_broker()
    await hub.until(lambda: len(hub.events("visit.counted")) == 4, "four visits", 40)
    seqs = [row.seq for _, row in hub.rows if row.kind != "readings"]
    assert seqs == sorted(set(seqs))


async def test_an_alarm_told_before_the_kill_is_cleared_after_it(hub: MiniHub, station: VirtualStationProcess) -> None:
    await station.post("/api/door", action="force")
    await hub.event("alarm.raised", alarm="door_forced")
    await station.kill_agent()
    await station.post("/api/door", action="close")
    await hub.event("alarm.cleared", alarm="door_forced")
    assert len(hub.events("alarm.raised", alarm="door_forced")) == 1
