"""Log-in, roles and origin; members, their phones, and the roster that reaches a station."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from station_agent.wire import membership_code as code
from station_agent.wire.documents import Roster
from station_agent.wire.events import VisitCounted
from station_agent.wire.kinds import Credential, Reason
from tests.harness.hub_process import HubProcess, until
from tests.integration.hub.mqtt_station import WAIT_S, MqttStation

pytestmark = pytest.mark.integration

NEW = {"name": "韩梅", "occupation": "courier"}


def roster_with(station: MqttStation, member: str) -> Roster:
    """The first roster from now on that holds the member."""
    while True:
        roster = station.rosters.get(timeout=WAIT_S)
        if any(one.id == member for one in roster.members):
            return roster


def test_nobody_sees_anything_without_logging_in(hub: HubProcess) -> None:
    with hub.client(user=None) as nobody:
        for path in ("stations", "events", "members", "session", "live", "phone/me", "stations/demo-01/readings"):
            response = nobody.get(path)
            assert (response.status_code, response.headers["content-type"]) == (401, "application/problem+json"), path
        assert nobody.post("stations/demo-01/commands", json={}).status_code in (401, 422)


def test_roles(hub: HubProcess) -> None:
    order = {"order": {"kind": "door.open"}, "reason": "试验"}
    with hub.client("viewer") as viewer, hub.client("operator") as operator:
        assert viewer.get("session").json()["role"] == "viewer"
        assert viewer.get("stations").status_code == 200
        refused = viewer.post("stations/demo-01/commands", json=order)
        assert (refused.status_code, refused.json()["type"]) == (403, "urn:yizhan:role-too-low")
        assert viewer.post("members", json=NEW).status_code == 403
        assert operator.post("stations/demo-01/commands", json=order).status_code == 202
        assert operator.post("stations", json={}).status_code in (403, 422)


def test_the_session_cookie_is_for_the_browser_only_and_ends_with_the_log_out(hub: HubProcess) -> None:
    with hub.client() as client:
        cookie = next(iter(client.cookies.jar))
        assert cookie.has_nonstandard_attr("HttpOnly")
        assert cookie.get_nonstandard_attr("SameSite") == "lax"
        kept = dict(client.cookies)
        assert client.delete("session").status_code == 204
        client.cookies.update(kept)
        assert client.get("session").status_code == 401


def test_wrong_passwords_are_limited(own_hub: HubProcess) -> None:
    with own_hub.client(user=None) as client:
        tries = [client.post("session", json={"user": "admin", "password": "wrong"}) for _ in range(6)]
        assert [response.status_code for response in tries] == [401] * 5 + [429]
        assert 0 < int(tries[-1].headers["Retry-After"]) <= 60
        assert client.post("session", json={"user": "admin", "password": ""}).status_code == 422


@pytest.mark.parametrize("origin", [None, "https://evil.example", "http://127.0.0.1:1", "null"])
def test_a_write_from_another_origin_is_refused(hub: HubProcess, origin: str | None) -> None:
    with hub.client() as client:
        del client.headers["Origin"]
        headers = {} if origin is None else {"Origin": origin}
        response = client.post("members", json=NEW, headers=headers)
    assert response.status_code == 403
    assert response.json()["type"] in ("urn:yizhan:no-origin", "urn:yizhan:foreign-origin")


def test_another_sites_name_for_our_address_is_refused(hub: HubProcess) -> None:
    response = httpx.get(f"{hub.url}/api/v1/stations", headers={"Host": "evil.example"})
    assert (response.status_code, response.json()["type"]) == (421, "urn:yizhan:wrong-host")


def test_every_answer_carries_the_security_headers(hub: HubProcess) -> None:
    for path in ("/healthz", "/", "/api/v1/nowhere", "/assets/none.js"):
        headers = httpx.get(hub.url + path).headers
        assert headers["x-content-type-options"] == "nosniff", path
        assert "default-src 'none'" in headers["content-security-policy"], path
        assert "unsafe-eval" not in headers["content-security-policy"]


@pytest.mark.parametrize("path", ["/../settings.py", "/%2e%2e/%2e%2e/settings.py", "/..%2f..%2fkeys.py", "/assets/%00"])
def test_no_path_leads_out_of_the_pages(hub: HubProcess, path: str) -> None:
    response = httpx.get(hub.url + path)
    assert "cloud_hub" not in response.text
    assert "import" not in response.text or response.headers["content-type"].startswith("text/html")


def test_a_member_is_added_found_changed(admin: httpx.Client) -> None:
    made = admin.post("members", json=NEW).json()
    assert (len(made["id"]), made["active"], made["phones"]) == (16, True, 0)
    (found,) = admin.get("members", params={"query": "韩"}).json()["items"]
    assert found == made == admin.get(f"members/{made['id']}").json()
    changed = admin.patch(f"members/{made['id']}", json={"active": False, "occupation": "rider"}).json()
    assert changed == {**made, "active": False, "occupation": "rider"}
    assert admin.patch(f"members/{made['id']}", json={"name": None}).status_code == 422
    assert admin.patch("members/0000000000000000", json={"active": True}).status_code == 404
    assert admin.post("members", json={**NEW, "phone": "130"}).json()["fields"][0]["field"] == "body.phone"


def test_members_come_in_pages(admin: httpx.Client) -> None:
    whole = admin.get("members", params={"limit": 200}).json()
    paged, cursor = [], None
    while True:
        page = admin.get("members", params={"limit": 3} | ({"cursor": cursor} if cursor else {})).json()
        paged += page["items"]
        cursor = page["next"]
        if cursor is None:
            break
    assert paged == whole["items"]
    assert admin.get("members", params={"cursor": "bm9uc2Vuc2U="}).status_code == 422


def test_a_phone_becomes_a_members_and_its_code_opens_by_roster_or_certificate(
    hub: HubProcess, station: MqttStation, admin: httpx.Client
) -> None:
    member = admin.post("members", json=NEW).json()["id"]
    ticket = admin.post(f"members/{member}/phone-ticket").json()
    assert ticket["url"].startswith("/m?t=")
    use = {"ticket": ticket["url"].partition("=")[2]}
    key = ec.generate_private_key(ec.SECP256R1())
    public = code.public_bytes(key)
    with hub.client(user=None) as phone:
        me = phone.post("phone/session", json=use).json()
        assert (me["member"], me["name"]) == (member, "韩梅")
        assert phone.get("phone/me").json()["member"] == member
        assert phone.post("phone/session", json=use).status_code == 401  # once only
        answer = phone.post("phone/keys", json={"algorithm": "es256", "public": public.hex()}).json()
        off_curve = {"algorithm": "es256", "public": "02" + "ff" * 32}
        assert phone.post("phone/keys", json=off_curve).json()["type"] == "urn:yizhan:not-a-key"
        assert phone.get("stations").status_code == 401  # a phone is no manager
        roster = roster_with(station, member)
        now = datetime.now(UTC)
        issuers = {issuer.kid: issuer for issuer in roster.issuers}
        while not (keys := next(one.keys for one in roster.members if one.id == member)):
            roster = roster_with(station, member)
        short = code.parse(code.make_code(key, member, now, b"ab"))
        code.verify(short, keys, issuers, now)
        raw = bytes.fromhex(answer["certificate"])
        certificate = code.Certificate(raw[:33], int.from_bytes(raw[33:35]), raw[35], raw[36:])
        code.verify(code.parse(code.make_code(key, member, now, b"ab", certificate)), (), issuers, now)
        later = now + timedelta(days=16)
        too_late = code.parse(code.make_code(key, member, later, b"ab", certificate))
        with pytest.raises(code.CodeRefused) as refused:
            code.verify(too_late, (), issuers, later)
        assert refused.value.reason is Reason.CERTIFICATE_EXPIRED
        station.add(
            VisitCounted(attempt="7b1f0f0e-0000-4000-8000-000000000009", credential=Credential.CODE, member=member)
        )
        station.deliver()
        (visit,) = phone.get("phone/visits").json()["items"]
        assert (visit["station_name"], visit["credential"]) == ("驿站 demo-01", "code")
    assert admin.get(f"members/{member}").json()["phones"] == 1


def test_a_lost_phone_is_revoked_at_the_stations_and_can_register_no_other_key(
    hub: HubProcess, station: MqttStation, admin: httpx.Client
) -> None:
    member = admin.post("members", json=NEW).json()["id"]
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(3)]
    lost, own, late = (code.public_bytes(key).hex() for key in keys)
    with hub.client(user=None) as lost_phone, hub.client(user=None) as own_phone:
        for phone, public in ((lost_phone, lost), (own_phone, own)):
            ticket = admin.post(f"members/{member}/phone-ticket").json()["url"].partition("=")[2]
            phone.post("phone/session", json={"ticket": ticket})
            assert phone.post("phone/keys", json={"algorithm": "es256", "public": public}).status_code == 201
        assert own_phone.delete(f"phone/keys/{late}").status_code == 404
        assert own_phone.delete(f"phone/keys/{lost}").status_code == 204
        listed = {row["public"]: row["revoked_at"] for row in own_phone.get("phone/keys").json()}
        assert listed[lost] is not None
        assert listed[own] is None
        assert lost_phone.post("phone/keys", json={"algorithm": "es256", "public": late}).status_code == 401
        again = own_phone.post("phone/keys", json={"algorithm": "es256", "public": lost})
        assert (again.status_code, again.json()["type"]) == (409, "urn:yizhan:key-revoked")
        while True:
            roster = roster_with(station, member)
            held = {key.public for one in roster.members if one.id == member for key in one.keys}
            if held == {own} and roster.revoked:
                break
        assert code.public_sha256(bytes.fromhex(lost)) in {row.sha256 for row in roster.revoked}
        assert admin.get(f"members/{member}").json()["phones"] == 1
        assert admin.delete(f"members/{member}/phone-keys/{own}").status_code == 204
        assert all(row["revoked_at"] for row in admin.get(f"members/{member}/phone-keys").json())
        assert own_phone.get("phone/me").status_code == 401


def test_an_issuer_key_that_rotates_beside_the_hub_reaches_stations_and_phones(
    own_hub: HubProcess,
) -> None:
    with own_hub.client("admin") as admin, MqttStation(own_hub.link("demo-01")) as station:
        member = admin.post("members", json=NEW).json()["id"]
        (first,) = roster_with(station, member).issuers
        command = [
            Path(sys.executable).with_name("yizhan-hub"),
            "issuer",
            "rotate",
            "--at-once",
            "--data",
            own_hub.data,
        ]
        subprocess.run(command, check=True, timeout=30)
        while len(issuers := roster_with(station, member).issuers) < 2:
            pass
        assert {issuer.kid for issuer in issuers} == {first.kid, 2}
        old = next(issuer for issuer in issuers if issuer.kid == first.kid)
        assert timedelta(days=14) < old.not_after - datetime.now(UTC) < timedelta(days=16)
        ticket = admin.post(f"members/{member}/phone-ticket").json()["url"].partition("=")[2]
        with own_hub.client(user=None) as phone:
            phone.post("phone/session", json={"ticket": ticket})
            public = code.public_bytes(ec.generate_private_key(ec.SECP256R1())).hex()
            answer = phone.post("phone/keys", json={"algorithm": "es256", "public": public}).json()
        assert bytes.fromhex(answer["certificate"])[35] == 2


def test_a_suspended_member_reaches_the_station_at_once(station: MqttStation, admin: httpx.Client) -> None:
    member = admin.post("members", json=NEW).json()["id"]
    first = roster_with(station, member)
    admin.patch(f"members/{member}", json={"active": False})
    roster = roster_with(station, member)
    assert roster.version > first.version
    assert not next(one for one in roster.members if one.id == member).active


def test_a_station_that_was_away_gets_the_roster_when_it_reports(hub: HubProcess, admin: httpx.Client) -> None:
    member = admin.post("members", json=NEW).json()["id"]
    wanted = admin.get("stations/demo-02").json()["roster_wanted"]
    with MqttStation(hub.link("demo-02")) as station:
        station.tell_state(roster_version=0)
        roster = roster_with(station, member)
        assert roster.version >= wanted
        station.tell_state(roster_version=roster.version)
        shown = until(
            lambda: (row := admin.get("stations/demo-02").json())["roster_version"] == roster.version and row,
            "shown",
            5,
        )
    assert shown["roster_wanted"] == roster.version


@pytest.mark.parametrize(("token", "status"), [("a-token-of-the-union", 201), ("guess", 401)])
def test_the_unions_backend_issues_tickets_by_its_token(hub: HubProcess, token: str, status: int) -> None:
    url = f"{hub.url}/api/v1/members/0d00000000000001/phone-ticket"
    assert httpx.post(url, headers={"Authorization": f"Bearer {token}"}).status_code == status


def test_the_demo_lets_anybody_play_a_members_phone(hub: HubProcess) -> None:
    with hub.client(user=None) as visitor:
        members = visitor.get("demo/members").json()
        assert {"member": "0d00000000000001", "name": "王秀兰", "occupation": "sanitation"} in members
        ticket = visitor.post("demo/phone-ticket", json={"member": "0d00000000000001"}).json()
        me = visitor.post("phone/session", json={"ticket": ticket["url"].partition("=")[2]}).json()
        assert me["name"] == "王秀兰"


def test_a_body_without_bounds_is_refused(hub: HubProcess) -> None:
    with hub.client(user=None) as visitor:
        assert visitor.post("session", content=iter([b"{", b"}"])).json()["type"] == "urn:yizhan:no-length"
        huge = visitor.post("session", content=b" " * 300_000)
        assert (huge.status_code, huge.json()["type"]) == (413, "urn:yizhan:too-large")


def test_a_live_stream_ends_with_its_session(hub: HubProcess) -> None:
    with hub.client() as client, client.stream("GET", "live") as response:
        lines = response.iter_lines()
        assert next(lines) == "retry: 1000"
        client.delete("session")
        list(lines)  # ends; otherwise it would last until the test's time is over
        assert client.get("session").status_code == 401
