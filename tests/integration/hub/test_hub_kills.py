"""Killed at any moment, hub and broker lose nothing that was acknowledged, and count nothing twice."""

import asyncio
import json
import os
import signal
import threading
from pathlib import Path
from uuid import uuid4

import httpx
import nats
import pytest

from cloud_hub.ingest.consumer import CONSUMER, STREAM
from station_agent.wire.envelope import Stream
from station_agent.wire.events import VisitCounted
from station_agent.wire.kinds import Credential
from tests.harness.hub_process import HubProcess, until
from tests.integration.hub.mqtt_station import MqttStation

pytestmark = [pytest.mark.integration, pytest.mark.faults, pytest.mark.timeout(120)]

VISITS = 600


def test_every_visit_is_stored_once_though_hub_and_broker_are_killed(own_hub: HubProcess) -> None:
    with MqttStation(own_hub.link("demo-01")) as station:
        expected = [uuid4() for _ in range(VISITS)]
        for attempt in expected:
            station.add(VisitCounted(attempt=attempt, credential=Credential.CODE))
        delivery = threading.Thread(target=station.deliver, kwargs={"rows_max": 3, "limit_s": 90.0})
        delivery.start()
        until(lambda: station.marks[Stream.EVENTS] > 0, "the first rows are acknowledged")
        own_hub.kill()
        own_hub.start()
        own_hub.kill_broker()
        until(own_hub.is_ready, "the broker is back")
        more = [uuid4() for _ in range(VISITS)]
        for attempt in more:
            station.add(VisitCounted(attempt=attempt, credential=Credential.CODE))
        own_hub.kill_broker()
        own_hub.kill()
        own_hub.start()
        delivery.join()
        station.deliver(limit_s=60.0)
    with own_hub.client() as client:
        assert visits_on_the_timeline(client) == [str(attempt) for attempt in expected + more]
        assert client.get("stations/demo-01").json()["visits_today"] == 2 * VISITS


def visits_on_the_timeline(client: httpx.Client) -> list[str]:
    """Attempts of all visits, oldest first."""
    items, cursor = [], None
    while True:
        params = {"limit": 200} | ({"before": cursor} if cursor else {})
        page = client.get("stations/demo-01/events", params=params).json()
        items += page["items"]
        cursor = page["next"]
        if cursor is None:
            items.sort(key=lambda item: item["seq"])
            return [item["body"]["attempt"] for item in items if item["kind"] == "visit.counted"]


def test_a_deleted_broker_store_loses_nothing(own_hub: HubProcess) -> None:
    with MqttStation(own_hub.link("demo-01")) as station:
        station.add(VisitCounted(attempt=uuid4(), credential=Credential.CODE))
        station.deliver()
        own_hub.kill()
        for path in sorted((own_hub.data / "broker" / "store").rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        station.add(VisitCounted(attempt=uuid4(), credential=Credential.CODE))
        own_hub.start()
        station.deliver()
    with own_hub.client() as client:
        assert client.get("stations/demo-01").json()["visits_today"] == 2


def test_the_broker_ends_with_a_killed_hub(own_hub: HubProcess) -> None:
    pid = own_hub.broker_pid()
    own_hub.kill()
    until(lambda: not alive(pid), "the broker is gone", 5)


def test_it_stops_within_two_seconds_though_pages_watch(own_hub: HubProcess) -> None:
    pid = own_hub.broker_pid()
    with own_hub.client() as client, client.stream("GET", "live") as response:
        lines = response.iter_lines()
        assert next(lines) == "retry: 1000"
        with MqttStation(own_hub.link("demo-01")):
            status, seconds = own_hub.stop()
        assert list(lines) == [""]
    assert status == 0
    assert seconds < 2
    assert not alive(pid)


def test_a_second_start_keeps_links_log_ins_and_phones(own_hub: HubProcess) -> None:
    before = {path.name: path.read_text() for path in (own_hub.data / "demo").iterdir()}
    own_hub.stop()
    own_hub.start()
    after = {path.name: path.read_text() for path in (own_hub.data / "demo").iterdir()}
    assert after == before
    assert {path.stat().st_mode & 0o777 for path in (own_hub.data / "demo").iterdir()} == {0o600}


def test_a_heartbeat_is_remembered_over_a_restart(own_hub: HubProcess) -> None:
    with own_hub.client() as client, MqttStation(own_hub.link("demo-01")) as station:
        station.tell_state(door="held_open", contact_open=True)
        until(lambda: client.get("stations/demo-01").json()["online"], "the heartbeat is seen", 5)
    own_hub.stop()
    own_hub.start()
    with own_hub.client() as client:
        row = client.get("stations/demo-01").json()
    assert (row["door"], row["contact_open"]) == ("held_open", True)
    assert row["last_seen"] is not None


def test_a_busy_port_is_one_sentence(own_hub: HubProcess, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = HubProcess(tmp_path / "other")
    other.port = own_hub.port
    with pytest.raises(AssertionError, match=f"127.0.0.1 port {own_hub.port} cannot be used"):
        other.start()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"


def test_a_stopped_broker_comes_back_and_the_stations_with_it(own_hub: HubProcess) -> None:
    with MqttStation(own_hub.link("demo-01")) as station:
        os.kill(own_hub.broker_pid(), signal.SIGTERM)
        station.add(VisitCounted(attempt=uuid4(), credential=Credential.CODE))
        station.deliver()


def test_a_second_hub_on_the_same_data_is_one_sentence(own_hub: HubProcess, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = HubProcess(tmp_path / "other")
    other.data = own_hub.data
    with pytest.raises(AssertionError, match="another hub uses"):
        other.start()
    assert own_hub.is_ready()


async def test_a_lost_consumer_is_made_again(own_hub: HubProcess) -> None:
    config = json.loads((own_hub.data / "broker" / "broker.conf").read_text())
    hub_user = config["authorization"]["users"][0]
    client = await nats.connect(f"nats://{config['listen']}", user=hub_user["user"], password=hub_user["password"])
    try:
        assert await client.jetstream().delete_consumer(STREAM, CONSUMER)
    finally:
        await client.close()
    with MqttStation(own_hub.link("demo-01")) as station:
        station.add(VisitCounted(attempt=uuid4(), credential=Credential.CODE))
        await asyncio.to_thread(station.deliver)
    metrics = await asyncio.to_thread(httpx.get, f"{own_hub.url}/metrics")
    assert 'service_failures_total{service="ingest"} 1\n' in metrics.text
