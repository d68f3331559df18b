"""A code shown to the station's camera: real agent, real H.264 over RTSP, no scanner's line involved."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import segno

from tests.harness.mini_hub import MiniHub, Phone
from tests.harness.virtual_station import VirtualStationProcess

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]
HERE = "demo-01"

CAMERA = """
[cameras.entrance]
url = "rtsp://127.0.0.1:8554/stream"
"""


def with_camera(quiet_profile: Path, folder: Path, more: str = "") -> Path:
    """The quiet profile whose camera reads codes."""
    text = quiet_profile.read_text("utf-8")
    assert "[door]\n" in text
    text = text.replace("[door]\n", '[door]\ncode_camera = "entrance"\n') + CAMERA + more
    path = folder / "stations" / "demo-01.toml"
    path.parent.mkdir()
    path.write_text(text, "utf-8")
    return path


def shown(text: str) -> bytes:
    drawn = io.BytesIO()
    segno.make_qr(text, error="m").save(drawn, kind="png", scale=4)
    return drawn.getvalue()


async def test_a_code_held_before_the_camera_opens_once(hub: MiniHub, quiet_profile: Path, tmp_path: Path) -> None:
    profile = with_camera(quiet_profile, tmp_path)
    phone = Phone()
    async with VirtualStationProcess(profile, hub.link(HERE), tmp_path / "station") as station:
        version = await hub.send_roster(HERE, [phone.row()])
        await hub.event("roster.applied", version=version)
        (await station.http.post("/api/face-picture", content=shown(phone.code()))).raise_for_status()
        granted = await hub.event("access.decided", outcome="granted")
        assert (granted["reader"], granted["credential"], granted["member"]) == ("entrance", "code", phone.member)
        await station.until(releases=1, door_state="open")
        await station.until(camera={"showing": False})
        assert len(hub.events("access.decided")) == 1, "held there for seconds, it is one attempt"
        # The scanner reads the same code from the same phone: one code, one opening.
        await station.scan(Phone().code())
        await hub.event("access.decided", reason="member_unknown")


async def test_the_camera_is_looked_at_only_while_somebody_is_near(
    hub: MiniHub, quiet_profile: Path, tmp_path: Path
) -> None:
    profile = with_camera(quiet_profile, tmp_path, '\n[codes]\nnear = "face"\nnear_s = 30.0\n')
    phone = Phone()
    async with VirtualStationProcess(profile, hub.link(HERE), tmp_path / "station") as station:
        version = await hub.send_roster(HERE, [phone.row()])
        await hub.event("roster.applied", version=version)
        picture = shown(phone.code())
        (await station.http.post("/api/face-picture", content=picture)).raise_for_status()
        await station.until(camera={"showing": True})
        await station.scan("not a code")  # what came after the picture is decided before anything of the picture
        await hub.event("access.decided", reason="not_a_code")
        assert len(hub.events("access.decided")) == 1
        await station.post("/api/press", button="face")  # stands for the motion sensor
        await hub.event("access.decided", outcome="granted", reader="entrance")
