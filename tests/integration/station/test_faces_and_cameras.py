"""The whole demo station: camera and face engine included, a face opens and a stranger's does not."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from station_agent.wire.commands import CameraPicture, Consent, FaceEnrol, FaceErase
from tests.harness.mini_hub import MiniHub, Phone
from tests.harness.virtual_station import ROOT, VirtualStationProcess

pytestmark = [pytest.mark.integration, pytest.mark.needs_faces, pytest.mark.timeout(120)]
HERE = "demo-01"
SHOWN_AGAIN_S = 0.6  # a person who turns the head a little between two pictures


async def test_a_face_that_was_enrolled_by_order_opens_and_is_erased_by_order(
    hub: MiniHub, faces_dir: Path, tmp_path: Path
) -> None:
    people = sorted((faces_dir / "mated").iterdir())
    photos = [photo.read_bytes() for photo in sorted(people[0].iterdir())]
    stranger = sorted(people[5].iterdir())[0].read_bytes()
    profile = ROOT / "config" / "stations" / "demo-01.toml"
    member = Phone()
    async with VirtualStationProcess(profile, hub.link(HERE), tmp_path / "station") as station:
        version = await hub.send_roster(HERE, [member.row()])
        await hub.event("roster.applied", version=version)
        await station.until_log("face engine dlib is ready", 60)

        async def stand_there() -> None:
            while True:
                for photo in photos[:4]:
                    (await station.http.post("/api/face-picture", content=photo)).raise_for_status()
                    await asyncio.sleep(SHOWN_AGAIN_S)

        now = datetime.now(UTC)
        consent = Consent(given_at=now, purpose="enter by face", expires_at=now + timedelta(days=30))
        standing = asyncio.create_task(stand_there())
        try:
            await station.until(camera={"showing": True})
            enrol = hub.order(HERE, FaceEnrol(member=member.member, consent=consent), lifetime_s=60)
            await hub.send(HERE, enrol)
            done = await hub.until(
                lambda: [
                    event
                    for event in hub.events("command.progress", command=str(enrol.id))
                    if event["status"] in ("done", "refused", "failed")
                ],
                "the end of the enrolment",
                40,
            )
            assert done[0]["status"] == "done", done[0]
            await hub.event("face.enrolled", member=member.member)
        finally:
            standing.cancel()
            await asyncio.gather(standing, return_exceptions=True)

        await station.http.post("/api/face-picture", content=stranger)
        await station.post("/api/press", button="face")
        denied = await hub.event("access.decided", credential="face", outcome="denied")
        assert denied["member"] is None
        assert (await station.state())["releases"] == 0

        await station.http.post("/api/face-picture", content=photos[4])
        await station.post("/api/press", button="face")
        granted = await hub.event("access.decided", credential="face", outcome="granted")
        assert granted["member"] == member.member
        await hub.event("visit.counted", credential="face")

        picture = hub.order(HERE, CameraPicture(camera="garden", upload_path="/x", ticket="t"))
        await hub.send(HERE, picture)
        refused = await hub.event("command.progress", command=str(picture.id), status="refused")
        assert "entrance" in refused["detail"]

        erase = hub.order(HERE, FaceErase(member=member.member))
        await hub.send(HERE, erase)
        erased = await hub.event("face.erased", member=member.member)
        assert erased["templates"] >= 3
