"""Consent first; and a wish to be forgotten that reaches every station, however late it is back, with a receipt."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from station_agent.wire.documents import Erasures
from station_agent.wire.events import FaceEnrolled, FaceErased
from tests.harness.hub_process import HubProcess
from tests.integration.hub.mqtt_station import WAIT_S, MqttStation

pytestmark = pytest.mark.integration


def consent(**changes: Any) -> dict[str, Any]:
    """As a page sends it, whose clock is three hours ahead."""
    now = datetime.now(UTC)
    given = {
        "given_at": (now + timedelta(hours=3)).isoformat(),
        "purpose": "刷脸开门",
        "expires_at": (now + timedelta(days=30)).isoformat(),
    }
    return given | changes


def order(member: str, **changes: Any) -> dict[str, Any]:
    return {"order": {"kind": "face.enrol", "member": member, "consent": consent(**changes)}, "reason": "本人到站录入"}


@pytest.fixture
def member(admin: httpx.Client) -> str:
    return str(admin.post("members", json={"name": "韩梅", "occupation": "courier"}).json()["id"])


@pytest.fixture
def enrolled(admin: httpx.Client, station: MqttStation, member: str) -> str:
    """The member's face is enrolled at demo-01."""
    station.tell_state()
    assert admin.post("stations/demo-01/commands", json=order(member)).status_code == 202
    until_when = datetime.now(UTC) + timedelta(days=30)
    station.add(FaceEnrolled(member=member, templates=3, consent_until=until_when))
    station.deliver()
    return member


def asked_for(station: MqttStation, member: str) -> Erasures:
    """The first document from now on that holds the member."""
    while True:
        document = station.erasures.get(timeout=WAIT_S)
        if any(one.member == member for one in document.erasures):
            return document


def answer(station: MqttStation, document: Erasures, member: str, templates: int) -> None:
    for one in document.erasures:
        if one.member == member:
            station.add(FaceErased(member=member, templates=templates, erasure=one.id))
    station.deliver()


def face(client: httpx.Client, member: str) -> dict[str, Any]:
    return dict(client.get(f"members/{member}/face").json())


def test_the_consent_is_on_record_before_the_order_goes_out_at_the_hub_s_time(
    admin: httpx.Client, station: MqttStation, member: str
) -> None:
    before = datetime.now(UTC)
    sent = admin.post("stations/demo-01/commands", json=order(member, stations=["demo-01"]))
    assert sent.status_code == 202
    command = station.next_command()
    while command.order.kind != "face.enrol" or command.order.member != member:
        command = station.next_command()
    given_at = command.order.consent.given_at
    assert before <= given_at <= datetime.now(UTC), "the page's clock is three hours ahead"
    assert command.order.consent.stations == ("demo-01",)
    (record,) = face(admin, member)["consents"]
    assert datetime.fromisoformat(record["given_at"]) == given_at
    assert (record["purpose"], record["stations"], record["recorded_by"]) == ("刷脸开门", ["demo-01"], "admin")


def test_a_consent_for_another_station_is_refused_clearly_and_nothing_is_recorded(
    admin: httpx.Client, member: str
) -> None:
    refused = admin.post("stations/demo-01/commands", json=order(member, stations=["demo-01", "demo-02"]))
    assert refused.status_code == 422
    assert "Station demo-02: this station cannot receive templates yet" in refused.json()["detail"]
    ended = admin.post("stations/demo-01/commands", json=order(member, expires_at=datetime.now(UTC).isoformat()))
    assert ended.json()["type"] == "urn:yizhan:consent-expired"
    assert admin.post("stations/demo-01/commands", json=order("00" * 8)).status_code == 404
    assert admin.post("stations/nowhere/commands", json=order(member)).status_code == 404
    assert face(admin, member)["consents"] == []


def test_asked_once_and_answered_with_a_receipt(admin: httpx.Client, station: MqttStation, enrolled: str) -> None:
    assert [one["templates"] for one in face(admin, enrolled)["faces"]] == [3]
    assert admin.post(f"members/{enrolled}/face/erase").status_code == 202
    again = admin.post(f"members/{enrolled}/face/erase").json()
    (waiting,) = again["erasures"]
    assert (waiting["station"], waiting["why"], waiting["receipt"]) == ("demo-01", "asked", None)
    assert admin.get(f"members/{enrolled}").json()["face_erasures_waiting"] == 1

    answer(station, asked_for(station, enrolled), enrolled, 3)
    data = face(admin, enrolled)
    assert data["faces"] == []
    (done,) = data["erasures"]
    last = station.rows["events"][-1]
    proof = done["receipt"]
    assert (proof["templates"], proof["spool"], proof["seq"]) == (3, station.spool, last.seq)
    assert datetime.fromisoformat(proof["at"]) == last.at
    assert admin.get(f"members/{enrolled}").json()["face_erasures_waiting"] == 0


def test_the_first_receipt_stands_and_another_station_s_word_is_none(
    hub: HubProcess, admin: httpx.Client, station: MqttStation, enrolled: str
) -> None:
    admin.post(f"members/{enrolled}/face/erase")
    document = asked_for(station, enrolled)
    with MqttStation(hub.link("demo-02")) as other:
        answer(other, document, enrolled, 9)
    assert face(admin, enrolled)["erasures"][0]["receipt"] is None
    answer(station, document, enrolled, 3)
    answer(station, document, enrolled, 0)
    assert face(admin, enrolled)["erasures"][0]["receipt"]["templates"] == 3


def test_a_station_that_was_away_is_asked_when_it_comes_back(hub: HubProcess, admin: httpx.Client, member: str) -> None:
    """It enrolled the member while it was offline, so the hub knows of its order alone."""
    assert admin.post("stations/demo-02/commands", json=order(member)).status_code == 202
    waiting = admin.post(f"members/{member}/face/erase").json()["erasures"]
    assert [(one["station"], one["receipt"]) for one in waiting] == [("demo-02", None)]
    with MqttStation(hub.link("demo-02")) as late:
        late.tell_state()
        document = asked_for(late, member)
        late.add(FaceEnrolled(member=member, templates=4, consent_until=datetime.now(UTC) + timedelta(days=9)))
        late.deliver()
        answer(late, document, member, 4)
    data = face(admin, member)
    assert data["faces"] == []
    assert data["erasures"][0]["receipt"]["templates"] == 4
    assert len(admin.post(f"members/{member}/face/erase").json()["erasures"]) == 1, "asked again, nothing is left"


def test_a_suspended_member_s_face_is_erased_too(admin: httpx.Client, station: MqttStation, enrolled: str) -> None:
    admin.patch(f"members/{enrolled}", json={"active": False})
    answer(station, asked_for(station, enrolled), enrolled, 3)
    (done,) = face(admin, enrolled)["erasures"]
    assert (done["why"], done["asked_by"], done["receipt"]["templates"]) == ("suspended", "hub", 3)
    assert admin.post("stations/demo-01/commands", json=order(enrolled)).status_code == 409


def test_who_was_enrolled_anew_keeps_the_new_templates(
    admin: httpx.Client, station: MqttStation, enrolled: str
) -> None:
    admin.post(f"members/{enrolled}/face/erase")
    document = asked_for(station, enrolled)
    assert admin.post("stations/demo-01/commands", json=order(enrolled)).status_code == 202
    station.add(FaceEnrolled(member=enrolled, templates=5, consent_until=datetime.now(UTC) + timedelta(days=9)))
    answer(station, document, enrolled, 3)
    data = face(admin, enrolled)
    assert [one["templates"] for one in data["faces"]] == [5]
    assert data["erasures"][0]["receipt"]["templates"] == 3


def test_the_member_asks_on_the_own_phone(
    hub: HubProcess, admin: httpx.Client, station: MqttStation, enrolled: str
) -> None:
    with hub.client(user=None) as phone:
        assert phone.post("phone/face/erase").status_code == 401
        ticket = admin.post(f"members/{enrolled}/phone-ticket").json()["url"].partition("t=")[2]
        phone.post("phone/session", json={"ticket": ticket})
        shown = phone.get("phone/face").json()
        assert [one["station"] for one in shown["faces"]] == ["demo-01"]
        assert shown["consents"][0]["recorded_by"] is None
        assert phone.post("phone/face/erase").status_code == 202
        answer(station, asked_for(station, enrolled), enrolled, 3)
        (done,) = phone.get("phone/face").json()["erasures"]
        assert done["receipt"]["templates"] == 3
    assert face(admin, enrolled)["erasures"][0]["asked_by"] == f"member:{enrolled}"


def test_the_progress_of_an_enrolment_is_shown_as_it_goes(
    admin: httpx.Client, station: MqttStation, member: str, progress: Callable[..., None]
) -> None:
    sent = admin.post("stations/demo-01/commands", json=order(member)).json()
    for good, said in ((0, "0/5: it is too dark on the face"), (2, "2/5: good; now turn the head a little")):
        progress(sent["id"], "accepted", said, {"good": good, "wanted": 5})
        shown = admin.get(f"commands/{sent['id']}").json()
        assert (shown["status"], shown["detail"], shown["result"]["good"]) == ("accepted", said, good)
    progress(sent["id"], "done", "5 templates", {})
    progress(sent["id"], "accepted", "late", {})
    assert admin.get(f"commands/{sent['id']}").json()["detail"] == "5 templates"


@pytest.fixture
def progress(station: MqttStation) -> Callable[..., None]:
    def tell(command: str, status: str, detail: str, result: dict[str, Any]) -> None:
        body = {"command": command, "status": status, "detail": detail, "result": result}
        station.add_raw("command.progress", body)
        station.deliver()

    return tell
