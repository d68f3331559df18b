"""Codes that others made, at the door of a virtual station: one-time codes, and the union's platform over HTTPS; what
is remembered of a refusal, and what opens while the platform is away.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from tests.harness.certificates import authority
from tests.harness.mini_hub import MiniHub
from tests.harness.mini_hub import Phone as Member
from tests.harness.ports import free_port
from tests.harness.union_platform import MEMBER, Platform, serving
from tests.harness.virtual_station import VirtualStationProcess

pytestmark = pytest.mark.integration

HERE = "demo-01"
SECRET = b"12345678901234567890"
VERIFIERS = """
[verifiers.union]
kind = "platform"
prefix = "union:"
url = "https://127.0.0.1:{port}/verify"
ca_file = "{ca}"
token = "union.token"
timeout_s = 5
denial_s = 300

[verifiers.closed]
kind = "platform"
pattern = "T1:.*"
url = "https://127.0.0.1:{nobody}/verify"
token = "union.token"
offline = "fall_back"

[verifiers.cards]
kind = "totp"
"""


@pytest.fixture
def platform() -> Platform:
    return Platform()


@pytest.fixture
def plain(quiet_profile: Path) -> str:
    """A station's profile without verifiers."""
    return quiet_profile.read_text("utf-8")


@pytest.fixture
async def station(hub: MiniHub, platform: Platform, plain: str, tmp_path: Path) -> AsyncIterator[VirtualStationProcess]:
    """Knows the member, asks the platform, and has the secret of the member's one-time codes."""
    ca, certificate, key = authority(tmp_path, "union")
    keys = tmp_path / "station" / "state" / "keys" / "verifiers"
    keys.mkdir(parents=True)
    for name, content in (
        ("union.token", "the-token\n"),
        ("cards.secrets", f"{MEMBER} {base64.b32encode(SECRET).decode()}\n"),
    ):
        (keys / name).write_text(content)
        (keys / name).chmod(0o600)
    async with serving(platform, certificate, key) as port:
        profile = tmp_path / "stations" / "demo-01.toml"
        profile.parent.mkdir()
        verifiers = VERIFIERS.format(port=port, ca=ca, nobody=free_port())
        profile.write_text(plain + verifiers, "utf-8")
        async with VirtualStationProcess(profile, hub.link(HERE), tmp_path / "station") as running:
            version = await hub.send_roster(HERE, [Member(MEMBER).row()])
            await hub.event("roster.applied", version=version)
            yield running


def one_time_code() -> str:
    maker = TOTP(SECRET, 8, SHA1(), 30, enforce_key_length=False)
    return f"T1:{MEMBER}:{maker.generate(int(time.time())).decode()}"


async def decided(hub: MiniHub, count: int) -> dict[str, object]:
    """The decision of that number."""
    found = await hub.until(lambda: hub.events("access.decided")[count - 1 : count], f"decision {count}")
    body: dict[str, object] = found[0]
    return body


async def test_a_one_time_code_opens_once_also_over_a_restart(hub: MiniHub, station: VirtualStationProcess) -> None:
    """The platform that would judge such texts first is away, and the profile lets the next verifier be asked."""
    shown = one_time_code()
    await station.scan(shown)
    await station.until(contact_open=True)
    granted = await decided(hub, 1)
    assert (granted["outcome"], granted["reason"], granted["member"]) == ("granted", "member", MEMBER)
    visit = await hub.event("visit.counted")
    assert visit["attempt"] == granted["attempt"]

    await station.kill_agent()
    await station.until(agent_running=False)
    await station.ready()
    await station.scan(shown)
    assert (await decided(hub, 2))["reason"] == "code_replayed"
    wrong = shown[:-1] + str((int(shown[-1]) + 1) % 10)
    await station.scan(wrong)
    assert (await decided(hub, 3))["reason"] == "signature_wrong"
    assert (await station.state())["releases"] == 1


async def test_the_platform_opens_a_refusal_is_asked_once_and_silence_opens_nothing(
    hub: MiniHub, platform: Platform, station: VirtualStationProcess
) -> None:
    await station.scan("union:good")
    await station.until(contact_open=True)
    granted = await decided(hub, 1)
    assert (granted["outcome"], granted["member"], granted["detail"]) == ("granted", MEMBER, "proven by union")
    assert platform.asked == [{"code": "union:good", "station": HERE, "reader": "scanner"}]
    assert platform.tokens == ["bearer the-token"]
    await hub.event("visit.counted", member=MEMBER)
    await station.until(contact_open=False)

    platform.answer = json.dumps({"granted": False, "reason": "used up"}).encode()
    for number in (2, 3):
        await station.scan("union:bad")
        denied = await decided(hub, number)
        assert (denied["reason"], denied["detail"]) == ("platform_refused", "union: used up")
    assert [asked["code"] for asked in platform.asked] == ["union:good", "union:bad"], "the refusal was remembered"

    platform.status = 503
    await station.scan("union:good")
    silent = await decided(hub, 4)
    assert (silent["reason"], silent["member"]) == ("platform_silent", None)
    assert "503" in str(silent["detail"])
    assert (await station.state())["releases"] == 1, "what a platform granted once it grants anew, or nobody does"

    platform.status, platform.answer = 200, json.dumps({"granted": True, "member": "00" * 8}).encode()
    await station.scan("union:somebody else's")
    assert (await decided(hub, 5))["reason"] == "member_unknown", "who it is, is the platform's; who may enter, is ours"
    assert (await station.state())["releases"] == 1
