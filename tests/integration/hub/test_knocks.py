"""The whole way: a phone reads the door code from the dots of the station's display, and the real hub, broker and agent
open the door. Everything is what a demo runs; only the phone's page is played (tests/browser has the page itself)."""

from __future__ import annotations

import base64
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
import pytest
import zxingcpp
from cryptography.hazmat.primitives.asymmetric import ec

from station_agent.wire import membership_code
from station_agent.wire.door_code import DoorCode, make_knock, parse_door_code
from station_agent.wire.membership_code import certificate_of
from tests.harness.demo import STATION, Demo, running_demo
from tests.harness.hub_process import until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

MEMBERS = iter(f"0d0000000000000{number}" for number in range(1, 9))
"""Of the demo; each phone of these tests is another member's, for knocks are limited."""


@dataclass
class Phone:
    """A member's phone as its page makes one: a session of the hub, a key of its own, a certificate."""

    http: httpx.Client
    member: str
    key: ec.EllipticCurvePrivateKey
    certificate: membership_code.Certificate | None = None

    def knock(self, code: DoorCode, raw: bytes | None = None) -> httpx.Response:
        made = make_knock(self.key, self.member, code, self.certificate) if raw is None else raw
        return self.http.post("phone/knocks", json={"door_code": code.text(), "knock": made.hex()})

    def outcome(self, code: DoorCode) -> tuple[str, str]:
        answer = self.knock(code)
        assert answer.status_code == 200, answer.text
        return answer.json()["outcome"], answer.json()["reason"]


class Door:
    """The virtual station's door page."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http

    def state(self) -> dict[str, Any]:
        return dict(self.http.get("/api/state").json())

    def shown(self) -> DoorCode | None:
        """The code on the display, read from its dots as a scanner would."""
        screen = self.state()["code_screen"]
        dots = np.frombuffer(base64.b64decode(screen["dots"]), np.uint8).reshape(screen["height"], screen["width"])
        grey = np.kron(np.where(dots > 0, 230, 10).astype(np.uint8), np.ones((4, 4), np.uint8))
        found = zxingcpp.read_barcodes(grey)
        return parse_door_code(found[0].text.split("/m#d=")[1]) if found else None

    def code(self, after: DoorCode | None = None) -> DoorCode:
        """The one that stands there, once it is another than `after`."""

        def fresh() -> DoorCode | None:
            code = self.shown()
            return code if code != after else None

        code: DoorCode = until(fresh, "a fresh door code")
        return code

    def at_rest(self) -> None:
        self.http.post("/api/door", json={"action": "close"})
        until(lambda: self.state()["door_state"] == "secured" and not self.state()["lock_released"], "the door rests")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with running_demo(tmp_path_factory.mktemp("demo")) as running:
        yield running


@pytest.fixture
def door(demo: Demo) -> Iterator[Door]:
    with httpx.Client(base_url=demo.door_url) as http:
        door = Door(http)
        door.at_rest()
        yield door


@contextmanager
def logged_in(demo: Demo) -> Iterator[Phone]:
    """Opens the page by a ticket; the key is registered, and its certificate kept."""
    member, base = next(MEMBERS), f"{demo.hub_url}/api/v1/"
    with httpx.Client(base_url=base, headers={"Origin": demo.hub_url}, timeout=15) as http:
        ticket = http.post("demo/phone-ticket", json={"member": member}).json()["url"].split("t=")[1]
        assert http.post("phone/session", json={"ticket": ticket}).status_code == 200
        key = ec.generate_private_key(ec.SECP256R1())
        public = membership_code.public_bytes(key).hex()
        registered = http.post("phone/keys", json={"algorithm": "es256", "public": public})
        assert registered.status_code == 201, registered.text
        yield Phone(http, member, key, certificate_of(bytes.fromhex(registered.json()["certificate"])))


@contextmanager
def managing(demo: Demo) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{demo.hub_url}/api/v1/", headers={"Origin": demo.hub_url}) as manager:
        login = {"user": "operator", "password": demo.password("operator")}
        assert manager.post("session", json=login).status_code == 200
        yield manager


@pytest.fixture
def phone(demo: Demo) -> Iterator[Phone]:
    with logged_in(demo) as phone:
        yield phone


@pytest.fixture
def others_phone(demo: Demo) -> Iterator[Phone]:
    with logged_in(demo) as phone:
        yield phone


def test_a_scanned_door_code_opens_the_door_once_and_the_display_shows_the_next(
    demo: Demo, door: Door, phone: Phone, others_phone: Phone
) -> None:
    before = door.state()["releases"]
    code = door.code()
    assert code.station == STATION
    named = phone.http.get(f"phone/doors/{STATION}").json()
    assert (named["online"], named["shows_door_code"]) == (True, True)
    answer = phone.knock(code)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert (told["outcome"], told["reason"], told["zh"]) == ("granted", "member", "请进")
    assert told["station_name"] == named["station_name"]
    until(lambda: door.state()["releases"] == before + 1, "one release")
    until(lambda: door.state()["door_state"] == "open", "the visitor goes in, and the agent sees it")
    assert phone.outcome(code) == ("denied", "door_code_used")
    assert others_phone.outcome(code) == ("denied", "door_code_used")
    door.at_rest()
    following = door.code(after=code)
    assert others_phone.outcome(following) == ("granted", "member")
    until(lambda: door.state()["releases"] == before + 2, "the second release")
    until(lambda: _visits(phone)[:1] == ["door_code"], "the visit is on the member's page")


def _visits(phone: Phone) -> list[str]:
    return [visit["credential"] for visit in phone.http.get("phone/visits").json()["items"]]


def test_the_manager_sees_who_scanned_and_why_it_opened(demo: Demo, door: Door, phone: Phone) -> None:
    door_code = door.code()
    assert phone.outcome(DoorCode(b"never shown!", STATION)) == ("denied", "door_code_unknown")
    assert phone.outcome(door_code) == ("granted", "member")
    with managing(demo) as manager:

        def told() -> list[dict[str, Any]]:
            events = manager.get(f"stations/{STATION}/events").json()["items"]
            decided = [one for one in events if one["kind"] == "access.decided"]
            return decided if {"door_code_unknown", "member"} <= {one["body"]["reason"] for one in decided} else []

        events = until(told, "both attempts are in the log")
        opened = next(one for one in events if one["body"]["reason"] == "member")
        assert opened["body"]["credential"] == "door_code"
        assert opened["body"]["reader"] == "code_screen"
        refused = next(one for one in events if one["body"]["reason"] == "door_code_unknown")
        answers = {step["question"]: step["answer"] for step in refused["why"]}
        assert (answers["known"], answers["shown"], answers["proven"]) == ("yes", "no", "not_asked")


def test_nobody_opens_without_the_member_s_key_or_session(
    demo: Demo, door: Door, phone: Phone, others_phone: Phone
) -> None:
    before, code = door.state()["releases"], door.code()
    assert (
        httpx.post(f"{demo.hub_url}/api/v1/phone/knocks", json={}, headers={"Origin": demo.hub_url}).status_code == 401
    )
    others = make_knock(others_phone.key, others_phone.member, code, others_phone.certificate)
    assert phone.knock(code, others).json()["type"] == "urn:yizhan:other-member"
    stranger = ec.generate_private_key(ec.SECP256R1())
    assert phone.knock(code, make_knock(stranger, phone.member, code)).json()["reason"] == "key_unknown"
    assert phone.knock(code, make_knock(stranger, phone.member, code, phone.certificate)).json()["outcome"] == "denied"
    assert phone.knock(DoorCode(code.challenge, "demo-99")).json()["type"] == "urn:yizhan:no-such-station"
    assert door.state()["releases"] == before


def test_a_phone_that_was_reported_lost_opens_nothing(demo: Demo, door: Door, phone: Phone) -> None:
    public = membership_code.public_bytes(phone.key).hex()
    with managing(demo) as manager:

        def roster() -> int:
            return int(manager.get(f"stations/{STATION}").json()["roster_version"])

        before = roster()
        assert phone.http.delete(f"phone/keys/{public}").status_code == 204
        until(lambda: roster() > before, "the station has heard of it")
    assert phone.outcome(door.code()) == ("denied", "key_revoked")


def test_after_the_station_was_killed_no_code_of_before_is_good(demo: Demo, door: Door, phone: Phone) -> None:
    code, pid = door.code(), door.state()["agent_pid"]
    os.kill(pid, signal.SIGKILL)
    until(lambda: door.state()["agent_pid"] not in (None, pid), "another agent")
    until(lambda: door.http.get("/readyz").status_code == 200, "it is linked")
    assert phone.outcome(code) == ("denied", "door_code_unknown")
    assert phone.outcome(door.code(after=code)) == ("granted", "member")


def test_too_many_knocks_of_a_member_wait(demo: Demo, door: Door) -> None:
    with logged_in(demo) as eager:
        codes = [eager.knock(DoorCode(bytes(12), STATION)).status_code for _ in range(8)]
    assert codes == [200] * 6 + [429] * 2
