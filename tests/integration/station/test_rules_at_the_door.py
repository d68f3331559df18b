"""Rules at a real door: an OSDP reader with its keypad and a lock on ptys, the agent's own drivers, a real broker.

The station runs in the test's own process, as `yizhan-station run` composes it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from firmware_bridge.secrets import SecretDirectory
from firmware_bridge.simulators.base import Simulation, SimulatorContext
from firmware_bridge.simulators.table import SIMULATORS
from station_agent.settings import Settings
from station_agent.station import Station, open_station
from station_agent.wire.link import HubLink
from station_agent.wire.profile import StationProfile
from station_agent.wire.rules import Hashing, Rules, card_hash, typed_hash
from station_agent.wire.signed import sign
from station_agent.wire.topics import Down
from tests.harness.mini_hub import MiniHub, Phone
from tests.harness.virtual_station import ROOT

pytestmark = pytest.mark.integration

STATION = "demo-01"
PROFILES = ROOT / "config" / "devices"
DEVICES = {"lock": "modbus_lock", "reader": "osdp_reader", "scanner": "serial_scanner"}
HASHING = Hashing(salt="5a" * 16)
STAFF, GUEST = "0c" * 8, "0d" * 8
CARD, STAFF_CARD = bytes.fromhex("abcdef40"), bytes.fromhex("01020380")


@dataclass
class Site:
    hub: MiniHub
    station: Station
    devices: dict[str, Simulation]
    phone: Phone
    version: int = 0

    async def send_rules(self, *, key: Any = None, **parts: Any) -> int:
        """Rules with two cards, a PIN and a guest's code."""
        self.version += 1
        now = datetime.now(UTC)
        given = {
            "station": STATION,
            "version": self.version,
            "issued_at": now,
            "hashing": HASHING.model_dump(),
            "roles": {"cleaner": {"opening_hours": False}, "guest": {}},
            "pins": [{"hash": typed_hash("246810", HASHING), "staff": STAFF, "role": "cleaner"}],
            "cards": [
                {"hash": card_hash(26, CARD, HASHING), "member": self.phone.member},
                {"hash": card_hash(26, STAFF_CARD, HASHING), "staff": STAFF, "role": "cleaner"},
            ],
            "guests": [
                {
                    "hash": typed_hash("13579135", HASHING),
                    "id": GUEST,
                    "not_before": now - timedelta(minutes=1),
                    "not_after": now + timedelta(hours=1),
                    "occupation": "courier",
                }
            ],
        }
        document = Rules.model_validate({**given, **parts})
        await self.hub.publish(
            STATION, Down.DOCUMENT, sign("document", document.model_dump_json(), key or self.hub.key)
        )
        return document.version

    async def rule(self, **parts: Any) -> None:
        await self.hub.event("rules.applied", version=await self.send_rules(**parts))

    def act(self, device: str, *words: str) -> None:
        self.devices[device].act(words)

    async def decided(self, count: int) -> dict[str, Any]:
        """The decision number `count`, from 1."""
        found = await self.hub.until(
            lambda: (events := self.hub.events("access.decided"))[count - 1 :] and events, f"decision {count}"
        )
        body: dict[str, Any] = found[count - 1]
        return body

    async def walk_in(self) -> None:
        """Through a door that has been released, and shut behind."""
        visits = len(self.hub.events("visit.counted"))
        await self._until(lambda: self.devices["lock"].state()["bolt_drawn"])
        self.act("lock", "push")
        await self.hub.until(lambda: len(self.hub.events("visit.counted")) > visits, "a visit")
        self.act("lock", "close")
        await self.hub.until(lambda: self.hub.events("door.changed")[-1]["state"] == "secured", "the door secured")

    async def _until(self, condition: Any) -> None:
        async with asyncio.timeout(10):
            while not condition():  # noqa: ASYNC110 - a simulated bolt has no event
                await asyncio.sleep(0.01)


@pytest.fixture
async def site(hub: MiniHub, tmp_path: Path) -> AsyncIterator[Site]:
    links = tmp_path / "lines"
    links.mkdir()
    context = SimulatorContext(links, random.Random(9), SecretDirectory(tmp_path / "keys" / "devices"), PROFILES)
    async with AsyncExitStack() as stack:
        devices = {
            name: await stack.enter_async_context(SIMULATORS[driver].make(context)) for name, driver in DEVICES.items()
        }
        profile = StationProfile.model_validate(
            {
                "station": {"id": STATION, "name": "test", "place": {"latitude": 43.9, "longitude": 125.3}},
                "lines": {name: one.line.model_dump(exclude_unset=True) for name, one in devices.items()},
                "devices": {
                    name: one.device.model_dump(exclude_none=True, exclude_unset=True) | {"line": name}
                    for name, one in devices.items()
                },
                "door": {
                    "lock": "lock",
                    "scanner": "scanner",
                    "readers": ["reader"],
                    "face_button": "face",
                    "egress": "mechanical",
                },
            }
        )
        settings = Settings(
            profile,
            HubLink.model_validate(hub.link(STATION)),
            state_dir=tmp_path / "state",
            key_dir=tmp_path / "keys",
            profiles_dir=PROFILES,
        )
        station = await stack.enter_async_context(open_station(settings))
        stop = asyncio.Event()
        running = asyncio.create_task(station.run(stop), name="station")
        try:
            await hub.event("agent.started")
            await hub.until(
                lambda: (
                    {"lock", "reader", "scanner"}
                    <= {body["device"] for body in hub.events("device.health", online=True)}
                ),
                "the devices",
            )
            phone = Phone()
            version = await hub.send_roster(STATION, [phone.row()])
            await hub.event("roster.applied", version=version)
            yield Site(hub, station, devices, phone)
        finally:
            stop.set()
            await running


async def test_a_card_a_number_and_a_guests_code_open_and_what_is_unknown_does_not(site: Site) -> None:
    site.act("reader", "card", CARD.hex(), "26")
    assert (await site.decided(1))["reason"] == "card_unknown", "without rules no card is anybody's"
    await site.rule()
    assert (await site.hub.until(lambda: site.hub.states.get(STATION), "a heartbeat")).rules_version in (0, 1)
    await site.hub.until(lambda: site.hub.states[STATION].rules_version == 1, "the version in the heartbeat")

    site.act("reader", "card", CARD.hex(), "26")
    member = await site.decided(2)
    assert (member["outcome"], member["credential"], member["member"]) == ("granted", "card", site.phone.member)
    await site.walk_in()

    site.act("reader", "keys", "24")
    site.act("reader", "keys", "6810#")
    staff = await site.decided(3)
    assert (staff["outcome"], staff["credential"], staff["person"]) == ("granted", "pin", STAFF)
    await site.walk_in()

    site.act("reader", "keys", "13579135#")
    guest = await site.decided(4)
    assert (guest["outcome"], guest["credential"], guest["person"]) == ("granted", "guest", GUEST)
    assert "courier" in guest["detail"]
    await site.walk_in()
    assert "green" in str(site.devices["reader"].state()["lights"])

    site.act("scanner", "scan", "G1:13579135")
    assert (await site.decided(5))["reason"] == "guest_code_used"
    site.act("reader", "keys", "97531#")
    denied = await site.decided(6)
    assert (denied["outcome"], denied["reason"]) == ("denied", "pin_unknown")
    assert "97531" not in str([row.body for _, row in site.hub.rows])


async def test_rules_that_are_forged_older_or_broken_change_nothing_and_are_counted(site: Site) -> None:
    await site.rule()
    refused = len(site.hub.events("input.rejected", source="document"))
    await site.send_rules(key=site.hub.issuer, pins=[])  # not the hub's key; takes version 2
    site.version = 0
    await site.send_rules(issued_at=datetime.now(UTC) - timedelta(days=1))  # version 1 came again: nobody's mistake
    body = '{"kind": "rules", "v": 1, "version": 9}'
    await site.hub.publish(STATION, Down.DOCUMENT, sign("document", body, site.hub.key))
    await site.hub.until(
        lambda: len(site.hub.events("input.rejected", source="document")) >= refused + 2, "two refusals"
    )
    site.act("reader", "keys", "246810#")
    assert (await site.decided(1))["reason"] == "staff"


async def test_hours_lockdown_and_extreme_cold_at_the_door(site: Site) -> None:
    await site.rule(schedules={"never": {"periods": []}}, opening="never")
    site.act("scanner", "scan", site.phone.code())
    assert (await site.decided(1))["reason"] == "station_closed"

    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    await site.rule(lockdown={"ordered_by": "li", "until": until, "exempt": ["cleaner"]})
    site.act("scanner", "scan", site.phone.code())
    assert (await site.decided(2))["reason"] == "lockdown"
    site.act("reader", "card", STAFF_CARD.hex(), "26")
    assert (await site.decided(3))["reason"] == "staff"
    await site.walk_in()

    await site.rule(cold={"ordered_by": "wang", "until": until})
    site.act("lock", "press")
    cold = await site.decided(4)
    assert (cold["outcome"], cold["credential"], cold["reason"]) == ("granted", "button", "cold_open")
    assert "ordered by wang" in cold["detail"]
    await site.walk_in()
    site.act("lock", "let-go")


async def test_where_a_face_is_needed_and_there_is_no_camera_they_are_told_to_call(site: Site) -> None:
    await site.rule(roles={"member": {"code_and_face": True}, "cleaner": {}, "guest": {}})
    site.act("scanner", "scan", site.phone.code())
    assert (await site.decided(1))["reason"] == "face_needed"
    silent = await site.decided(2)
    assert (silent["credential"], silent["reason"]) == ("face", "face_check_silent")
    assert (silent["member"], silent["detail"].split(",")[0]) == (site.phone.member, "faces are off at this station")


async def test_an_order_without_its_second_person_is_refused_by_the_station(site: Site) -> None:
    await site.rule(remote={"second_person": "always"})
    alone = site.hub.order(STATION)
    await site.hub.send(STATION, alone)
    refused = await site.hub.event("command.progress", command=str(alone.id), status="refused")
    assert "second_person_needed" in refused["detail"]
    together = site.hub.order(STATION).model_copy(update={"confirmer": "li"})
    await site.hub.send(STATION, together)
    await site.hub.event("access.decided", attempt=str(together.id), outcome="granted")
    await site.walk_in()
    await site.hub.event("command.progress", command=str(together.id), status="done")
