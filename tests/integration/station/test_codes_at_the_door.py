"""Codes at the door of a virtual station: real agent, real drivers on ptys, real broker."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import segno

from tests.harness.mini_hub import MiniHub, Phone
from tests.harness.virtual_station import VirtualStationProcess

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


async def test_a_code_is_read_from_the_pixels_of_a_picture(
    hub: MiniHub, station: VirtualStationProcess, phone: Phone
) -> None:
    picture = io.BytesIO()
    segno.make_qr(phone.code(), error="m").save(picture, kind="png", scale=5)
    found = await station.http.post("/api/scan-picture", content=picture.getvalue())
    assert found.json()["found"]
    await station.until(contact_open=True)
    assert await hub.event("access.decided", outcome="granted")


async def test_codes_that_must_not_open_do_not_and_say_why(
    hub: MiniHub, station: VirtualStationProcess, phone: Phone
) -> None:
    used = phone.code()
    await station.scan(used)
    await station.until(contact_open=True)
    now = datetime.now(UTC)
    stranger = Phone()
    for text, reason in (
        (used, "code_replayed"),
        (phone.code(now - timedelta(seconds=40)), "code_expired"),
        (phone.code(now + timedelta(seconds=60)), "code_from_future"),
        (stranger.code(), "member_unknown"),
        (Phone(phone.member).code(), "key_unknown"),
        ("https://example.org/?u=U1:", "not_a_code"),
    ):
        await station.scan(text)
        denied = await hub.event("access.decided", reason=reason)
        assert denied["outcome"] == "denied"
        assert denied["detail"]
    assert (await station.state())["releases"] == 1


async def test_a_suspended_member_is_refused_as_soon_as_the_roster_says_so(
    hub: MiniHub, station: VirtualStationProcess, phone: Phone
) -> None:
    version = await hub.send_roster("demo-01", [phone.row(active=False)])
    await hub.event("roster.applied", version=version)
    await station.scan(phone.code())
    await hub.event("access.decided", reason="member_suspended")
    assert (await station.state())["releases"] == 0


async def test_an_old_or_forged_roster_changes_nothing(
    hub: MiniHub, station: VirtualStationProcess, phone: Phone
) -> None:
    version = await hub.send_roster("demo-01", [phone.row()])
    await hub.event("roster.applied", version=version)
    await hub.send_roster("demo-01", [], version=version - 1)
    await hub.event("input.rejected", source="document")
    await station.scan(phone.code())
    await hub.event("access.decided", outcome="granted")


async def test_the_door_opens_while_the_hub_is_away_and_the_hub_learns_of_it_afterwards(
    hub: MiniHub, station: VirtualStationProcess, phone: Phone
) -> None:
    await hub.stop_broker(kill=True)
    for visit in range(3):
        await station.scan(phone.code())
        await station.until(door_state="open", releases=visit + 1)
        await station.post("/api/door", action="close")
        await station.until(contact_open=False, bolt="secured")
    assert hub.events("access.decided") == []
    await hub.start_broker()
    await hub.until(lambda: len(hub.events("visit.counted")) == 3, "three visits")
    seqs = [row.seq for _, row in hub.rows if row.kind != "readings"]
    assert seqs == sorted(set(seqs)), "each row once, in order"


async def test_what_a_phone_shows_is_answered_on_the_sign(
    hub: MiniHub, station: VirtualStationProcess, phone: Phone
) -> None:
    await station.until(sign_text="幸福汇驿站欢迎您")
    await station.scan(phone.code(datetime.now(UTC) - timedelta(minutes=2)))
    await station.until(sign_text="码已过期,请刷新")
    await station.until(sign_text="幸福汇驿站欢迎您")


async def test_bad_input_to_the_page_is_refused_and_named(station: VirtualStationProcess, tmp_path: Path) -> None:
    for path, body in (
        ("/api/scan", {"text": ""}),
        ("/api/scan", {"text": "x", "more": 1}),
        ("/api/door", {"action": "weld"}),
        ("/api/press", {"button": "bell"}),
        ("/api/present", {"member": "00" * 8}),
        ("/api/climate", {"temperature_c": 900}),
    ):
        answer = await station.http.post(path, json=body)
        assert answer.status_code == 422, path
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"]
    assert (await station.http.post("/api/scan-picture", content=b"no picture")).status_code == 422
    foreign = await station.http.post("/api/door", json={"action": "force"}, headers={"Origin": "http://evil.example"})
    assert foreign.status_code == 403
    assert (await station.http.get("/api/state", headers={"Host": "evil.example"})).status_code == 400
    assert (await station.http.get("/../../etc/passwd")).status_code == 404
    assert not (await station.state())["door_open"]
