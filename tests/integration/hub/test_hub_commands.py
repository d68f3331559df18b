"""A command's life: signed, sent at once and again, answered or expired; nothing retained."""

from datetime import datetime, timedelta
from typing import Any

import httpx
import paho.mqtt.client as mqtt
import pytest

from station_agent.wire import topics
from station_agent.wire.commands import DoorOpen, SignText
from station_agent.wire.kinds import CommandStatus
from tests.harness.hub_process import HubProcess, until
from tests.integration.hub.mqtt_station import WAIT_S, MqttStation

pytestmark = pytest.mark.integration

OPEN = {"order": {"kind": "door.open"}, "reason": "忘带手机的会员"}


def send(client: httpx.Client, station: str = "demo-01", **new: Any) -> dict[str, Any]:
    response = client.post(f"stations/{station}/commands", json={**OPEN, **new})
    assert response.status_code == 202, response.text
    command: dict[str, Any] = response.json()
    return command


def test_a_remote_open_reaches_the_station_and_its_answer_the_page(station: MqttStation, admin: httpx.Client) -> None:
    shown = send(admin)
    got = station.next_command()
    assert (str(got.id), got.station, got.order, got.actor) == (shown["id"], "demo-01", DoorOpen(), "admin")
    assert got.reason == OPEN["reason"]
    assert got.expires_at - got.issued_at == timedelta(seconds=10)
    station.answer(got, CommandStatus.ACCEPTED)
    accepted = admin.get(f"commands/{shown['id']}").json()
    assert (accepted["status"], accepted["settled_at"]) == ("accepted", None)
    station.answer(got, CommandStatus.DONE, "the contact opened")
    done = admin.get(f"commands/{shown['id']}").json()
    assert (done["status"], done["detail"]) == ("done", "the contact opened")
    assert done == admin.get("stations/demo-01/commands").json()[0]
    while not station.commands.empty():  # what was sent again before the answer came is the same command
        assert station.commands.get().id == got.id


def test_it_is_sent_again_until_it_is_answered(hub: HubProcess, admin: httpx.Client) -> None:
    shown = send(admin, "demo-02", order={"kind": "sign.text", "text": "今日开放"})
    with MqttStation(hub.link("demo-02")) as station:  # connects after the first sending
        got = station.next_command()
        assert (str(got.id), got.order) == (shown["id"], SignText(text="今日开放"))
        assert station.next_command().id == got.id
        station.answer(got, CommandStatus.REFUSED, "the sign is silent")
    assert admin.get(f"commands/{shown['id']}").json()["status"] == "refused"


def test_nothing_is_retained(hub: HubProcess, station: MqttStation, admin: httpx.Client) -> None:
    shown = send(admin)
    station.answer(station.next_command(), CommandStatus.DONE)
    until(lambda: admin.get(f"commands/{shown['id']}").json()["status"] == "done", "done", 5)
    got: list[mqtt.MQTTMessage] = []
    with MqttStation(hub.link("demo-01")) as late:
        late.client.on_message = lambda _c, _u, message: got.append(message)
        late.tell_state()
        marker = send(admin)
        until(lambda: got, "a message", WAIT_S)
    topic = topics.down("demo-01", topics.Down.COMMAND)
    assert all(shown["id"].encode() not in message.payload for message in got)
    assert any(message.topic == topic and marker["id"].encode() in message.payload for message in got)


def test_a_command_that_nobody_takes_expires_but_a_late_done_is_the_truth(own_hub: HubProcess) -> None:
    with own_hub.client() as admin:
        shown = send(admin)

        def now() -> dict[str, Any]:
            command: dict[str, Any] = admin.get(f"commands/{shown['id']}").json()
            return command

        with MqttStation(own_hub.link("demo-01")) as station:
            got = station.next_command()
            own_hub.kill()
            own_hub.start()
            assert station.next_command().id == got.id  # the restarted hub knows that it waits for an answer
            expired = until(lambda: now() if now()["status"] == "expired" else None, "it expires", 20)
            assert datetime.fromisoformat(expired["settled_at"]) >= got.expires_at
            station.answer(got, CommandStatus.DONE)
        assert now()["status"] == "done"


def test_another_stations_answer_changes_nothing(hub: HubProcess, station: MqttStation, admin: httpx.Client) -> None:
    shown = send(admin)
    got = station.next_command()
    with MqttStation(hub.link("demo-02")) as other:
        other.answer(got, CommandStatus.DONE)
    assert admin.get(f"commands/{shown['id']}").json()["status"] in ("queued", "sent")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"order": {"kind": "door.open"}}, "body.reason"),
        ({"order": {"kind": "door.open"}, "reason": " "}, "body.reason"),
        ({"order": {"kind": "roof.open"}, "reason": "热"}, "body.order"),
        ({"order": {"kind": "video.push", "camera": "door", "push_path": "/x", "ticket": "t"}, "reason": "看"}, "body"),
        ({"order": {"kind": "sign.text", "text": "x" * 121}, "reason": "节日"}, "body.order.sign.text.text"),
    ],
)
def test_a_bad_order_is_refused_and_names_the_field(admin: httpx.Client, body: dict[str, Any], field: str) -> None:
    response = admin.post("stations/demo-01/commands", json=body)
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["fields"][0]["field"].startswith(field)


def test_an_unknown_station_or_command_is_404(admin: httpx.Client) -> None:
    assert admin.post("stations/nowhere/commands", json=OPEN).json()["type"] == "urn:yizhan:no-such-station"
    unknown = admin.get("commands/00000000-0000-4000-8000-000000000000")
    assert (unknown.status_code, unknown.json()["type"]) == (404, "urn:yizhan:no-such-command")
