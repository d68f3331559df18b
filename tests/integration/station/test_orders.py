"""Orders of the hub at a real station: what is done, and what is not done and why."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from station_agent.access.door_model import RETRIES_MAX
from station_agent.wire.commands import CameraPicture, SignText
from tests.harness.mini_hub import MiniHub
from tests.harness.virtual_station import VirtualStationProcess

pytestmark = pytest.mark.integration
HERE = "demo-01"


async def test_a_remote_order_is_done_when_the_contact_has_opened(hub: MiniHub, station: VirtualStationProcess) -> None:
    command = hub.order(HERE)
    await hub.send(HERE, command)
    done = await hub.event("command.progress", command=str(command.id), status="done")
    assert done["result"]["released_at"] < done["result"]["opened_at"]
    statuses = [event["status"] for event in hub.events("command.progress", command=str(command.id))]
    assert statuses == ["accepted", "done"]
    decided = await hub.event("access.decided", attempt=str(command.id))
    assert (decided["credential"], decided["reader"], decided["detail"]) == ("remote", "operator", "let somebody in")


async def test_an_order_that_nobody_walks_through_has_failed_and_says_so(
    hub: MiniHub, station: VirtualStationProcess
) -> None:
    await station.post("/api/jam", jammed=True)
    command = hub.order(HERE)
    await hub.send(HERE, command)
    failed = await hub.event("command.progress", command=str(command.id), status="failed")
    assert "nobody opened" in failed["detail"]
    assert (await station.state())["releases"] == 1 + RETRIES_MAX, "the grant, and its retry pulses"
    assert hub.events("visit.counted") == []


async def test_expired_foreign_forged_and_replayed_orders_open_nothing_and_say_why(
    hub: MiniHub, station: VirtualStationProcess
) -> None:
    good = hub.order(HERE)
    await hub.send(HERE, good)
    await hub.event("command.progress", command=str(good.id), status="done")
    await hub.send(HERE, good)
    replayed = await hub.event("input.rejected", source="command")
    assert "replayed" in replayed["reason"]

    expired = hub.order(HERE, lifetime_s=5, age_s=6)
    await hub.send(HERE, expired)
    assert "expired at" in (await hub.event("command.progress", command=str(expired.id), status="expired"))["detail"]

    foreign = hub.order("demo-02")
    await hub.send(HERE, foreign)
    assert "demo-02" in (await hub.event("command.progress", command=str(foreign.id), status="refused"))["detail"]

    long = hub.order(HERE, lifetime_s=3600)
    await hub.send(HERE, long)
    await hub.event("command.progress", command=str(long.id), status="refused")

    forged = hub.order(HERE)
    await hub.send(HERE, forged, Ed25519PrivateKey.generate())
    await hub.until(
        lambda: any("forged" in event["reason"] for event in hub.events("input.rejected")), "a word of the forged order"
    )
    assert hub.events("command.progress", command=str(forged.id)) == []
    assert (await station.state())["releases"] == 1


async def test_an_order_is_not_done_again_after_a_restart(hub: MiniHub, station: VirtualStationProcess) -> None:
    command = hub.order(HERE, lifetime_s=50)
    await hub.send(HERE, command)
    await hub.event("command.progress", command=str(command.id), status="done")
    starts = len(hub.events("agent.started"))
    await station.kill_agent()
    await hub.until(lambda: len(hub.events("agent.started")) > starts, "the agent's new start")
    await hub.send(HERE, command)
    await hub.event("input.rejected", source="command")
    assert (await station.state())["releases"] == 1
    finals = [event["status"] for event in hub.events("command.progress", command=str(command.id))]
    assert finals == ["accepted", "done"]


async def test_a_text_stands_on_the_sign_and_outlives_a_restart(hub: MiniHub, station: VirtualStationProcess) -> None:
    command = hub.order(HERE, SignText(text="今日零下20度"), lifetime_s=30)
    await hub.send(HERE, command)
    await hub.event("command.progress", command=str(command.id), status="done")
    state = await station.until(sign_text="今日零下20度")
    assert len(state["sign"]["pages"]) == 1
    assert any(state["sign"]["pages"][0])
    await station.kill_agent()
    await station.until(agent_running=False)
    await station.until(sign_text="今日零下20度", agent_running=True)


async def test_what_this_station_has_not_is_refused(hub: MiniHub, station: VirtualStationProcess) -> None:
    command = hub.order(HERE, CameraPicture(camera="entrance", upload_path="/x", ticket="t"))
    await hub.send(HERE, command)
    refused = await hub.event("command.progress", command=str(command.id), status="refused")
    assert "camera.picture" in refused["detail"]
