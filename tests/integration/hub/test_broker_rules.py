"""What the broker lets a station do, tried by MQTT: its own topics and nothing else."""

import queue
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import paho.mqtt.client as mqtt
import pytest

from station_agent.wire import topics
from station_agent.wire.envelope import Stream
from station_agent.wire.events import VisitCounted
from station_agent.wire.kinds import Credential
from tests.harness.hub_process import HubProcess
from tests.integration.hub.mqtt_station import WAIT_S, MqttStation

pytestmark = pytest.mark.integration

REFUSED = 0x80


@contextmanager
def connected(link: dict[str, Any], client_id: str, **login: str) -> Iterator[tuple[mqtt.Client, "queue.Queue[Any]"]]:
    """A client and what happens to it: ("connect", code), ("subscribe", codes), ("message", topic)."""
    happened: queue.Queue[Any] = queue.Queue()
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=client_id)
    if login:
        client.username_pw_set(login["user"], login["password"])
    client.on_connect = lambda _c, _u, _f, code, _p: happened.put(("connect", code.value))
    client.on_subscribe = lambda _c, _u, _m, codes, _p: happened.put(("subscribe", [code.value for code in codes]))
    client.on_message = lambda _c, _u, message: happened.put(("message", message.topic))
    client.connect(link["broker"]["host"], link["broker"]["port"])
    client.loop_start()
    try:
        yield client, happened
    finally:
        client.disconnect()
        client.loop_stop()


def test_a_station_hears_only_its_own_topics(hub: HubProcess, admin: httpx.Client) -> None:
    link = hub.link("demo-02")
    login = {"user": "demo-02", "password": link["broker"]["password"]}
    with connected(link, "demo-02", **login) as (client, happened), MqttStation(hub.link("demo-01")) as victim:
        assert happened.get(timeout=WAIT_S) == ("connect", 0)
        foreign = [topics.down("demo-01", topics.Down.COMMAND), topics.up("demo-01", topics.Up.EVENTS)]
        foreign += ["yizhan/v1/+/down/command", "yizhan/#", "#", "$SYS/#", "$JS/#", "$MQTT/#"]
        for topic in foreign:
            client.subscribe(topic, qos=0)
            assert happened.get(timeout=WAIT_S) == ("subscribe", [REFUSED]), topic
        client.subscribe(topics.down("demo-02", topics.Down.COMMAND), qos=0)
        assert happened.get(timeout=WAIT_S) == ("subscribe", [0])
        order = {"order": {"kind": "door.open"}, "reason": "试验"}
        admin.post("stations/demo-01/commands", json=order)
        victim.next_command()
        admin.post("stations/demo-02/commands", json=order)
        assert happened.get(timeout=WAIT_S) == ("message", topics.down("demo-02", topics.Down.COMMAND))


def test_a_station_cannot_write_in_anothers_name_or_give_orders(hub: HubProcess, station: MqttStation) -> None:
    attacker = hub.link("demo-02")
    login = {"user": "demo-02", "password": attacker["broker"]["password"]}
    station.add(VisitCounted(attempt="7b1f0f0e-0000-4000-8000-000000000000", credential=Credential.CODE))
    (batch,) = station.batches(Stream.EVENTS)
    with connected(attacker, "demo-02", **login) as (client, happened):
        assert happened.get(timeout=WAIT_S) == ("connect", 0)
        client.publish(topics.up("demo-01", topics.Up.EVENTS), batch.model_dump_json(), qos=1).wait_for_publish(WAIT_S)
        forged = client.publish(topics.down("demo-01", topics.Down.COMMAND), b"open", qos=1)
        forged.wait_for_publish(WAIT_S)
        hidden = client.publish("$JS/API/STREAM/DELETE/UP", b"", qos=1)
        hidden.wait_for_publish(WAIT_S)
        # A rejected publish is acknowledged, so ask the hub: its own word for demo-02 comes after all of the above.
        with MqttStation(attacker | {"station": "demo-02"}) as again:
            again.add(VisitCounted(attempt="7b1f0f0e-0000-4000-8000-000000000001", credential=Credential.CODE))
            again.deliver()
    assert station.marks[Stream.EVENTS] == 0
    assert station.forged == []
    station.deliver()


@pytest.mark.parametrize("login", [{}, {"user": "demo-01", "password": "wrong"}, {"user": "hub", "password": ""}])
def test_a_stranger_cannot_connect(hub: HubProcess, login: dict[str, str]) -> None:
    with connected(hub.link("demo-01"), "stranger", **login) as (_, happened):
        kind, code = happened.get(timeout=WAIT_S)
    assert kind == "connect"
    assert code != 0


def test_the_brokers_files_are_the_owners_only(hub: HubProcess) -> None:
    assert (hub.data / "broker" / "broker.conf").stat().st_mode & 0o777 == 0o600
    assert (hub.data / "broker").stat().st_mode & 0o777 == 0o700


def test_a_new_station_may_connect_at_once(hub: HubProcess, admin: httpx.Client) -> None:
    profile = {
        "station": {"id": "new-01", "name": "新站", "place": {"latitude": 43.9, "longitude": 125.3}},
        "lines": {"bus": {"url": "/dev/null"}},
        "devices": {"relays": {"driver": "modbus_relays", "line": "bus"}},
        "door": {"lock": "relays"},
    }
    with MqttStation(hub.link("demo-01")) as other:
        made = admin.post("stations", json=profile)
        assert made.status_code == 201, made.text
        with MqttStation(made.json()["link"]) as new:
            new.add(VisitCounted(attempt="7b1f0f0e-0000-4000-8000-000000000002", credential=Credential.CODE))
            new.deliver()
            new.tell_state(roster_version=0)
            assert new.rosters.get(timeout=WAIT_S).station == "new-01"
        assert other.client.is_connected()
    assert admin.get("stations/new-01").json()["visits_today"] == 1
    assert admin.post("stations", json=profile).status_code == 409
