"""The door of a virtual station beyond codes: leaving, fire, a frozen bolt, out of service; real agent and drivers."""

from __future__ import annotations

import pytest

from station_agent.access.door_model import RETRIES_MAX
from station_agent.wire.commands import DoorService
from tests.harness.mini_hub import MiniHub, Phone
from tests.harness.virtual_station import VirtualStationProcess

pytestmark = pytest.mark.integration
HERE = "demo-01"


async def test_who_leaves_by_the_exit_button_forces_nothing(hub: MiniHub, station: VirtualStationProcess) -> None:
    await station.post("/api/press", button="exit")
    await station.until(door_state="open")
    await hub.event("door.exited", how="button")
    await station.post("/api/door", action="close")
    await station.until(door_state="secured", bolt="secured")
    assert hub.events("alarm.raised") == []
    assert hub.events("visit.counted") == []


async def test_a_fire_releases_the_door_and_a_new_agent_holds_it_released(
    hub: MiniHub, station: VirtualStationProcess
) -> None:
    await station.post("/api/fire", active=True)
    await station.until(door_state="emergency", lock_released=True)
    await hub.event("alarm.raised", alarm="fire")
    await station.kill_agent()
    await station.until(agent_running=False)
    state = await station.until(agent_running=True, door_state="emergency")
    assert state["lock_released"], "the lock's own timer held it meanwhile"
    assert state["releases"] == 1, "its relay was not moved"
    await station.post("/api/fire", active=False)
    await station.post("/api/door", action="close")
    await station.until(door_state="secured", lock_released=False)
    await hub.event("alarm.cleared", alarm="fire")
    assert len(hub.events("alarm.raised", alarm="fire")) == 1


async def test_a_frozen_bolt_gets_its_retry_pulses_and_thaws(
    hub: MiniHub, station: VirtualStationProcess, phone: Phone
) -> None:
    await station.post("/api/jam", jammed=True)
    await station.scan(phone.code())
    await hub.event("alarm.raised", alarm="door_jammed")
    assert [event["pulse"] for event in hub.events("door.retried")] == list(range(1, RETRIES_MAX + 1))
    await station.until(door_state="jammed", lock_released=False)
    assert (await station.state())["releases"] == 1 + RETRIES_MAX
    await station.post("/api/jam", jammed=False)
    await station.scan(phone.code())
    await station.until(contact_open=True)
    await hub.event("alarm.cleared", alarm="door_jammed")
    await hub.event("visit.counted")


async def test_out_of_service_lets_nobody_in_and_everybody_out_also_after_a_restart(
    hub: MiniHub, station: VirtualStationProcess, phone: Phone
) -> None:
    command = hub.order(HERE, DoorService(in_service=False))
    await hub.send(HERE, command)
    await hub.event("door.service", in_service=False)
    await station.until(door_state="out_of_service")
    await station.kill_agent()
    await station.until(agent_running=False)
    await station.until(agent_running=True, door_state="out_of_service")
    await station.scan(phone.code())
    await hub.event("access.decided", outcome="denied", reason="door_out_of_service")
    assert (await station.state())["releases"] == 0
    await station.post("/api/press", button="exit")
    await station.until(door_state="open")
    await hub.event("door.exited", how="button")


async def test_a_bolt_that_does_not_come_out_behind_somebody_is_an_alarm_until_it_does(
    hub: MiniHub, station: VirtualStationProcess
) -> None:
    await station.post("/api/press", button="exit")
    await station.until(door_state="open")
    await station.post("/api/jam", jammed=True)  # it freezes where it is: drawn
    await station.post("/api/door", action="close")
    await hub.event("alarm.raised", alarm="door_unbolted")
    await station.until(door_state="jammed", contact_open=False, lock_released=False)
    await station.post("/api/jam", jammed=False)
    await station.post("/api/press", button="exit")
    await station.until(door_state="open")
    await station.post("/api/door", action="close")
    await hub.event("alarm.cleared", alarm="door_unbolted")
    await station.until(door_state="secured", bolt="secured")
