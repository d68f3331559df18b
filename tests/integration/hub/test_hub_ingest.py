"""What stations tell reaches the interface: once, in order, whatever else they send."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from station_agent.wire import topics
from station_agent.wire.envelope import Stream
from station_agent.wire.events import (
    AccessDecided,
    AlarmCleared,
    AlarmRaised,
    DoorChanged,
    FaceEnrolled,
    FaceErased,
    PointReading,
    Readings,
    VisitCounted,
)
from station_agent.wire.kinds import AlarmKind, Credential, DoorState, Outcome, Reason
from tests.harness.hub_process import HubProcess, until
from tests.integration.hub.mqtt_station import MqttStation

pytestmark = pytest.mark.integration

WANG = "0d00000000000001"


@contextmanager
def live(client: httpx.Client, **params: str) -> Iterator[Iterator[tuple[str, Any]]]:
    """Events of the live stream, as (name, data)."""
    with client.stream("GET", "live", params=params, timeout=15) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = response.iter_lines()
        assert next(lines) == "retry: 1000"

        def events() -> Iterator[tuple[str, Any]]:
            name = ""
            for line in lines:
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    yield name, json.loads(line.removeprefix("data: "))

        yield events()


def first(events: Iterator[tuple[str, Any]], name: str) -> Any:
    return next(data for kind, data in events if kind == name)


def test_a_visit_is_on_the_timeline_counted_and_told_live(station: MqttStation, admin: httpx.Client) -> None:
    before = admin.get("stations/demo-01").json()["visits_today"]
    attempt = uuid4()
    granted = AccessDecided(
        attempt=attempt,
        credential=Credential.CODE,
        outcome=Outcome.GRANTED,
        reason=Reason.MEMBER,
        member=WANG,
        reader="scanner",
    )
    opened = DoorChanged(door="relays", state=DoorState.OPEN, previous=DoorState.RELEASED, contact_open=True)
    with live(admin, station="demo-01") as events:
        for body in (granted, opened, VisitCounted(attempt=attempt, credential=Credential.CODE, member=WANG)):
            station.add(body)
        station.deliver()
        told = [first(events, "event") for _ in range(3)]
        row = next(data for kind, data in events if kind == "station" and data["visits_today"] == before + 1)
    assert [item["kind"] for item in told] == ["access.decided", "door.changed", "visit.counted"]
    assert told[0]["member_name"] == "王秀兰"
    assert (row["door"], row["contact_open"]) == ("open", True)
    page = admin.get("stations/demo-01/events", params={"limit": 2}).json()
    assert page["items"] == [told[2], told[1]]
    rest = admin.get("stations/demo-01/events", params={"limit": 1, "before": page["next"]}).json()
    assert rest["items"] == [told[0]]
    assert admin.get("events", params={"limit": 1}).json()["items"] == [told[2]]


def test_batches_repeated_split_and_early_take_effect_once(station: MqttStation, admin: httpx.Client) -> None:
    for _ in range(20):
        station.add(VisitCounted(attempt=uuid4(), credential=Credential.FACE))
    before = admin.get("stations/demo-01").json()["visits_today"]
    by_seven, by_three = station.batches(Stream.EVENTS, 7), station.batches(Stream.EVENTS, 3)
    for batch in (by_seven[1], by_three[0], by_seven[0], by_three[0], by_seven[2], *by_three):
        station.publish(batch)
    station.deliver()
    assert admin.get("stations/demo-01").json()["visits_today"] == before + 20


def test_readings_are_shown_latest_and_as_a_series(station: MqttStation, admin: httpx.Client) -> None:
    now = datetime.now(UTC)
    for minute, value in enumerate((20.5, None, 21.5)):
        at = now - timedelta(minutes=3 - minute)
        quality = "good" if value is not None else "missing"
        shared = {"device": "climate", "unit": "°C", "quality": quality, "at": at}
        reading = PointReading(point="temperature", value=value, **shared)
        station.add(Readings(readings=(reading,)), Stream.TELEMETRY, at)
    with live(admin) as events:
        station.deliver(Stream.TELEMETRY)
        told = first(events, "reading")
    assert told == admin.get("stations/demo-01/readings/latest").json()
    assert [(r["point"], r["value"], r["quality"]) for r in told["readings"]] == [("temperature", 21.5, "good")]
    (series,) = admin.get("stations/demo-01/readings", params={"point": "temperature"}).json()["series"]
    assert [(value, quality) for _, value, quality in series["points"]] == [
        (20.5, "good"),
        (None, "missing"),
        (21.5, "good"),
    ]
    assert admin.get("stations/demo-01").json()["temperature_c"] == 21.5
    assert admin.get("stations/demo-01/readings", params={"device": "none"}).json() == {"series": []}


def test_an_alarm_is_open_until_it_is_cleared(station: MqttStation, admin: httpx.Client) -> None:
    station.add(AlarmRaised(alarm=AlarmKind.DOOR_FORCED, subject="relays", detail="opened without a grant"))
    station.deliver()
    shown = admin.get("stations/demo-01").json()
    assert shown["alarms_open"] == 1
    assert [alarm["alarm"] for alarm in shown["alarms"]] == ["door_forced"]
    station.add(AlarmCleared(alarm=AlarmKind.DOOR_FORCED, subject="relays"))
    station.deliver()
    assert admin.get("stations/demo-01").json()["alarms"] == []


def test_a_member_shows_where_their_face_is_enrolled(station: MqttStation, admin: httpx.Client) -> None:
    until_when = datetime.now(UTC) + timedelta(days=365)
    station.add(FaceEnrolled(member=WANG, templates=3, consent_until=until_when))
    station.deliver()
    (face,) = admin.get(f"members/{WANG}").json()["faces"]
    assert (face["station"], face["templates"]) == ("demo-01", 3)
    station.add(FaceErased(member=WANG, templates=3))
    station.deliver()
    assert admin.get(f"members/{WANG}").json()["faces"] == []


def test_a_kind_of_a_newer_station_is_kept_as_it_came(station: MqttStation, admin: httpx.Client) -> None:
    station.add_raw("kettle.boiled", {"cups": 4})
    station.add_raw("door.changed", {"door": 7})
    station.deliver()
    bad_body, newer = admin.get("stations/demo-01/events", params={"limit": 2}).json()["items"]
    assert (newer["kind"], newer["reported_kind"], newer["body"]) == ("other", "kettle.boiled", {"cups": 4})
    assert (bad_body["kind"], bad_body["reported_kind"], bad_body["body"]) == ("other", "door.changed", {"door": 7})


def test_bad_payloads_are_counted_and_hold_nothing_up(
    hub: HubProcess, station: MqttStation, admin: httpx.Client
) -> None:
    station.add(VisitCounted(attempt=uuid4(), credential=Credential.CODE))
    (good,) = station.batches(Stream.EVENTS)
    topic = topics.up("demo-01", topics.Up.EVENTS)
    foreign = good.model_copy(update={"station": "demo-02"})
    huge = good.model_dump(mode="json")
    huge["rows"][0]["seq"] = 2**70
    bad = {
        "not_a_batch": b"\xff\x00 no json",
        "other_station": foreign.model_dump_json().encode(),
        "other_stream": good.model_copy(update={"stream": Stream.TELEMETRY}).model_dump_json().encode(),
        "seq": json.dumps(huge).encode(),
    }
    for payload in bad.values():
        station.client.publish(topic, payload, qos=1)
    station.client.publish(topics.up("demo-01", topics.Up.STATE), b"{}")
    station.deliver()

    def counted(reason: str) -> bool:
        line = f'yizhan_ingest_rejected_total{{reason="{reason}",station="demo-01"}} 1'
        return line in httpx.get(f"{hub.url}/metrics").text

    for reason in (*bad, "not_a_state"):
        until(lambda reason=reason: counted(reason), f"{reason} is counted", 5)


def test_a_station_is_online_by_its_heartbeat_and_offline_by_its_will(hub: HubProcess, admin: httpx.Client) -> None:
    with live(admin, station="demo-02") as events:
        with MqttStation(hub.link("demo-02")) as station:
            station.tell_state(door="secured", contact_open=False, sign_text="欢迎", spooled=3)
            row = first(events, "station")
            assert (row["online"], row["door"], row["sign_text"], row["spooled"]) == (True, "secured", "欢迎", 3)
            station.client.loop_stop()  # as if its machine hung: the broker publishes the will
            station.client.socket().shutdown(socket.SHUT_RDWR)
        row = next(data for kind, data in events if kind == "station" and not data["online"])
    assert row["door"] == "secured"
