"""Codes at the door of a virtual station: real agent, real drivers on ptys, real broker."""

from __future__ import annotations

import pytest
from mini_hub import MiniHub, Phone
from virtual_station import VirtualStationProcess

pytestmark = pytest.mark.integration


async def test_a_code_opens_the_door_and_the_hub_counts_one_visit(
    hub: MiniHub, station: VirtualStationProcess, phone: Phone
) -> None:
    await station.scan(phone.code())
    await station.until(contact_open=True)
    decided = await hub.event("access.decided")
    assert (decided["outcome"], decided["reason"], decided["member"]) == ("granted", "member", phone.member)
    visit = await hub.event("visit.counted")
    assert visit["attempt"] == decided["attempt"]
    await hub.event("door.changed", state="open", previous="released")
    assert (await station.state())["releases"] == 1
