"""The whole station with a model pack: enrolled by order, a face opens, a stranger's does not, after a code only that
member's does, and the thresholds that hold are readings. Without a sound pack faces stay off and the rest works.

Liveness is off here: a photograph stands before the camera.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from station_agent.faces import packs
from station_agent.wire.commands import Consent, FaceEnrol
from station_agent.wire.rules import Role, Rules
from station_agent.wire.signed import sign
from station_agent.wire.topics import Down
from tests.harness.mini_hub import MiniHub, Phone
from tests.harness.virtual_station import ROOT, VirtualStationProcess

pytestmark = [pytest.mark.integration, pytest.mark.needs_faces, pytest.mark.timeout(120)]
HERE = "demo-01"
SHOWN_AGAIN_S = 0.6


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    text = (ROOT / "config" / "stations" / "demo-01.toml").read_text("utf-8")
    assert 'engine = "dlib"' in text
    path = tmp_path / "stations" / "demo-01.toml"
    path.parent.mkdir()
    path.write_text(
        text.replace('engine = "dlib"', 'engine = "onnx"\npack = "yunet-mobilefacenet"\nliveness = "off"'), "utf-8"
    )
    return path


def install(models_dir: Path, folder: Path) -> packs.Pack:
    """Into the folders of the virtual station's agent."""
    key, draft = Ed25519PrivateKey.generate(), ROOT / "config" / "models" / "yunet-mobilefacenet.toml"
    made = packs.make(draft, models_dir, key, folder / "pack")
    trust = folder / "state" / "keys" / packs.TRUST_FILE
    trust.parent.mkdir(parents=True)
    trust.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return packs.add(made.folder, folder / "state" / "agent" / packs.MODELS_DIR, packs.trusted_keys(trust))


async def enrol(hub: MiniHub, station: VirtualStationProcess, member: Phone, photos: list[bytes]) -> None:
    async def stand_there() -> None:
        while True:
            for photo in photos:
                (await station.http.post("/api/face-picture", content=photo)).raise_for_status()
                await asyncio.sleep(SHOWN_AGAIN_S)

    now = datetime.now(UTC)
    consent = Consent(given_at=now, purpose="enter by face", expires_at=now + timedelta(days=30))
    standing = asyncio.create_task(stand_there())
    try:
        await station.until(camera={"showing": True})
        await hub.send(HERE, hub.order(HERE, FaceEnrol(member=member.member, consent=consent), lifetime_s=60))
        enrolled = await hub.event("face.enrolled", member=member.member)
        assert enrolled["templates"] >= 3
    finally:
        standing.cancel()
        await asyncio.gather(standing, return_exceptions=True)


async def test_a_face_opens_by_the_pack_and_the_threshold_is_a_reading(
    hub: MiniHub, faces_dir: Path, models_dir: Path, profile: Path, tmp_path: Path
) -> None:
    photos = [photo.read_bytes() for photo in sorted(sorted((faces_dir / "mated").iterdir())[0].iterdir())]
    stranger = sorted((faces_dir / "strangers").iterdir())[0].read_bytes()
    folder = tmp_path / "station"
    pack = install(models_dir, folder)
    member = Phone()
    async with VirtualStationProcess(profile, hub.link(HERE), folder) as station:
        version = await hub.send_roster(HERE, [member.row()])
        await hub.event("roster.applied", version=version)
        await station.until_log(f"face engine {pack.manifest.space} is ready", 60)
        await enrol(hub, station, member, photos)

        await station.http.post("/api/face-picture", content=stranger)
        await station.post("/api/press", button="face")
        denied = await hub.event("access.decided", credential="face", outcome="denied")
        assert denied["member"] is None

        await station.http.post("/api/face-picture", content=photos[0])
        await station.post("/api/press", button="face")
        granted = await hub.event("access.decided", credential="face", outcome="granted")
        assert granted["member"] == member.member

        def thresholds() -> list[float]:
            rows = [reading for body in hub.events("readings") for reading in body["readings"]]
            return [row["value"] for row in rows if (row["device"], row["point"]) == ("faces", "threshold")]

        told = await hub.until(thresholds, "the threshold as a reading", 30)
        assert set(told) == {pack.manifest.threshold.start}, "one member is too few to calibrate"


async def test_where_the_rules_ask_for_both_a_code_opens_with_its_own_members_face_alone(
    hub: MiniHub, faces_dir: Path, models_dir: Path, profile: Path, tmp_path: Path
) -> None:
    """The code asks for the face by itself: no button. The last photo is none of those that were enrolled."""
    people = [sorted(person.iterdir()) for person in sorted((faces_dir / "mated").iterdir())]
    photos = [photo.read_bytes() for photo in people[0]]
    stranger = people[5][0].read_bytes()
    folder = tmp_path / "station"
    pack = install(models_dir, folder)
    ann, bea = Phone(), Phone()
    async with VirtualStationProcess(profile, hub.link(HERE), folder) as station:
        version = await hub.send_roster(HERE, [ann.row(), bea.row()])
        await hub.event("roster.applied", version=version)
        both = {"member": Role(code_and_face=True)}
        rules = Rules(station=HERE, version=1, issued_at=datetime.now(UTC), roles=both)
        await hub.publish(HERE, Down.DOCUMENT, sign("document", rules.model_dump_json(), hub.key))
        await hub.event("rules.applied", version=1)
        await station.until_log(f"face engine {pack.manifest.space} is ready", 60)
        await enrol(hub, station, ann, photos[:4])

        async def after_the_code(phone: Phone, face: bytes | None) -> dict[str, Any]:
            """What became of the face, with this code just before it."""
            told = len(hub.events("access.decided"))
            if face is None:
                await station.until(camera={"showing": False})
            else:
                (await station.http.post("/api/face-picture", content=face)).raise_for_status()
            await station.scan(phone.code())
            await hub.until(lambda: len(hub.events("access.decided")) >= told + 2, "a code and a face", 30)
            code, found = hub.events("access.decided")[told : told + 2]
            assert (code["credential"], code["reason"]) == ("code", "face_needed"), code
            assert (found["credential"], found["member"]) == ("face", phone.member), found
            return found

        assert (await after_the_code(bea, photos[4]))["reason"] == "face_not_enrolled"
        assert (await after_the_code(ann, stranger))["reason"] == "face_other"
        assert (await after_the_code(ann, None))["reason"] == "no_face"
        assert (await station.state())["releases"] == 0

        granted = await after_the_code(ann, photos[4])
        assert (granted["outcome"], granted["reason"]) == ("granted", "member")
        assert "with the code of just now" in granted["detail"]
        visit = await hub.event("visit.counted", credential="face")
        assert visit["attempt"] == granted["attempt"]
        assert (await station.state())["releases"] == 1


async def test_without_a_sound_pack_faces_stay_off_and_the_station_works(
    hub: MiniHub, models_dir: Path, profile: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "station"
    pack = install(models_dir, folder)
    (pack.folder / pack.manifest.embedder.file).write_bytes(b"a bad sector")
    member = Phone()
    async with VirtualStationProcess(profile, hub.link(HERE), folder) as station:
        await station.until_log("faces stay off")
        assert "mobilefacenet.onnx: not the file that the manifest names" in station.log()
        version = await hub.send_roster(HERE, [member.row()])
        await hub.event("roster.applied", version=version)
        await station.post("/api/press", button="face")
        denied = await hub.event("access.decided", credential="face", outcome="denied")
        assert denied["reason"] == "faces_off"
        await station.scan(member.code())
        await hub.event("access.decided", credential="code", outcome="granted")
