"""Rules set by a manager reach the station signed, and again until it reports them; roles; the second person."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from station_agent.wire.events import AccessDecided, RulesApplied
from station_agent.wire.kinds import CommandStatus, Credential, Outcome, Reason
from station_agent.wire.rules import Rules, typed_hash
from tests.harness.hub_process import HubProcess, until
from tests.integration.hub.mqtt_station import WAIT_S, MqttStation

pytestmark = pytest.mark.integration

RULES = "stations/demo-01/rules"


def rules_of(station: MqttStation, version: int) -> Rules:
    while True:
        rules = station.rules.get(timeout=WAIT_S)
        if rules.version >= version:
            return rules


def put(client: httpx.Client, parts: dict[str, Any], reason: str = "集成测试") -> dict[str, Any]:
    version = client.get(RULES).json()["version"]
    answer = client.put(RULES, json={"expected_version": version, "parts": parts, "reason": reason})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_rules_reach_the_station_and_again_while_it_reports_older_ones(
    admin: httpx.Client, station: MqttStation
) -> None:
    parts = {"capacity": {"people_max": 9}, "schedules": {"day": {"periods": []}}, "opening": "day"}
    wanted = put(admin, parts)["version"]
    document = rules_of(station, wanted)
    assert (document.station, document.version) == ("demo-01", wanted)
    assert document.capacity is not None
    assert document.capacity.people_max == 9
    station.tell_state(rules_version=wanted - 1)  # it lost them, or was sent them while it was away
    assert rules_of(station, wanted) == document
    station.tell_state(rules_version=wanted)
    until(lambda: admin.get(RULES).json()["running"] == wanted, "the hub shows what runs")
    station.add(RulesApplied(version=wanted))
    station.deliver()
    detail = admin.get("stations/demo-01").json()
    assert (detail["rules_version"], detail["rules_wanted"]) == (wanted, wanted)


def test_who_may_change_what(hub: HubProcess) -> None:
    later = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
    with hub.client("viewer") as viewer, hub.client("operator") as operator:
        version = viewer.get(RULES).json()["version"]
        change = {"expected_version": version, "parts": {}, "reason": "试试"}
        assert viewer.put(RULES, json=change).status_code == 403
        assert operator.put(RULES, json=change).status_code == 403
        assert viewer.get("stations/demo-01/codes").status_code == 403
        cold = {"until": later, "reason": "寒潮"}
        assert viewer.post(f"{RULES}/cold", json=cold).status_code == 403
        assert operator.post(f"{RULES}/cold", json={**cold, "reason": ""}).status_code == 422
        assert operator.post(f"{RULES}/cold", json=cold).json()["cold"]["ordered_by"] == "operator"
        assert operator.post(f"{RULES}/cold", json={"until": None, "reason": "转暖"}).json()["cold"] is None
        pin = {"name": "李师傅", "reason": "保洁"}
        assert operator.post("stations/demo-01/codes/pin", json=pin).status_code == 403


def test_a_lost_update_is_refused(admin: httpx.Client) -> None:
    version = put(admin, {})["version"]
    answer = admin.put(RULES, json={"expected_version": version - 1, "parts": {}, "reason": "过时"})
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:yizhan:rules-changed")


def test_a_guests_code_is_told_once_and_opens_by_its_hash(admin: httpx.Client, station: MqttStation) -> None:
    new = {"phone": "13800001234", "occupation": "rider", "reason": "送餐"}
    given = admin.post("stations/demo-01/codes/guest", json=new).json()
    document = rules_of(station, admin.get(RULES).json()["version"])
    assert document.hashing is not None
    hashes = {guest.hash for guest in document.guests}
    assert typed_hash(given["digits"], document.hashing) in hashes
    listed = admin.get("stations/demo-01/codes").text
    assert given["code"]["id"] in listed
    assert given["digits"] not in listed
    gone = admin.post(f"stations/demo-01/codes/{given['code']['id']}/revoke", json={"reason": "发错了"})
    assert gone.status_code == 204
    after = rules_of(station, admin.get(RULES).json()["version"])
    assert typed_hash(given["digits"], document.hashing) not in {guest.hash for guest in after.guests}


def test_a_card_that_the_station_has_just_read_is_registered(admin: httpx.Client, station: MqttStation) -> None:
    told = AccessDecided(
        attempt=uuid4(),
        credential=Credential.CARD,
        outcome=Outcome.DENIED,
        reason=Reason.CARD_UNKNOWN,
        reader="reader",
        card="ab" * 32,
    )
    station.add(told)
    station.deliver()
    answer = admin.post("stations/demo-01/codes/card", json={"name": "李师傅", "reason": "保洁卡"})
    assert answer.status_code == 201, answer.text
    document = rules_of(station, admin.get(RULES).json()["version"])
    assert [(card.hash, card.role) for card in document.cards] == [("ab" * 32, "staff")]


def test_a_remote_opening_waits_for_a_second_person(hub: HubProcess, admin: httpx.Client, station: MqttStation) -> None:
    put(admin, {"remote": {"second_person": "always"}})
    order = {"order": {"kind": "door.open"}, "reason": "没带手机"}
    with hub.client("operator") as operator:
        asked = operator.post("stations/demo-01/commands", json=order).json()
        assert asked["confirm_until"] is not None
        assert operator.post(f"commands/{asked['id']}/confirm").status_code == 403
        assert station.commands.empty(), "sent before anybody confirmed it"
        assert admin.post(f"commands/{asked['id']}/confirm").json()["confirmer"] == "admin"
        command = station.next_command()
        assert (str(command.id), command.actor, command.confirmer) == (asked["id"], "operator", "admin")
        station.answer(command, CommandStatus.DONE)
        until(lambda: operator.get(f"commands/{asked['id']}").json()["status"] == "done", "the order is done")
    put(admin, {})
